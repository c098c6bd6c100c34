"""Examples are executed: what does just what it says is kept, and anything else is thrown away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from home_llm_lab.data.verify import RejectedError, Verifier
from home_llm_lab.example import Call, Example, Turn
from home_llm_lab.house import Area, House, Thing
from home_llm_lab.virtual.world import open_house

DIMMABLE = {"supported_color_modes": ["brightness"], "supported_features": 0}
HOUSE = House(
    1,
    "en",
    (),
    (Area("kitchen", "Kitchen"), Area("hall", "Hall")),
    (
        Thing("light.kitchen", "Kitchen Light", "ceiling_light", "kitchen", "off", DIMMABLE),
        Thing("light.counter", "Counter Light", "counter_light", "kitchen", "on", {**DIMMABLE, "brightness": 255}),
        Thing("light.hall", "Hall Light", "ceiling_light", "hall", "off", DIMMABLE),
        Thing("light.lost", "Lost Light", "lamp", "hall", "unavailable", DIMMABLE),
        Thing("lock.door", "Front Door", "door_lock", "hall", "locked", {"supported_features": 0}),
    ),
)
ON = Turn("kitchen light on", "Turning on the Kitchen Light.", (Call("light.turn_on", "light.kitchen"),))
RIGHT = replace(ON, effects={"light.kitchen": {"state": "on"}})


@pytest.fixture(autouse=True)
def integration(enable_custom_integrations: None) -> None:
    """Let Home Assistant find the integration."""


@pytest.fixture(name="verifier")
async def verifier_fixture():
    """Begin in a house."""
    async with open_house(HOUSE) as residence:
        yield await Verifier.begin(residence)


def example(*turns: Turn) -> Example:
    """Return a conversation of some turns."""
    return Example("act_test", turns)


async def test_what_does_what_it_says_is_kept(verifier):
    """The conversation is written as the model sees it: calls, then the sentence."""
    verified = await verifier.verify(example(RIGHT))
    assert verified.messages == (
        {"role": "user", "content": "kitchen light on"},
        {"role": "assistant", "content": "light.turn_on(light.kitchen)\nTurning on the Kitchen Light."},
    )
    assert verified.effects == {"light.kitchen": {"state": "on"}}
    assert not verified.only_last


async def test_the_house_is_put_back_after_each_example(verifier):
    """An example leaves nothing behind for the next."""
    await verifier.verify(example(RIGHT))
    states = verifier.residence.hass.states
    assert states.get("light.kitchen").state == "off"
    with pytest.raises(RejectedError):
        await verifier.verify(example(ON))
    assert states.get("light.kitchen").state == "off"


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        # The planted mistakes: something else is switched, nothing is, too much is, or the value is another.
        (replace(RIGHT, calls=(Call("light.turn_on", "light.hall"),)), "light changed beside the effects"),
        (replace(RIGHT, calls=(Call("light.turn_off", "light.kitchen"),)), "state did not become"),
        (replace(RIGHT, calls=(*RIGHT.calls, Call("light.turn_on", "light.hall"))), "changed beside"),
        (replace(RIGHT, calls=(Call("light.turn_on", "area.kitchen", {"brightness": 40}),)), "changed beside"),
        (
            replace(RIGHT, effects={"light.kitchen": {"state": "on", "brightness": 255}},
                    calls=(Call("light.turn_on", "light.kitchen", {"brightness": 40}),)),
            "brightness did not become",
        ),
        (replace(RIGHT, calls=(Call("lock.unlock", "lock.door"),), effects={}), "lock changed beside the effects"),
        (replace(RIGHT, calls=()), "acts without a call"),
        (replace(RIGHT, act="tell"), "only speaks"),
        (replace(RIGHT, effects={"light.attic": {"state": "on"}}), "changed beside"),
        (replace(RIGHT, calls=(*RIGHT.calls, *RIGHT.calls)), "the same twice"),
        # What Home Assistant refuses.
        (replace(RIGHT, calls=(Call("light.turn_on", "light.lost"),)), "is refused"),
        # What the grammar does not admit.
        (replace(RIGHT, calls=(Call("light.turn_on", "light.attic"),)), "not among the choices"),
        (replace(RIGHT, calls=(Call("light.turn_on", "light.kitchen", {"brightness": 140}),)), "too large"),
        (replace(RIGHT, calls=(Call("light.turn_on", "light.kitchen", {"brightness": "40"}),)), "is no integer"),
        (replace(RIGHT, calls=(Call("light.turn_on", "light.kitchen", {"volume": 4}),)), "unknown"),
        (replace(RIGHT, calls=(Call("fan.turn_on", "light.kitchen"),)), "no such service"),
        (replace(RIGHT, reply=""), "is empty"),
        (replace(RIGHT, reply="light.kitchen is on."), "looks like a call"),
        (replace(RIGHT, reply="Turning on.\nIt is on."), "several lines"),
    ],
)  # fmt: skip
async def test_a_planted_mistake_is_thrown_away(verifier, turn, reason):
    """Each kind of mistake is found, and told."""
    with pytest.raises(RejectedError, match=reason):
        await verifier.verify(example(turn))


async def test_what_is_so_already_is_no_mistake(verifier):
    """A call for something that is already so is kept, though nothing changes."""
    on = Turn(
        "counter light on",
        "Turning on the Counter Light.",
        (Call("light.turn_on", "light.counter"),),
        {"light.counter": {"state": "on"}},
    )
    assert (await verifier.verify(example(on))).messages


async def test_a_range_is_kept_where_the_value_is_within(verifier):
    """Effects may be ranges, for what Home Assistant rounds."""
    dim = Turn(
        "dim",
        "Dimming the Counter Light.",
        (Call("light.turn_on", "light.counter", {"brightness_step": -20}),),
        {"light.counter": {"brightness": (200, 208)}},
    )
    assert (await verifier.verify(example(dim))).messages
    with pytest.raises(RejectedError, match="brightness did not become"):
        await verifier.verify(example(replace(dim, effects={"light.counter": {"brightness": (10, 20)}})))


async def test_turns_build_on_each_other(verifier):
    """The second turn is executed in the house that the first one left."""
    off = Turn(
        "and off again",
        "Turning off the Kitchen Light.",
        (Call("light.turn_off", "light.kitchen"),),
        {"light.kitchen": {"state": "off"}},
    )
    verified = await verifier.verify(example(RIGHT, off))
    assert [message["role"] for message in verified.messages] == ["user", "assistant", "user", "assistant"]
    assert verified.effects == {"light.kitchen": {"state": "off"}}


async def test_a_failed_call_is_answered_as_the_server_writes_it(verifier):
    """The sentence of a failed call is never said; the error comes as the next message; only the end is learned."""
    failed = replace(ON, error="no route to host")
    sorry = Turn("", "The Kitchen Light does not answer.", act="refuse")
    verified = await verifier.verify(example(failed, sorry))
    assert [message["content"] for message in verified.messages] == [
        "kitchen light on",
        "light.turn_on(light.kitchen)",
        "Error: Kitchen Light did not do that: no route to host",
        "The Kitchen Light does not answer.",
    ]
    assert verified.only_last


@pytest.mark.parametrize("turns", [(replace(ON, error="no"),), (RIGHT, Turn("", "Yes.", act="talk")), ()])
async def test_a_conversation_begins_with_words_and_ends_with_an_answer(verifier, turns):
    """What has no words where there is no error, or ends with one, is thrown away."""
    with pytest.raises(RejectedError):
        await verifier.verify(example(*turns))


async def test_spoken_timers_are_only_there_where_satellites_have_them(verifier):
    """A house without timers of its own offers none."""
    timer = Turn("timer", "Starting a timer.", (Call("assist.start_timer", None, {"duration": "5 minutes"}),))
    with pytest.raises(RejectedError, match="no such service"):
        await verifier.verify(example(timer))
