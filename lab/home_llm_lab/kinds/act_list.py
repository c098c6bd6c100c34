"""Shopping lists and lists of things to do."""

from __future__ import annotations

from home_llm_lab.example import Call
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able
from home_llm_lab.kinds.act_common import Order, bare, join, order
from home_llm_lab.kinds.refer import phrases_of, refer, words_of
from home_llm_lab.kinds.registry import Scene


def _items(thing: Thing) -> tuple[str, ...]:
    return tuple(str(item) for item in thing.attributes.get("items", ()))


def _is_for_shopping(scene: Scene, thing: Thing) -> bool:
    known = {word for name in phrases_of(scene.words.book, "shopping_names") for word in words_of(name)}
    return bool(words_of(thing.name) & known)


def _spoken_of(scene: Scene, thing: Thing) -> dict[str, str] | None:
    """Return the slots that speak of a list; none where it goes without saying."""
    said = refer(scene, thing)
    return None if said is None else {"thing": said, "bare": bare(scene, said)}


def _new_items(scene: Scene, thing: Thing, count: int) -> list[str]:
    """Return things that fit a list and are not on it, in no way."""
    group = "items_to_buy" if _is_for_shopping(scene, thing) else "items_to_do"
    known = {item.casefold() for item in _items(thing)}
    fresh = [item for item in phrases_of(scene.words.book, group) if item.casefold() not in known]
    return scene.rng.sample(fresh, count)


@order("list_add", 6.8, together=3.5)
def list_add(scene: Scene) -> Order | None:
    """Put one thing or several on a list."""
    lists = able(scene, "todo.add_item")
    if not lists:
        return None
    thing = lists[0]
    items = _new_items(scene, thing, scene.rng.choices((1, 2, 3), (0.75, 0.18, 0.07))[0])
    values = _spoken_of(scene, thing)
    if values is None:
        return None
    groups = ["act_list_add"]
    shopping = [one for one in lists if _is_for_shopping(scene, one)]
    if shopping == [thing] and scene.rng.random() < 0.25:
        # What is to be bought goes to the only list for it.
        groups, values = ["act_list_buy"], {}
    elif not _is_for_shopping(scene, thing):
        groups = ["act_list_add", "act_list_task"]
    return Order(
        tuple(groups),
        {**values, "item": join(scene, items)},
        tuple(Call("todo.add_item", thing.entity_id, {"item": item}) for item in items),
        {thing.entity_id: {"items": (*_items(thing), *items)}},
        "did_list_add",
        {"item": join(scene, items), "list": thing.name},
        (thing,),
    )


@order("list_done", 3.3, together=1.2)
def list_done(scene: Scene) -> Order | None:
    """Tick something off a list, or take it off."""
    which = scene.rng.choice(("complete", "complete", "remove"))
    lists = able(scene, f"todo.{which}_item", lambda thing: bool(_items(thing)))
    if not lists:
        return None
    thing = lists[0]
    item = scene.rng.choice(_items(thing))
    values = _spoken_of(scene, thing)
    if values is None or _items(thing).count(item) > 1:
        return None
    return Order(
        (f"act_list_{which}",),
        {**values, "item": item},
        (Call(f"todo.{which}_item", thing.entity_id, {"item": item}),),
        {thing.entity_id: {"items": tuple(other for other in _items(thing) if other != item)}},
        f"did_list_{which}",
        {"item": item, "list": thing.name},
        (thing,),
    )
