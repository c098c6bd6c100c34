"""How model families write tool calls: one module a family."""

from home_llm.chat.markups.base import CallParser, Markup
from home_llm.chat.markups.hermes import HermesMarkup
from home_llm.chat.markups.home import HomeMarkup

MARKUPS: dict[str, Markup] = {markup.name: markup for markup in (HermesMarkup(), HomeMarkup())}


def markup_for(template: str | None) -> Markup:
    """Return the markup that a chat template teaches; Hermes where it teaches none.

    Args:
        template: the Jinja source, or None.
    """
    # Hermes is the only family told from its template so far; it is also what untaught models are asked to write.
    del template
    return MARKUPS["hermes"]


__all__ = ["MARKUPS", "CallParser", "Markup", "markup_for"]
