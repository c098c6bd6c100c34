"""The chat room's door: a request in, a reply of events out."""

import dataclasses
import functools
import itertools
import logging
from collections.abc import Iterable, Sequence

from home_llm.chat.errors import PromptTooLongError, RequestError
from home_llm.chat.guard import SpecialTokenGuard
from home_llm.chat.markups import MARKUPS, Binding, Markup, own_markup
from home_llm.chat.prompt import render_prompt
from home_llm.chat.reasoning import THINK, ReasoningSplitter, Thoughts
from home_llm.chat.reply import Reply
from home_llm.chat.seeds import with_seed
from home_llm.chat.template import CHATML, ChatTemplate, TemplateError
from home_llm.chat.tools import bound_tools, callable_tools, chosen_tools
from home_llm.chat.truncation import prompt_room, shortened
from home_llm.chat.vocabulary import AllowedTools, ChatRequest, CompletionRequest, Message, NamedTool, Tool
from home_llm.engine import (
    Constraint,
    ConstraintError,
    ConstraintKind,
    Engine,
    Generation,
    GenerationRequest,
    Thinking,
    as_rule,
)
from home_llm.llama import SamplingParameters

_LOGGER = logging.getLogger(__name__)


class Chat:
    """Answers chat and completion requests with one engine. Safe for several threads.

    Args:
        engine: what generates.
        markup: in which markup the model was trained to write calls, where that is known; see `own_markup`.
        seed: of requests that name none; None draws one for each.
    """

    def __init__(self, engine: Engine, *, markup: str | None = None, seed: int | None = None) -> None:
        self.engine = engine
        self.seed = seed
        self._trained = markup
        self.model = engine.model
        self._guard = SpecialTokenGuard(self.model)
        self._bos = self.model.detokenize([self.model.bos]) if self.model.bos >= 0 else ""
        self._eos = self.model.detokenize([self.model.eos]) if self.model.eos >= 0 else ""
        self._template = self._own_template()

    @property
    def knows_houses(self) -> bool:
        """Whether the model was trained on houses in the compact home format, so that it needs no examples."""
        return self._trained == "home"

    @property
    def template(self) -> str:
        """The source of the chat template that is used."""
        return self._template.source

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
        template = self._template_of(request)
        return self._guard.unmark(self._render(request, template, self._markup(request, template)))

    def count(self, request: ChatRequest) -> int:
        """Return how many tokens the prompt of a request has.

        Raises:
            RequestError: the template refuses the messages, or a tool is wrong.
        """
        template = self._template_of(request)
        return len(self._prompt_tokens(self._render(request, template, self._markup(request, template))))

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
        if request.truncation is not None:
            room = prompt_room(request.truncation, request.limits, self.engine.n_ctx)
            request = shortened(request, room, self.count)
        template = self._template_of(request)
        markup = self._markup(request, template)
        prompt = self._render(request, template, markup)
        tools = bound_tools(callable_tools(request, chosen_tools(request)), request.allowed_values)
        _LOGGER.debug("Prompt: %s", prompt)
        # The frame of what is continued stands in the prompt; what follows is words up to the end.
        inside = request.continuing is not None and markup.frames
        frame, thoughts = None if inside else _frame(template), template.thoughts or THINK
        special = self._special_texts if request.special_tokens else ()
        framing = () if inside else (*markup.markers, *(frame.markers if frame else ()))
        # The grammar of a markup that frames the answer says what comes before it.
        thinking = None if request.continuing or markup.frames else _thinking(prompt, template)
        wanted = GenerationRequest(
            prompt=self._prompt_tokens(prompt),
            max_tokens=request.limits.max_tokens,
            sampling=request.sampling,
            constraint=self._constraint(request, markup, tools),
            thinking=thinking,
            stop=(*request.limits.stop, *(markup.stops if tools else ())),
            visible_tokens=self._tokens_of((*framing, *thoughts.markers, *special)),
            ignore_end=request.limits.ignore_end,
            progress=request.telling.progress,
            timings=request.telling.timings,
            slot=request.slot,
            logprobs=request.logprobs,
        )
        generation = self._submit(wanted, param="messages")
        parser = markup.parser(tools) if tools and markup is not frame and not inside else None
        before = request.messages[-1].content if request.continuing == "whole" else ""
        if frame is not None:
            return Reply(generation, parser, frame.parser(tools), before=before)
        over = prompt.endswith(thoughts.closing)
        splitter = ReasoningSplitter(thinking=_opens(prompt, thoughts), over=over, thoughts=thoughts)
        return Reply(generation, parser, splitter, before=before)

    def complete(self, request: CompletionRequest) -> Reply:
        """Check a completion request and queue it.

        Raises:
            RequestError: something in it is wrong; nothing has been generated.
            EngineClosedError: the model has been unloaded.
        """
        wanted = GenerationRequest(
            prompt=tuple(self.prompt_tokens(request)),
            max_tokens=request.limits.max_tokens,
            sampling=request.sampling,
            constraint=request.constraint,
            stop=request.limits.stop,
            visible_tokens=self._tokens_of(self._special_texts if request.special_tokens else ()),
            ignore_end=request.limits.ignore_end,
            progress=request.telling.progress,
            timings=request.telling.timings,
            slot=request.slot,
            logprobs=request.logprobs,
            sampled=request.sampled,
        )
        return Reply(self._submit(wanted, param="prompt"), None, None)

    def prompt_tokens(self, request: CompletionRequest) -> list[int]:
        """Return the tokens of the prompt of a completion request, as the model reads it.

        Raises:
            RequestError: there is none, or the model does not have one of them.
        """
        if isinstance(request.prompt, str):
            add_bos = request.add_bos and self.model.add_bos and not request.prompt.startswith(self._bos or "\0")
            tokens = self.model.tokenize(request.prompt, add_special=add_bos)
        else:
            tokens = list(request.prompt)
            if wrong := self.model.invalid_tokens(tokens):
                raise RequestError(f"prompt holds tokens that the model does not have: {wrong[:5]}.", "prompt")
        if not tokens:
            if self.model.bos < 0:
                raise RequestError("prompt must not be empty.", "prompt")
            tokens = [self.model.bos]
        if request.truncation is not None:
            tokens = tokens[-prompt_room(request.truncation, request.limits, self.engine.n_ctx) :]
        return tokens

    def _beginning(self, request: ChatRequest) -> tuple[int, ...]:
        """Return the tokens that prompts begin with which go on from the messages of a request.

        How a template ends a prompt is not among them: no other prompt goes on from there, and a memory that cannot be
        cut could not be used for any.
        """
        template = self._template_of(request)
        markup = self._markup(request, template)
        whole = self._prompt_tokens(self._render(request, template, markup))
        if request.messages and request.messages[-1].role == "user":
            return whole
        spoken = [dataclasses.replace(request, messages=(*request.messages, Message("user", text))) for text in "a1"]
        try:
            one, other = (self._prompt_tokens(self._render(each, template, markup)) for each in spoken)
        except RequestError:
            # A template that does not let the user speak here.
            return whole
        common = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
        return tuple(token for token, _ in common) or whole

    @functools.cached_property
    def _special_texts(self) -> tuple[str, ...]:
        return tuple(self.model.control_token_texts())

    def _tokens_of(self, texts: Iterable[str]) -> frozenset[int]:
        """Return the special tokens of these texts, of those that are any."""
        return frozenset(token for text in texts if (token := self.model.special_token(text)) is not None)

    def _prompt_tokens(self, prompt: str) -> tuple[int, ...]:
        add_bos = self.model.add_bos and not prompt.startswith(self._bos or "\0")
        return tuple(self._guard.tokenize(prompt, add_special=add_bos))

    def _submit(self, request: GenerationRequest, *, param: str) -> Generation:
        if not self.model.is_causal:
            raise RequestError(
                "This model reads texts and writes none: it makes vectors of them, or ranks them. Load another one.",
                "model",
            )
        if len(request.prompt) >= self.engine.n_ctx:
            raise PromptTooLongError(len(request.prompt), self.engine.n_ctx, param)
        if wrong := self.model.invalid_tokens(request.sampling.logit_bias):
            raise RequestError(f"logit_bias names tokens that the model does not have: {wrong[:5]}.", "logit_bias")
        request = dataclasses.replace(request, sampling=with_seed(request.sampling, self.seed))
        try:
            return self.engine.submit(request)
        except ConstraintError as error:
            if request.constraint is not None and request.constraint.kind is ConstraintKind.LARK:
                # Written here, out of the tools.
                raise RequestError(f"The answer cannot be bound to these tools: {error}.", "tools") from error
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

    def _template_of(self, request: ChatRequest) -> ChatTemplate:
        if request.template is None:
            return self._template
        try:
            return ChatTemplate(request.template, bos=self._bos, eos=self._eos)
        except TemplateError as error:
            raise RequestError(f"{error}.", "messages") from error

    def _markup(self, request: ChatRequest, template: ChatTemplate) -> Markup:
        name = request.tool_markup or own_markup(template.markup, self._trained)
        if name not in MARKUPS:
            known = ", ".join(sorted(MARKUPS))
            raise RequestError(f"tool_markup {name!r} is unknown; choose one of {known}.", "home_llm.tool_markup")
        return MARKUPS[name]

    def _render(self, request: ChatRequest, template: ChatTemplate, markup: Markup) -> str:
        tools = chosen_tools(request)
        if request.continuing:
            return self._render_continued(request, template, markup)
        try:
            prompt = render_prompt(request, tools, markup=markup, template=template, guard=self._guard.mark)
        except TemplateError as error:
            raise RequestError(f"{error}.", "messages") from error
        thoughts = template.thoughts or THINK
        if request.template_arguments.get("enable_thinking") is False and _opens(prompt, thoughts):
            # A template that knows no way not to think: the thoughts end where they begin.
            prompt += thoughts.closing
        return prompt

    def _render_continued(self, request: ChatRequest, template: ChatTemplate, markup: Markup) -> str:
        """Return the prompt up to the end of the last message, which the assistant goes on with."""
        *before, last = request.messages
        if last.role != "assistant" or last.tool_calls:
            raise RequestError("Only a last message of the assistant without calls can be continued.", "messages")
        prompt = self._render(dataclasses.replace(request, messages=tuple(before), continuing=None), template, markup)
        thoughts = template.thoughts or THINK
        if _opens(prompt, thoughts):
            prompt += f"{last.reasoning or ''}{thoughts.closing}"
        if prompt.endswith(thoughts.closing):
            prompt += "\n\n"
        frame = _frame(template)
        return prompt + ("" if frame is None else frame.opening) + last.content

    def _constraint(self, request: ChatRequest, markup: Markup, tools: Sequence[Tool]) -> Constraint | None:
        """Return what binds the answer: calls, what the client asked for, or either where no call is required."""
        choice, answer = request.tool_choice, None
        required = choice.required if isinstance(choice, AllowedTools) else choice == "required"
        required = required or isinstance(choice, NamedTool)
        if request.continuing and markup.frames:
            # The frame stands in the prompt, and a call would be another message.
            return request.constraint
        if not (tools or (markup.frames and request.constraint)):
            return request.constraint
        if request.constraint is not None and required:
            _LOGGER.warning("A request requires a tool and has a grammar too: the tool wins")
        elif request.constraint is not None:
            try:
                answer = as_rule(request.constraint)
            except ConstraintError as error:
                raise RequestError(f"{error}.") from error
            if answer is None:
                # A grammar with rules of its own.
                return request.constraint
        binding = Binding(
            tools=tuple(tools),
            required=required,
            parallel=request.parallel_tool_calls,
            special=self.model.special_token,
            answer=answer,
        )
        return Constraint(ConstraintKind.LARK, markup.grammar(binding))


def _frame(template: ChatTemplate) -> Markup | None:
    """Return the markup that a template's model frames every answer in, whatever it writes calls in."""
    markup = MARKUPS.get(template.markup or "")
    return markup if markup is not None and markup.frames else None


def _opens(prompt: str, thoughts: Thoughts) -> bool:
    """Return whether a prompt has the model think first."""
    return prompt.rstrip().endswith(thoughts.opening.rstrip())


def _thinking(prompt: str, template: ChatTemplate) -> Thinking | None:
    """Return how the model may think before its answer.

    It does where the prompt has it think, and it may where its template knows of thoughts and the prompt does not tell
    that they are over. Other models never think: what their answer begins with is the answer.
    """
    thoughts = template.thoughts or THINK
    if _opens(prompt, thoughts):
        return Thinking(thoughts.opening, thoughts.closing, opened=True)
    if template.thoughts is None or prompt.rstrip().endswith(thoughts.closing):
        return None
    return Thinking(thoughts.opening, thoughts.closing, opened=False)
