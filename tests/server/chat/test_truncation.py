"""Letting go of what was said long ago, and going on with what was begun."""

import pytest

from home_llm.chat import Chat, ChatRequest, CompletionRequest, Limits, Message, RequestError, Text, ToolCall
from home_llm.chat.truncation import prompt_room, shortened
from home_llm.engine import Constraint, ConstraintKind
from home_llm.llama import SamplingParameters

GREEDY = SamplingParameters(temperature=0)
SYSTEM = Message("system", "s")


def turn(number: int) -> tuple[Message, ...]:
    """Return a turn with a call: five words."""
    return (
        Message("user", f"u{number}"),
        Message("assistant", "", tool_calls=(ToolCall("f", {}, "i"),)),
        Message("tool", f"t{number}", tool_call_id="i"),
        Message("assistant", f"a{number}"),
    )


def words(request: ChatRequest) -> int:
    """Count each message as a token."""
    return len(request.messages)


@pytest.mark.parametrize(
    ("room", "kept"), [(100, [0, 1, 2]), (14, [0, 1, 2]), (13, [1, 2]), (10, [1, 2]), (9, [2]), (5, []), (1, [])]
)
def test_whole_turns_go(room: int, kept: list[int]) -> None:
    """The oldest turns go as a whole, as few as it takes; the system's and the last words stay in any case."""
    messages = (SYSTEM, *turn(0), *turn(1), *turn(2), Message("user", "now"))
    result = shortened(ChatRequest(messages), room, words).messages
    assert result == (SYSTEM, *(message for number in kept for message in turn(number)), Message("user", "now"))


def test_what_follows_the_last_words_stays() -> None:
    """Calls and results of the turn under way are never let go of, nor is what a system says in between."""
    between = Message("system", "between")
    messages = (Message("assistant", "hello"), SYSTEM, *turn(0), between, *turn(1))
    assert shortened(ChatRequest(messages), 1, words).messages == (SYSTEM, between, *turn(1))
    alone = ChatRequest((Message("assistant", "hello"),))
    assert shortened(alone, 0, words) == alone


@pytest.mark.parametrize(
    ("truncation", "most", "n_ctx", "room"),
    [(100, 30, 2048, 70), (4096, 30, 2048, 2018), (100, 90, 2048, 50), (2048, None, 4096, 1536), (1, 5, 2048, 1)],
)
def test_room(truncation: int, most: int | None, n_ctx: int, room: int) -> None:
    """An answer has its place behind the prompt, and at most half of all."""
    assert prompt_room(truncation, Limits(max_tokens=most), n_ctx) == room


def test_continued_messages(chat: Chat) -> None:
    """What was begun is gone on with as if it had not been left; `whole` tells it first."""
    whole = "The capital of France is Paris"
    messages = (Message("user", "What is the capital of France?"), Message("assistant", "The capital of France is"))
    for continuing, beginning in (("rest", " Paris"), ("whole", whole)):
        request = ChatRequest(
            messages,
            sampling=GREEDY,
            limits=Limits(max_tokens=3),
            continuing=continuing,  # type: ignore[arg-type]
        )
        assert chat.render(request).endswith("assistant\nThe capital of France is")
        reply = chat.prepare(request)
        assert reply.prompt_tokens == chat.count(request)
        text = "".join(event.text for event in reply.events() if isinstance(event, Text))
        assert text.startswith(beginning)
    with pytest.raises(RequestError, match="assistant"):
        chat.prepare(ChatRequest(messages[:1], continuing="rest"))


def test_continued_thoughts(chat: Chat) -> None:
    """Where the template opens a thought, it is closed before what was begun."""
    template = "{% for m in messages %}[{{ m.content }}]{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}"
    messages = (Message("user", "hi"), Message("assistant", "Well", reasoning="hm"))
    request = ChatRequest(messages, template=template, continuing="rest")
    assert chat.render(request) == "[hi]<think>\nhm</think>\n\nWell"


def test_continued_frames(chat: Chat) -> None:
    """Where every answer is framed, what was begun stands in the channel of speech, and tools do not bind the rest."""
    template = (
        "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}"
        "{# <|channel|> functions. #}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
    )
    messages = (Message("user", "hi"), Message("assistant", "Well"))
    request = ChatRequest(
        messages,
        template=template,
        continuing="whole",
        sampling=GREEDY,
        limits=Limits(max_tokens=4),
        constraint=Constraint(ConstraintKind.CHOICE, '[" done"]'),
    )
    opened = "<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>final<|message|>Well"
    assert chat.render(request) == opened
    assert "".join(event.text for event in chat.prepare(request).events() if isinstance(event, Text)) == "Well done"


def test_completions(chat: Chat) -> None:
    """A text that is too long loses its beginning where that is wished; special tokens are told where they are."""
    text = "word " * 3000
    with pytest.raises(RequestError):
        chat.complete(CompletionRequest(text))
    reply = chat.complete(CompletionRequest(text, limits=Limits(max_tokens=2), truncation=300))
    assert reply.prompt_tokens == 298
    list(reply.events())
