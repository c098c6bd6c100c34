"""How much of a conversation is sent again."""

from __future__ import annotations

from itertools import pairwise

from homeassistant.components import conversation
from homeassistant.helpers import llm

from custom_components.home_llm.history import NO_ANSWER, HistoryLimits, content_tokens, recent_turns
from custom_components.home_llm.tokens import estimate_tokens

AGENT = "conversation.al"


def talk(turns: int, words: int = 30) -> list[conversation.Content]:
    """Return a conversation: question, call, result and answer in each turn, and a last question."""
    content: list[conversation.Content] = []
    for turn in range(turns):
        call = llm.ToolInput(tool_name="light.turn_on", tool_args={"entity_id": "light.a"}, id=f"call {turn}")
        content += [
            conversation.UserContent(f"question {turn} " + "word " * words),
            conversation.AssistantContent(AGENT, tool_calls=[call]),
            conversation.ToolResultContent(AGENT, call.id, call.tool_name, llm.ToolResult(data={"result": "done"})),
            conversation.AssistantContent(AGENT, f"answer {turn}"),
        ]
    return [*content, conversation.UserContent("the last question")]


def asked(content: list[conversation.Content]) -> list[str]:
    """Return what the user said."""
    return [" ".join(item.content.split()[:2]) for item in content if isinstance(item, conversation.UserContent)]


def test_everything_that_fits() -> None:
    """A conversation within the limits is whole."""
    content = talk(3)
    assert recent_turns(content, HistoryLimits(10, 10_000)) == content
    assert recent_turns(content, HistoryLimits(3)) == content


def test_a_turn_without_an_answer_is_forgotten() -> None:
    """What Home Assistant writes where nobody answered is not shown to the model, and neither is what was said."""
    lost = [conversation.UserContent("lost words"), conversation.AssistantContent(AGENT, NO_ANSWER)]
    first, last = talk(1)[:-1], talk(0)
    assert recent_turns([*first, *lost, *last], HistoryLimits(10)) == [*first, *last]
    assert recent_turns([*first, *lost], HistoryLimits(10)) == [*first, *lost]
    assert recent_turns([], HistoryLimits(10)) == []


def test_only_the_current_sentence() -> None:
    """With nothing to remember, the current sentence is still sent, which prior integrations lost."""
    content = talk(5)
    for limits in (HistoryLimits(0), HistoryLimits(10, 0), HistoryLimits(10, 5)):
        assert recent_turns(content, limits) == content[-1:]


def test_whole_turns_within_the_tokens() -> None:
    """What is sent fits, begins with the user's words, and keeps calls with their results."""
    for turns in range(1, 30):
        kept = recent_turns(talk(turns), HistoryLimits(50, 600))
        assert isinstance(kept[0], conversation.UserContent)
        assert sum(map(content_tokens, kept)) <= 600
        assert asked(kept)[-1] == "the last"
        calls = {
            call.id
            for item in kept
            if isinstance(item, conversation.AssistantContent)
            for call in item.tool_calls or ()
        }
        assert calls == {item.tool_call_id for item in kept if isinstance(item, conversation.ToolResultContent)}


def test_the_beginning_stays_for_several_turns() -> None:
    """A new turn seldom changes what the conversation begins with, so that a server need not read all of it again."""
    first = [asked(recent_turns(talk(turns), HistoryLimits(50, 800)))[0] for turns in range(1, 40)]
    changes = sum(before != after for before, after in pairwise(first))
    assert 0 < changes <= 10
    turns = [len(asked(recent_turns(talk(turns), HistoryLimits(10)))) for turns in range(1, 40)]
    assert max(turns) == 11
    assert min(turns[11:]) >= 5


def test_the_estimate_is_rather_too_high() -> None:
    """Every script counts, and short names cost more than prose."""
    assert estimate_tokens("") == 0
    assert estimate_tokens("turn on the kitchen light") >= 5
    assert estimate_tokens("打开厨房的灯") >= 6
