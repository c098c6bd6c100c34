"""Warming: what every next prompt begins with is in the cache, whatever the kind of memory."""

from home_llm.chat import Chat, ChatRequest, Finish, Limits, Message, Reply
from home_llm.engine import Engine, EngineOptions
from home_llm.llama import Model, SamplingParameters

SYSTEM = Message("system", "The lamp in the hall is on. " * 12)
COMMANDS = ["Turn it off.", "Turn it on.", "turn it off", "12 lamps", "Äh?", "\nWell"]


def finish(reply: Reply) -> Finish:
    """Wait for the end."""
    *_, last = reply.events()
    assert isinstance(last, Finish)
    return last


def request(*messages: Message) -> ChatRequest:
    """Return a request for a short answer."""
    return ChatRequest(messages, sampling=SamplingParameters(temperature=0), limits=Limits(max_tokens=3))


def test_commands_find_what_was_warmed(any_kind: Model) -> None:
    """Every command after a warmed system prompt, and every one after an answer, goes on from the whole of it."""
    chat = Chat(Engine(any_kind, EngineOptions(n_ctx=4096, threads=1)))
    try:
        for before in ((SYSTEM,), (SYSTEM, Message("user", "Hi."), Message("assistant", "Hello, house."))):
            read = finish(chat.warm(request(*before))).usage
            warmed = read.prompt_tokens
            assert warmed > 100
            for command in COMMANDS:
                usage = finish(chat.prepare(request(*before, Message("user", command)))).usage
                assert usage.cached_tokens >= warmed
                assert usage.prompt_tokens - warmed < 40
    finally:
        chat.engine.close()


def test_a_whole_prompt_is_warmed_whole(any_kind: Model) -> None:
    """Where the user has spoken, all of the prompt is read."""
    chat = Chat(Engine(any_kind, EngineOptions(n_ctx=4096, threads=1)))
    try:
        whole = request(SYSTEM, Message("user", "Is it on?"))
        assert finish(chat.warm(whole)).usage.prompt_tokens == finish(chat.prepare(whole)).usage.prompt_tokens
    finally:
        chat.engine.close()
