"""Reading the answers of the chat room."""

from home_llm.chat import Chat, ChatRequest, Finish, Reasoning, Text, ToolCall
from home_llm.chat.vocabulary import Event


def answer(chat: Chat, request: ChatRequest) -> tuple[str, str, list[ToolCall], Finish]:
    """Return the thoughts, the text, the calls and the end."""
    events: list[Event] = list(chat.prepare(request).events())
    finish = events[-1]
    assert isinstance(finish, Finish)
    thought = "".join(event.text for event in events if isinstance(event, Reasoning))
    text = "".join(event.text for event in events if isinstance(event, Text))
    return thought, text, [event for event in events if isinstance(event, ToolCall)], finish
