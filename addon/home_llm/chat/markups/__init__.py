"""How model families write tool calls: one module a family."""

from home_llm.chat.markups.base import CallParser, Markup
from home_llm.chat.markups.hermes import HermesMarkup
from home_llm.chat.markups.home import HomeMarkup

MARKUPS: dict[str, Markup] = {markup.name: markup for markup in (HermesMarkup(), HomeMarkup())}

# What a model is taken to write unless the request says otherwise: the commonest, and what models are asked to write
# whose template knows no tools.
DEFAULT_MARKUP = HermesMarkup.name

__all__ = ["DEFAULT_MARKUP", "MARKUPS", "CallParser", "Markup"]
