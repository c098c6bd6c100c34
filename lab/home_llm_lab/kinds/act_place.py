"""Lamps by their place alone: "make the kitchen blue", "dim it to 30 percent in the office"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from home_llm_lab.kinds.act_common import Order, order
from home_llm_lab.kinds.act_groups import is_named
from home_llm_lab.kinds.act_light import ORDERS_OF_PLACES
from home_llm_lab.kinds.refer import refer_group
from home_llm_lab.kinds.registry import Scene


def _by_place(scene: Scene, make: Callable[[Scene], Order | None]) -> Order | None:
    """Return an order on the lamps of a place that names the place only, or nothing where it is the speaker's own."""
    made = make(scene)
    if made is None:
        return None
    target = str(made.calls[0].target)
    place, the = refer_group(scene, target), refer_group(scene, target, "the")
    values = {key: value for key, value in made.values.items() if key in ("percent", "color", "kelvin")}
    if target == f"area.{scene.area_id}" and scene.rng.random() < 0.5:
        values["in_area"] = ""
    elif place is None or the is None or is_named(scene, the):
        return None
    else:
        values["in_area"] = place
        if target != "all":
            values["the_area"] = the
    return replace(made, groups=tuple(f"{group}_place" for group in made.groups), values=values, place="")


@order("place_lights", 3.4, together=0)
def place_lights(scene: Scene) -> Order | None:
    """Set brightness, colour or warmth of a place."""
    return _by_place(scene, scene.rng.choice(ORDERS_OF_PLACES))
