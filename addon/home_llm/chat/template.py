"""Chat templates: the model's own Jinja, in a sandbox, with the helpers that templates expect."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import jinja2
import jinja2.ext
import jinja2.meta
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from home_llm.chat.markups import shown_markup
from home_llm.chat.reasoning import thoughts_of

# What a model is prompted with whose file carries no template: ChatML, the commonest.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


_TOOLS_IN_MESSAGE = re.compile(r"message(\.tools|\[['\"]tools['\"]\])")
_SHORT_IDS = re.compile(r"length\s*[!=]=\s*9\b")


class TemplateError(ValueError):
    """The template cannot be read, or refuses these messages; the text is its own reason."""


class _GenerationTag(jinja2.ext.Extension):
    """`{% generation %}`, which tells training what the assistant says, and means nothing to us."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """Return what is in the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A compiled chat template.

    Attributes:
        source: the Jinja source.
        markup: name of the markup in which it shows calls, or None where it shows none that is known.
        thoughts: how its model writes thoughts, or None.
        knows_tools: whether it shows tools that it is given.
        knows_calls: whether it shows the calls of earlier messages.
        tools_in_message: whether it wants the tools as a text in the system message, as Phi-4's does.
        short_ids: whether it refuses ids of calls that have not nine characters, as Mistral's do.

    Args:
        source: the Jinja source.
        bos: text of the BOS token.
        eos: text of the EOS token.

    Raises:
        TemplateError: the source is not valid Jinja.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _GenerationTag]
        )
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_raise, strftime_now=_strftime_now)
        try:
            self._template = environment.from_string(source)
            variables = jinja2.meta.find_undeclared_variables(environment.parse(source))
        except jinja2.TemplateError as error:
            raise TemplateError(f"the chat template is not valid: {error}") from error
        self.source = source
        self.markup = shown_markup(source)
        self.thoughts = thoughts_of(source)
        self.knows_tools = "tools" in variables
        self.knows_calls = "tool_calls" in source
        self.tools_in_message = _TOOLS_IN_MESSAGE.search(source) is not None
        self.short_ids = _SHORT_IDS.search(source) is not None
        self._tokens = {"bos_token": bos, "eos_token": eos}
        # Firefunction's want the tools as a text, and the date.
        self._wants_functions = "functions" in variables and not self.knows_tools

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
            # Llama 3's take a day in 2024 where nobody tells them.
            "date_string": _strftime_now("%d %b %Y"),
            **arguments,
            "messages": list(messages),
            "tools": list(tools) or None,
        }
        if self._wants_functions:
            now = _strftime_now("%b %d %Y")
            variables = {"functions": _tojson(list(tools), indent=4), "datetime": now, **variables}
        try:
            try:
                return self._template.render(variables)
            except TypeError:
                # Some go through the tools without asking whether there are any.
                return self._template.render({**variables, "tools": list(tools)})
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise TemplateError(f"the chat template refuses these messages: {error}") from error


def _tojson(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - templates may give it by position
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    # Not Jinja's own: that one escapes HTML, which no model was trained on. The parameters are those of Hugging Face's.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(pattern: str) -> str:
    return datetime.now(UTC).astimezone().strftime(pattern)
