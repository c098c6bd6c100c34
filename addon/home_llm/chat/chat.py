"""The chat room's door: a request in, a reply of events out."""

import dataclasses
import itertools
import logging
from collections.abc import Sequence

from home_llm.chat.guard import SpecialTokenGuard
from home_llm.chat.markups import DEFAULT_MARKUP, MARKUPS, Markup
from home_llm.chat.markups.base import bind_values
from home_llm.chat.prompt import template_messages
from home_llm.chat.reasoning import OPENING as THINK
from home_llm.chat.reasoning import ReasoningSplitter
from home_llm.chat.reply import Reply
from home_llm.chat.template import CHATML, ChatTemplate, TemplateError
from home_llm.chat.vocabulary import ChatRequest, CompletionRequest, Message, NamedTool, Tool
from home_llm.engine import Constraint, ConstraintError, ConstraintKind, Engine, Generation, GenerationRequest
from home_llm.llama import SamplingParameters

_LOGGER = logging.getLogger(__name__)


class RequestError(ValueError):
    """The request cannot be answered as it is.

    Attributes:
        param: the field that is at fault.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class PromptTooLongError(RequestError):
    """The prompt does not fit the context.

    Attributes:
        n_prompt_tokens: its length.
        n_ctx: what there is room for.
    """

    def __init__(self, n_prompt_tokens: int, n_ctx: int, param: str) -> None:
        super().__init__(
            f"The prompt has {n_prompt_tokens} tokens and the context holds {n_ctx}. "
            "Shorten it, expose fewer entities, or set a larger context size.",
            param,
        )
        self.n_prompt_tokens = n_prompt_tokens
        self.n_ctx = n_ctx


class Chat:
    """Answers chat and completion requests with one engine. Safe for several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.model = engine.model
        self._guard = SpecialTokenGuard(self.model)
        self._bos = self.model.detokenize([self.model.bos]) if self.model.bos >= 0 else ""
        self._eos = self.model.detokenize([self.model.eos]) if self.model.eos >= 0 else ""
        self._template = self._own_template()

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, with BOS where the model wants it."""
        return self.model.tokenize(text, add_special=self.model.add_bos)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens.

        Raises:
            RequestError: the model does not have one of them.
        """
        if wrong := self.model.invalid_tokens(tokens):
            raise RequestError(f"tokens holds tokens that the model does not have: {wrong[:5]}.", "tokens")
        return self.model.detokenize(tokens)

    def render(self, request: ChatRequest) -> str:
        """Return the prompt of a request as text.

        Raises:
            RequestError: the template refuses the messages, or a tool is wrong.
        """
        return self._guard.unmark(self._render(request, self._markup(request), _chosen_tools(request)))

    def warm(self, request: ChatRequest) -> Reply:
        """Read a request's prompt into the cache, when nobody else wants anything, and keep it there.

        Where the user has not spoken yet, it is read as far as every prompt goes in which the user speaks next.

        Raises:
            RequestError: something in it is wrong.
            EngineClosedError: the model has been unloaded.
        """
        read_only = GenerationRequest(
            prompt=self._beginning(request),
            max_tokens=0,
            sampling=SamplingParameters(temperature=0),
            background=True,
            pinned=True,
        )
        return Reply(self._submit(read_only, param="messages"), None, None)

    def prepare(self, request: ChatRequest) -> Reply:
        """Check a request, render it and queue it.

        Raises:
            RequestError: something in it is wrong; nothing has been generated.
            EngineClosedError: the model has been unloaded.
        """
        if not request.messages:
            raise RequestError("messages must hold at least one message.", "messages")
        markup = self._markup(request)
        chosen = _chosen_tools(request)
        prompt = self._render(request, markup, chosen)
        tools = _bound(chosen, request.allowed_values)
        _LOGGER.debug("Prompt: %s", prompt)
        visible = {self.model.special_token(marker) for marker in (*markup.markers, THINK, "</think>")}
        wanted = GenerationRequest(
            prompt=self._prompt_tokens(prompt),
            max_tokens=request.limits.max_tokens,
            sampling=request.sampling,
            constraint=self._constraint(request, markup, tools),
            stop=request.limits.stop,
            visible_tokens=frozenset(token for token in visible if token is not None),
            ignore_end=request.limits.ignore_end,
            logprobs=request.logprobs,
        )
        generation = self._submit(wanted, param="messages")
        thinking = prompt.rstrip().endswith(THINK)
        return Reply(generation, markup.parser(tools) if tools else None, ReasoningSplitter(thinking=thinking))

    def complete(self, request: CompletionRequest) -> Reply:
        """Check a completion request and queue it.

        Raises:
            RequestError: something in it is wrong; nothing has been generated.
            EngineClosedError: the model has been unloaded.
        """
        if isinstance(request.prompt, str):
            add_bos = self.model.add_bos and not request.prompt.startswith(self._bos or "\0")
            tokens = self.model.tokenize(request.prompt, add_special=add_bos)
        else:
            tokens = list(request.prompt)
            if wrong := self.model.invalid_tokens(tokens):
                raise RequestError(f"prompt holds tokens that the model does not have: {wrong[:5]}.", "prompt")
        if not tokens:
            if self.model.bos < 0:
                raise RequestError("prompt must not be empty.", "prompt")
            tokens = [self.model.bos]
        wanted = GenerationRequest(
            prompt=tuple(tokens),
            max_tokens=request.limits.max_tokens,
            sampling=request.sampling,
            constraint=request.constraint,
            stop=request.limits.stop,
            ignore_end=request.limits.ignore_end,
            logprobs=request.logprobs,
        )
        return Reply(self._submit(wanted, param="prompt"), None, None)

    def _beginning(self, request: ChatRequest) -> tuple[int, ...]:
        """Return the tokens that prompts begin with which go on from the messages of a request.

        How a template ends a prompt is not among them: no other prompt goes on from there, and a memory that cannot be
        cut could not be used for any.
        """
        markup, tools = self._markup(request), _chosen_tools(request)
        whole = self._prompt_tokens(self._render(request, markup, tools))
        if request.messages and request.messages[-1].role == "user":
            return whole
        spoken = [dataclasses.replace(request, messages=(*request.messages, Message("user", text))) for text in "a1"]
        try:
            one, other = (self._prompt_tokens(self._render(each, markup, tools)) for each in spoken)
        except RequestError:
            # A template that does not let the user speak here.
            return whole
        common = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
        return tuple(token for token, _ in common) or whole

    def _prompt_tokens(self, prompt: str) -> tuple[int, ...]:
        add_bos = self.model.add_bos and not prompt.startswith(self._bos or "\0")
        return tuple(self._guard.tokenize(prompt, add_special=add_bos))

    def _submit(self, request: GenerationRequest, *, param: str) -> Generation:
        if len(request.prompt) >= self.engine.n_ctx:
            raise PromptTooLongError(len(request.prompt), self.engine.n_ctx, param)
        if wrong := self.model.invalid_tokens(request.sampling.logit_bias):
            raise RequestError(f"logit_bias names tokens that the model does not have: {wrong[:5]}.", "logit_bias")
        try:
            return self.engine.submit(request)
        except ConstraintError as error:
            raise RequestError(f"{error}.") from error

    def _own_template(self) -> ChatTemplate:
        source = self.model.chat_template
        if source is None:
            _LOGGER.warning("%s has no chat template: ChatML is used", self.model.path.name)
            return ChatTemplate(CHATML, bos=self._bos, eos=self._eos)
        try:
            return ChatTemplate(source, bos=self._bos, eos=self._eos)
        except TemplateError as error:
            _LOGGER.warning("%s: %s; ChatML is used instead", self.model.path.name, error)
            return ChatTemplate(CHATML, bos=self._bos, eos=self._eos)

    def _markup(self, request: ChatRequest) -> Markup:
        try:
            return MARKUPS[request.tool_markup or DEFAULT_MARKUP]
        except KeyError:
            known = ", ".join(sorted(MARKUPS))
            raise RequestError(
                f"tool_markup {request.tool_markup!r} is unknown; choose one of {known}.", "home_llm.tool_markup"
            ) from None

    def _render(self, request: ChatRequest, markup: Markup, tools: Sequence[Tool]) -> str:
        template = self._template
        try:
            if request.template is not None:
                template = ChatTemplate(request.template, bos=self._bos, eos=self._eos)
            native = template.knows_tools and request.render_tools and request.tool_markup is None
            messages = template_messages(request, tools, markup, native=native, guard=self._guard.mark)
            rendered = [tool.as_openai for tool in tools] if native else []
            return template.render(messages, rendered, request.template_arguments)
        except TemplateError as error:
            raise RequestError(f"{error}.", "messages") from error

    def _constraint(self, request: ChatRequest, markup: Markup, tools: Sequence[Tool]) -> Constraint | None:
        """Return what binds the answer: calls where one is required, else what the client asked for, else the tools."""
        choice = request.tool_choice
        required = choice == "required" or isinstance(choice, NamedTool)
        if not tools or (request.constraint is not None and not required):
            return request.constraint
        if request.constraint is not None:
            _LOGGER.warning("A request requires a tool and has a grammar too: the tool wins")
        lark = markup.grammar(
            tools,
            required=required,
            parallel=request.parallel_tool_calls,
            is_special=lambda text: self.model.special_token(text) is not None,
        )
        return None if lark is None else Constraint(ConstraintKind.LARK, lark)


def _chosen_tools(request: ChatRequest) -> tuple[Tool, ...]:
    """Return the tools that may be called.

    Raises:
        RequestError: the tool choice names none of them.
    """
    choice = request.tool_choice
    if choice == "none":
        return ()
    if isinstance(choice, NamedTool):
        named = tuple(tool for tool in request.tools if tool.name == choice.name)
        if not named:
            raise RequestError(f"tool_choice names {choice.name!r}, which is not among the tools.", "tool_choice")
        return named
    if choice == "required" and not request.tools:
        raise RequestError("tool_choice is required, but there are no tools.", "tool_choice")
    return request.tools


def _bound(tools: Sequence[Tool], allowed: dict[str, tuple[str, ...]]) -> tuple[Tool, ...]:
    """Return the tools with their parameters bound to the allowed values.

    The prompt shows them unbound: allowed values bind the grammar and cost no prompt token.
    """
    return tuple(dataclasses.replace(tool, parameters=bind_values(tool.parameters, allowed)) for tool in tools)
