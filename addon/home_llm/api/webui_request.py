"""What text-generation-webui takes beside OpenAI's fields.

Source: modules/api/typing.py and completions.py of text-generation-webui 4.7.3.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

import pydantic
from pydantic import AliasChoices, Field

from home_llm.api.notes import ignored
from home_llm.api.openai_completions import CompletionBody
from home_llm.api.openai_request import ChatBody
from home_llm.api.sampling import SamplingFields
from home_llm.api.webui_templates import instruction_template, is_own, preset
from home_llm.chat import ChatRequest, CompletionRequest, Limits, Message
from home_llm.llama import SamplingParameters

_Text = Annotated[str, Field(max_length=1 << 16)] | None
Generation = TypeVar("Generation", ChatRequest, CompletionRequest)


class GenerationOptions(SamplingFields):
    """The rest of text-generation-webui's generation options."""

    preset: _Text = None
    auto_max_new_tokens: bool | None = None
    truncation_length: Annotated[int, Field(ge=0)] | None = None
    add_bos_token: bool | None = None
    skip_special_tokens: bool | None = None

    def sampling(self) -> SamplingParameters:
        """Return the parameters for the engine; what a preset says goes before what the request says.

        Raises:
            ApiError: a list in a string cannot be read.
        """
        return SamplingFields.sampling(self._with_preset())

    def limits(self, max_tokens: int | None) -> Limits:
        """Return when to stop.

        Raises:
            ApiError: there are too many stop strings, or one is too long.
        """
        return super().limits(None if self.auto_max_new_tokens else max_tokens)

    def _with_preset(self) -> Self:
        if self.preset is None or is_own(self.preset):
            return self
        fields = preset(self.preset)
        if fields is None:
            ignored("preset", self.preset, "it is not known here. Send the sampler's fields.")
        return self.model_copy(update=fields or {})

    def applied(self, request: Generation) -> Generation:
        """Return a request with what these options say."""
        return dataclasses.replace(
            request,
            truncation=self.truncation_length or None,
            special_tokens=self.skip_special_tokens is False,
        )


class WebuiChatBody(GenerationOptions, ChatBody):
    """Body of `POST /v1/chat/completions`.

    The modes `chat` and `chat-instruct` are there for role play, and clients of houses send them too. Without a
    character's description or a template for them they are the same as `instruct`: the model's own template.
    """

    mode: Literal["instruct", "chat", "chat-instruct"] | None = None
    instruction_template: _Text = None
    instruction_template_str: _Text = None
    chat_template_str: _Text = None
    character: _Text = None
    bot_name: _Text = Field(None, validation_alias=AliasChoices("bot_name", "name2"))
    user_name: _Text = Field(None, validation_alias=AliasChoices("user_name", "name1"))
    user_bio: _Text = None
    context: _Text = None
    greeting: _Text = None
    continue_: bool | None = None
    preserve_thinking: bool | None = None

    @pydantic.field_validator("mode", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        """Read an empty mode as none."""
        return value or None

    def request(self) -> ChatRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: a message or tool cannot be used, or fields contradict each other.
        """
        request = self.applied(super().request())
        template = self._template()
        stops = (f"\n{self._user}:", f"\n{self._bot}:") if template is not None and template == self._transcript else ()
        last, continuing = request.messages[-1], request.continuing
        arguments = dict(request.template_arguments)
        if self.preserve_thinking is not None:
            arguments["preserve_thinking"] = self.preserve_thinking
        if template is not None:
            arguments |= {"name1": self._user, "name2": self._bot, "user_bio": self.user_bio or ""}
        return dataclasses.replace(
            request,
            messages=self._described(request.messages),
            template=template,
            template_arguments=arguments,
            limits=dataclasses.replace(request.limits, stop=(*request.limits.stop, *stops)),
            continuing="whole" if self.continue_ and last.role == "assistant" and not last.tool_calls else continuing,
        )

    @property
    def _chats(self) -> bool:
        return self.mode in {"chat", "chat-instruct"}

    @property
    def _user(self) -> str:
        return self.user_name or "You"

    @property
    def _bot(self) -> str:
        return self.bot_name or "AI"

    @property
    def _transcript(self) -> str | None:
        """The template of the mode `chat`, which writes names in place of roles."""
        source = self.chat_template_str if self.mode == "chat" else None
        if not source:
            return None
        return source if "add_generation_prompt" in source else source + "{{ name2 }}:"

    def _template(self) -> str | None:
        """Return the chat template in place of the model's, if there is one."""
        if self._transcript is not None:
            return self._transcript
        if self.instruction_template_str:
            return self.instruction_template_str
        name = self.instruction_template
        if name is None or is_own(name):
            return None
        known = instruction_template(name)
        if known is None:
            ignored("instruction_template", name, "it is not known here. The model's own is used.")
        return known

    def _described(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return the messages with the description of the character before them."""
        if not self._chats:
            return tuple(messages)
        if self.context:
            text = self.context
            for written, name in (
                ("{{char}}", self._bot),
                ("<BOT>", self._bot),
                ("{{user}}", self._user),
                ("<USER>", self._user),
            ):
                text = text.replace(written, name)
            return (Message("system", text), *messages) if messages[0].role != "system" else _joined(text, messages)
        if self.character is not None and not is_own(self.character):
            ignored("character", self.character, "there are no characters here. Send context to describe one.")
        return tuple(messages)


class WebuiCompletionBody(GenerationOptions, CompletionBody):
    """Body of `POST /v1/completions`."""

    def requests(self) -> tuple[CompletionRequest, ...]:
        """Return a request for the chat room for each prompt.

        Raises:
            ApiError: there are too many, or something is asked for that there is not.
        """
        add_bos = self.add_bos_token is not False
        return tuple(dataclasses.replace(self.applied(request), add_bos=add_bos) for request in super().requests())


def _joined(text: str, messages: Sequence[Message]) -> tuple[Message, ...]:
    first, *rest = messages
    return (dataclasses.replace(first, content=f"{text}\n\n{first.content}"), *rest)
