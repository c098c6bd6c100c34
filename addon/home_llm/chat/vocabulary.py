"""The one vocabulary in the middle: every dialect turns its request into these and reads these back."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from home_llm.engine import Constraint, FinishReason, Progress, Timings, TokenLogprob
from home_llm.llama import SamplingParameters

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call of a tool; also an event.

    Attributes:
        name: the tool.
        arguments: by parameter name.
        id: what the tool's result refers to.
    """

    name: str
    arguments: dict[str, Any]
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")

    @property
    def arguments_json(self) -> str:
        """The arguments as JSON text; `{}` when there are none."""
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: who speaks; `tool` is the result of a call.
        content: the text.
        tool_calls: calls that an assistant message makes.
        tool_call_id: of a `tool` message, the call it answers.
        name: of a `tool` message, the tool.
        reasoning: what an assistant thought before it spoke.
    """

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call.

    Attributes:
        name: its name.
        description: what it does, for the model.
        parameters: JSON schema of an object.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})

    @property
    def as_openai(self) -> dict[str, Any]:
        """The tool as OpenAI writes it, which is what chat templates expect."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The tool choice that makes the model call one tool."""

    name: str


@dataclass(frozen=True, slots=True)
class AllowedTools:
    """The tool choice that lets the model call some of the tools; its prompt describes all of them.

    So the prompt stays the same, and with it what is cached, while the choice changes.

    Attributes:
        names: the tools.
        required: whether one of them must be called.
    """

    names: tuple[str, ...]
    required: bool = False


ToolChoice = Literal["auto", "none", "required"] | NamedTool | AllowedTools


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop.

    Attributes:
        max_tokens: most tokens of the answer; None is what the context leaves. More than that is clamped.
        stop: strings that end the answer.
        ignore_end: go on after the model's own end.
    """

    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    ignore_end: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told of the work while it is done.

    Attributes:
        progress: how far the prompt has been read.
        timings: with each piece of text, what has been done so far.
    """

    progress: bool = False
    timings: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to continue.

    Attributes:
        messages: at least one.
        tools: what the model may call.
        tool_choice: whether it may or must.
        parallel_tool_calls: whether one answer may hold several calls.
        sampling: how to choose tokens.
        limits: when to stop.
        constraint: what the text must match. With tools it may be calls instead, and must where one is required.
        tool_markup: name of the markup in which the model writes calls; None is the model's own.
        render_tools: whether the prompt describes the tools; False when the client's prompt does.
        allowed_values: by parameter name, the only strings that a call may give for it.
        template: a Jinja chat template in place of the model's.
        template_arguments: variables for the chat template.
        logprobs: how many of the likeliest tokens to tell for each token of the content; None tells nothing.
        continuing: go on with the last message, an assistant's, in place of beginning another one: `rest` tells what is
            new, `whole` the message from its beginning.
        truncation: let go of the oldest messages where the prompt would have more tokens, or more than the context has
            room for, with the answer; None lets go of none.
        special_tokens: whether special tokens of the answer are told as text.
        telling: what is told beside the answer.
        slot: a number under which what it leaves in the cache can be saved; None is none.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    limits: Limits = field(default_factory=Limits)
    constraint: Constraint | None = None
    tool_markup: str | None = None
    render_tools: bool = True
    allowed_values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    template: str | None = None
    template_arguments: dict[str, Any] = field(default_factory=dict)
    logprobs: int | None = None
    continuing: Literal["rest", "whole"] | None = None
    truncation: int | None = None
    special_tokens: bool = False
    telling: Telling = field(default_factory=Telling)
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A text to continue as it stands, without a template.

    Attributes:
        prompt: the text, or its tokens.
        sampling: how to choose tokens.
        limits: when to stop.
        constraint: what the continuation must match.
        logprobs: how many of the likeliest tokens to tell for each token; None tells nothing.
        sampled: tell how likely they were after the samplers, in place of what the model thinks.
        truncation: let go of the beginning of the prompt where it has more tokens, or more than the context has room
            for, with the answer; None lets go of nothing.
        add_bos: begin a text with the BOS token where the model wants one.
        special_tokens: whether special tokens of the answer are told as text.
        telling: what is told beside the answer.
        slot: a number under which what it leaves in the cache can be saved; None is none.
    """

    prompt: str | tuple[int, ...]
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    limits: Limits = field(default_factory=Limits)
    constraint: Constraint | None = None
    logprobs: int | None = None
    sampled: bool = False
    truncation: int | None = None
    add_bos: bool = True
    special_tokens: bool = False
    telling: Telling = field(default_factory=Telling)
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of what is said.

    Attributes:
        text: the piece.
        at: where it begins in the text that it was taken from, in characters.
        logprobs: of its tokens, where they were asked for; each token is told once.
        timings: what it cost so far, where that was asked for.
    """

    text: str
    at: int = field(default=0, compare=False, kw_only=True)
    logprobs: tuple[TokenLogprob, ...] = field(default=(), kw_only=True)
    timings: Timings | None = field(default=None, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what is thought before it is said."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a request.

    Attributes:
        prompt_tokens: of the prompt, cached or not.
        completion_tokens: of the answer.
        cached_tokens: of the prompt, those that were not processed again.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int

    @classmethod
    def of(cls, timings: Timings) -> "Usage":
        """Return the usage that an engine's timings tell of."""
        return cls(timings.cache_n + timings.prompt_n, timings.predicted_n, timings.cache_n)


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer.

    Attributes:
        reason: why it ended, `stop` also after tool calls.
        usage: tokens.
        timings: milliseconds.
        stop: the stop string that ended it, if one did.
        logprobs: of tokens that came with no piece of text.
    """

    reason: FinishReason
    usage: Usage
    timings: Timings
    stop: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


Event = Progress | Text | Reasoning | ToolCall | Finish
