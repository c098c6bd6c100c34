"""Questions for rooms: in which of them lights are on."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import MAX_LISTED, in_place, listed, state_word, tells


@kind("tell_rooms", 2)
def tell_rooms(scene: Scene) -> Example | None:
    """Ask in which rooms lights are on."""
    lit = [
        area.area_id
        for area in scene.house.areas
        if any(thing.state == "on" for thing in scene.house.inside(area.target, "light"))
    ]
    lost = any(thing.area_id is None and thing.state == "on" for thing in scene.house.inside("all", "light"))
    if len(scene.house.areas) < 2 or not scene.house.inside("all", "light") or lost or len(lit) > MAX_LISTED:
        return None
    said = scene.words.say("talk_which_rooms")
    if not lit:
        nouns = {"nouns": scene.words.book.groups["talk_words_light"][0]}
        return tells(
            scene, "tell_rooms", said, scene.words.answer("talk_none_is", state=state_word(scene, "on"), **nouns)
        )
    return tells(scene, "tell_rooms", said, f"{listed(scene, [in_place(scene, area_id) for area_id in lit])}.")
