"""Render the instructions, which are a Jinja template, with the variables that describe the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import jinja2
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import TemplateError
from homeassistant.helpers import llm, template
from jinja2 import nodes
from jinja2.runtime import Context

from .errors import AgentError

# A template that takes longer than this would hold up all of Home Assistant with every sentence.
RENDER_TIMEOUT = 3.0

# Home Assistant renders the instructions itself. It gets this template, so that what ours gave is not a template again.
RENDERED_PROMPT = "{{ llm_context.prompt }}"

_PARSER = jinja2.Environment(extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"], autoescape=False)  # noqa: S701


@dataclass(slots=True)
class PromptContext(llm.LLMContext):
    """The context of a request together with its rendered instructions."""

    prompt: str = ""

    @classmethod
    def of(cls, context: llm.LLMContext, prompt: str) -> PromptContext:
        """Return a context with instructions."""
        known = {field.name: getattr(context, field.name) for field in fields(context)}
        return cls(**known, prompt=prompt)


class OrFunction(str):  # noqa: SLOT000
    """A text that can also be called like Home Assistant's template function of the same name.

    A template may want both the area of the speaker, {{ area_name }}, and {{ area_name("light.kitchen") }}.
    """

    function: str

    @classmethod
    def named(cls, function: str, text: str | None) -> OrFunction:
        """Return a text that stands in front of a function."""
        self = cls(text or "")
        self.function = function
        return self

    @jinja2.pass_context
    def __call__(self, context: Context, *args: Any) -> Any:
        """Call the function."""
        return _call_global(context, self.function, *args)


class OrFunctionList(list[Any]):
    """A list that can also be called like Home Assistant's template function of the same name."""

    def __init__(self, function: str, items: list[Any]) -> None:
        """Hold items and know the function."""
        super().__init__(items)
        self.function = function

    @jinja2.pass_context
    def __call__(self, context: Context, *args: Any) -> Any:
        """Call the function."""
        return _call_global(context, self.function, *args)


def _call_global(context: Context, name: str, *args: Any) -> Any:
    """Call a function of Home Assistant's templates."""
    function: Any = context.environment.globals[name]
    return context.call(function, *args)


@lru_cache(maxsize=64)
def used_variables(text: str) -> frozenset[str]:
    """Return the names that a template reads; none of one that cannot be parsed."""
    try:
        tree = _PARSER.parse(text)
    except jinja2.TemplateError:
        return frozenset()
    # Jinja's own meta.find_undeclared_variables would want to know all of Home Assistant's filters.
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx == "load")


@callback
def async_render_prompt(hass: HomeAssistant, text: str, variables: Mapping[str, Any], *, strict: bool = False) -> str:
    """Return the rendered instructions.

    Args:
        hass: Home Assistant.
        text: the template.
        variables: what it can use.
        strict: whether a name that does not exist is an error and not just empty.

    Raises:
        AgentError: the template fails.
    """
    try:
        rendered = template.Template(text, hass).async_render(variables, parse_result=False, strict=strict)
    except TemplateError as err:
        raise AgentError("template_failed", message=str(err)) from err
    return str(rendered)


async def async_check_prompt(hass: HomeAssistant, text: str, variables: Mapping[str, Any]) -> None:
    """Try a template once before it is stored, where it cannot hold up Home Assistant.

    Raises:
        AgentError: it fails, or takes too long.
    """
    try:
        if await template.Template(text, hass).async_render_will_timeout(RENDER_TIMEOUT, variables, strict=True):
            raise AgentError("template_slow")
    except TemplateError as err:
        raise AgentError("template_failed", message=str(err)) from err
