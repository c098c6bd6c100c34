"""How model families write tool calls: one module a family, one parser for all that write them in blocks."""

from home_llm.chat.markups.base import CallParser, Markup
from home_llm.chat.markups.choosing import own_markup, shown_markup
from home_llm.chat.markups.functioncall import FunctionCallMarkup
from home_llm.chat.markups.functiongemma import FunctionGemmaMarkup, Gemma4Markup
from home_llm.chat.markups.gemma import GemmaMarkup
from home_llm.chat.markups.gpt_oss import GptOssMarkup
from home_llm.chat.markups.granite import GraniteMarkup
from home_llm.chat.markups.hermes import HermesMarkup
from home_llm.chat.markups.home import HomeMarkup
from home_llm.chat.markups.home_blocks import HomeBlockMarkup, HomeJsonMarkup
from home_llm.chat.markups.lark import Binding
from home_llm.chat.markups.lfm2 import Lfm2Markup
from home_llm.chat.markups.llama3 import Llama3Markup
from home_llm.chat.markups.mistral import MistralArgumentsMarkup, MistralMarkup
from home_llm.chat.markups.phi import PhiMarkup
from home_llm.chat.markups.qwen_coder import QwenCoderMarkup
from home_llm.chat.markups.smollm import SmolLMMarkup
from home_llm.chat.markups.tolerant import TolerantMarkup

_ALL: tuple[Markup, ...] = (
    FunctionCallMarkup(),
    FunctionGemmaMarkup(),
    Gemma4Markup(),
    GemmaMarkup(),
    GptOssMarkup(),
    GraniteMarkup(),
    HermesMarkup(),
    HomeBlockMarkup(),
    HomeJsonMarkup(),
    HomeMarkup(),
    Lfm2Markup(),
    Llama3Markup(),
    MistralArgumentsMarkup(),
    MistralMarkup(),
    PhiMarkup(),
    QwenCoderMarkup(),
    SmolLMMarkup(),
    TolerantMarkup(),
)

MARKUPS: dict[str, Markup] = {markup.name: markup for markup in _ALL}

__all__ = ["MARKUPS", "Binding", "CallParser", "Markup", "own_markup", "shown_markup"]
