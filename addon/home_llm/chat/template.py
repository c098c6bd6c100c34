"""Chat templates: the model's own Jinja, in a sandbox, with the helpers that templates expect."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import jinja2
import jinja2.ext
import jinja2.meta
import jinja2.sandbox

from home_llm.chat.reasoning import CLOSING

# What a model is prompted with whose file carries no template: ChatML, the commonest.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class TemplateError(ValueError):
    """The template cannot be read, or refuses these messages; the text is its own reason."""


class ChatTemplate:
    """A compiled chat template.

    Args:
        source: the Jinja source.
        bos: text of the BOS token.
        eos: text of the EOS token.

    Raises:
        TemplateError: the source is not valid Jinja.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_raise, strftime_now=_strftime_now)
        try:
            self._template = environment.from_string(source)
            variables = jinja2.meta.find_undeclared_variables(environment.parse(source))
        except jinja2.TemplateError as error:
            raise TemplateError(f"the chat template is not valid: {error}") from error
        self.source = source
        self.knows_tools = "tools" in variables
        # Templates of models that think take the thoughts out of earlier turns, or write the end of them.
        self.knows_thoughts = CLOSING in source
        self._tokens = {"bos_token": bos, "eos_token": eos}

    def render(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]], arguments: dict[str, Any]
    ) -> str:
        """Return the prompt, up to where the assistant speaks.

        Args:
            messages: OpenAI messages, with the arguments of calls as objects.
            tools: OpenAI tools.
            arguments: further variables, such as `enable_thinking`.

        Raises:
            TemplateError: the template refuses the messages, or breaks on them.
        """
        variables: dict[str, Any] = {
            **self._tokens,
            "add_generation_prompt": True,
            **arguments,
            "messages": list(messages),
            "tools": list(tools) or None,
        }
        try:
            return self._template.render(variables)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise TemplateError(f"the chat template refuses these messages: {error}") from error


def _tojson(value: Any, indent: int | None = None) -> str:
    # Not Jinja's own: that one escapes HTML, which no model was trained on.
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(pattern: str) -> str:
    return datetime.now(UTC).astimezone().strftime(pattern)
