"""Vacuum cleaners and lawn mowers."""

from __future__ import annotations

from home_llm_lab.example import Call
from home_llm_lab.kinds.act_able import able, can
from home_llm_lab.kinds.act_common import Order, on, one, order
from home_llm_lab.kinds.registry import Scene

_VACUUM = {"start": "cleaning", "pause": "paused", "return_to_base": "returning"}
_MOWER = {"start_mowing": "mowing", "pause": "paused", "dock": "returning"}


@order("vacuum", 7.7, together=2.5)
def vacuum(scene: Scene) -> Order | None:
    """Start, pause or send home a vacuum cleaner; the only one may be meant by its work."""
    return _robot(scene, "vacuum", _VACUUM)


@order("mower", 4.5, together=0.6)
def mower(scene: Scene) -> Order | None:
    """Start, pause or send home a lawn mower; the only one may be meant by its work."""
    return _robot(scene, "lawn_mower", _MOWER)


def _robot(scene: Scene, domain: str, states: dict[str, str]) -> Order | None:
    which = scene.rng.choice((*states, next(iter(states)), list(states)[-1]))
    service = f"{domain}.{which}"
    clause = f"did_{domain}_{which}"
    all_of_them = scene.house.inside("all", domain)
    if len(all_of_them) == 1 and can(all_of_them[0], service) and scene.rng.random() < 0.25:
        thing = all_of_them[0]
        effects = {thing.entity_id: {"state": states[which]}}
        told = {"name": thing.name}
        return Order(
            (f"act_the_{domain}_{which}",), {}, (Call(service, thing.entity_id),), effects, clause, told, (thing,)
        )
    subject = one(scene, able(scene, service))
    groups = [f"act_{domain}_{which}"]
    return on(scene, subject, groups, Call(service), lambda _: {"state": states[which]}, clause=clause)
