"""Which devices a prompt tells of where not all of them fit."""

from __future__ import annotations

from custom_components.home_llm.entity_budget import (
    CORE_SHARE,
    SMALLEST_BUDGET,
    Kept,
    Moment,
    choose,
    default_budget,
)
from custom_components.home_llm.home_format import render_device, render_house
from custom_components.home_llm.service_catalogue import Device
from custom_components.home_llm.tokens import estimate_tokens

ROOMS = ("Attic", "Bathroom", "Cellar", "Garage", "Kitchen", "Nursery", "Office", "Porch")
HOUSE = [
    Device(f"{domain}.{room.lower()}_{number}", f"{room} {word} {number}", "off", area=room)
    for room in ROOMS
    for domain, word in (("light", "Lamp"), ("switch", "Plug"), ("sensor", "Meter"), ("cover", "Blind"))
    for number in range(3)
]
AREAS = {device.entity_id: (device.area or "").lower() for device in HOUSE}
BUDGET = 600


def pick(command: str = "", **moment: object) -> Kept:
    """Return what is kept for a command."""
    return choose(HOUSE, BUDGET, lambda: Moment(command=command, areas=AREAS, **moment))  # type: ignore[arg-type]


def test_a_house_that_fits_is_whole() -> None:
    """Nothing is left out, nothing is looked at, and what changes by itself stands last."""

    def moment() -> Moment:
        raise AssertionError

    kept = choose(reversed(HOUSE[:10]), 10_000, moment)
    assert (kept.late, kept.dropped) == ([], 0)
    ids = [device.entity_id for device in kept.in_order]
    assert sorted(ids) == [device.entity_id for device in kept.devices]
    assert ids == sorted(ids, key=lambda entity_id: (entity_id.startswith("sensor."), entity_id))
    assert choose(HOUSE, None, moment).dropped == 0


def test_what_is_kept_fits() -> None:
    """The lines of what is kept are within the budget, for any command, and the rest is counted."""
    for command in ("", "turn on everything", "cellar plug 2", "turn off all lamps in the kitchen, office and garage"):
        kept = pick(command)
        lines = [render_device(device) for device in kept.devices]
        assert sum(1 + estimate_tokens(line) for line in lines) <= BUDGET
        assert kept.dropped == len(HOUSE) - len(lines) > 0
        assert len({device.entity_id for device in kept.devices}) == len(lines)


def test_what_is_named_is_there() -> None:
    """Every single device of a large house can be spoken to by its name, also in other forms of it."""
    for device in HOUSE:
        assert device in pick(f"please turn on the {device.name}").devices
    assert "cover.porch_2" in {device.entity_id for device in pick("close the PORCH blinds").devices}


def test_other_names() -> None:
    """An alias counts as a name, and compound words and accents do not hide it."""
    names = {"switch.porch_2": ["Küche Kaffeemaschine"]}
    for command in ("mach die Kaffeemaschine an", "kuche kaffeemaschine", "Kaffeemaschinen aus"):
        assert "switch.porch_2" in {device.entity_id for device in pick(command, names=names).devices}


def test_the_speakers_room_and_what_was_used_last() -> None:
    """Where nothing is named, the room of the speaker and the last devices come first."""
    here = [device.area for device in pick("make it brighter", area_id="porch").late]
    assert set(here) == {"Porch"}
    assert pick("turn it off again", recent=["switch.porch_2"]).late == [
        device for device in HOUSE if device.entity_id == "switch.porch_2"
    ]


def test_what_is_read_first_does_not_depend_on_the_command() -> None:
    """Two commands share the prompt up to the devices that only they are about."""
    first, second = pick("turn on the Porch Lamp 2"), pick("close the Office Blind 1", area_id="cellar")
    assert first.core == second.core
    assert first.late != second.late
    prompts = [render_house(kept.core, kept.late) for kept in (first, second)]
    core = render_house(first.core)
    assert all(prompt.startswith(core) for prompt in prompts)
    assert estimate_tokens(core) > BUDGET * CORE_SHARE * 0.8


def test_every_domain_is_known() -> None:
    """A few of each kind are always there, so that the services never change."""
    assert {device.domain for device in pick().core} == {"light", "switch", "sensor", "cover"}


def test_the_budget_of_a_context() -> None:
    """Answer, conversation and instructions are left room, and a tiny context still has a few devices."""
    assert default_budget(None, 512, 300) is None
    assert default_budget(8192, 512, 300) == 8192 * 7 // 8 - 512 - 300
    assert default_budget(2048, 4096, 300) == 2048 * 7 // 8 - 512 - 300
    assert default_budget(512, 512, 300) == SMALLEST_BUDGET
