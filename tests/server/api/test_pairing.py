"""Ids for calls and results that come without."""

from home_llm.api.pairing import paired
from home_llm.chat import Message, ToolCall


def calling(*names: str, ids: tuple[str, ...] = ()) -> Message:
    """Return a message that calls tools."""
    return Message(
        "assistant", tool_calls=tuple(ToolCall(name, {}, (ids or ("",) * 9)[n]) for n, name in enumerate(names))
    )


def test_by_order() -> None:
    """Results without ids and names answer the calls in their order, and what is made up is the same each time."""
    given = [
        Message("user", "hi"),
        calling("a", "b"),
        Message("tool", "1"),
        Message("tool", "2"),
        calling("a"),
        Message("tool", "3"),
    ]
    result = paired(given)
    assert [call.id for message in result for call in message.tool_calls] == ["call00001", "call00002", "call00003"]
    answers = [(message.tool_call_id, message.name, message.content) for message in result if message.role == "tool"]
    assert answers == [("call00001", "a", "1"), ("call00002", "b", "2"), ("call00003", "a", "3")]
    assert paired(given) == result


def test_by_name() -> None:
    """A result with a name answers the first call of that name, wherever it stands."""
    result = paired(
        [
            calling("a", "b", "a"),
            Message("tool", "2", name="b"),
            Message("tool", "1", name="a"),
            Message("tool", "3", name="a"),
        ]
    )
    assert [(message.tool_call_id, message.name) for message in result[1:]] == [
        ("call00002", "b"),
        ("call00001", "a"),
        ("call00003", "a"),
    ]


def test_by_id() -> None:
    """Ids that were given stay, and bring the name with them."""
    result = paired(
        [
            calling("a", "b", ids=("x", "y")),
            Message("tool", "2", tool_call_id="y"),
            Message("tool", "1", tool_call_id="x"),
        ]
    )
    assert result[0].tool_calls == (ToolCall("a", {}, "x"), ToolCall("b", {}, "y"))
    assert [(message.tool_call_id, message.name) for message in result[1:]] == [("y", "b"), ("x", "a")]


def test_results_of_nothing() -> None:
    """A result that answers no call stays as it is."""
    for lonely in (Message("tool", "1"), Message("tool", "1", tool_call_id="z", name="n")):
        assert paired([Message("user", "hi"), lonely])[1] == lonely
        assert paired([calling("a"), Message("tool", "0"), lonely])[2] == lonely
