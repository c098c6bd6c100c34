"""Keep special tokens out of what people and tools say.

A chat template writes roles as special tokens, so the whole prompt is tokenized with special tokens understood. A
device that is called `<|im_end|>` would then end the user's turn. The text of every control token inside a message is
therefore split by a mark that the tokenizer never sees: the prompt is cut at the marks, and the parts are tokenized one
by one, which leaves the same text made of ordinary tokens.
"""

import functools
import re
from collections.abc import Iterable

from home_llm.llama import Model

# A private-use character that no prompt needs; one in a message is dropped.
_MARK = "\ue0f1"


class SpecialTokenGuard:
    """Marks and tokenizes prompts for one model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @functools.cached_property
    def _control_tokens(self) -> re.Pattern[str] | None:
        texts = self._model.control_token_texts()
        if not texts:
            return None
        longest_first = sorted(texts, key=len, reverse=True)
        return re.compile("|".join(re.escape(text) for text in longest_first))

    def mark(self, text: str) -> str:
        """Return a message's text with its control tokens split."""
        text = text.replace(_MARK, "")
        if self._control_tokens is None:
            return text
        return self._control_tokens.sub(lambda match: match.group()[0] + _MARK + match.group()[1:], text)

    @staticmethod
    def unmark(prompt: str) -> str:
        """Return a rendered prompt as people should see it."""
        return prompt.replace(_MARK, "")

    def tokenize(self, prompt: str, *, add_special: bool) -> list[int]:
        """Return the tokens of a rendered prompt with its marks."""
        first, *rest = prompt.split(_MARK)
        tokens = self._model.tokenize(first, add_special=add_special)
        return [*tokens, *_chain(self._model.tokenize(part) for part in rest)]


def _chain(parts: Iterable[list[int]]) -> Iterable[int]:
    for part in parts:
        yield from part
