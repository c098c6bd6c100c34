"""Prompts as llama-server takes them: a text, tokens, both mixed, or a text in an object; one, or a list of them.

Source: tools/server/README.md of llama.cpp, `prompt` of `POST /completion`.
"""

from collections.abc import Callable
from typing import Any, Literal, Self

import pydantic

from home_llm.api.body import Lenient
from home_llm.api.errors import ApiError
from home_llm.llama import Model


class _Part(Lenient):
    type: Literal["text"]
    text: str


class Enclosed(Lenient):
    """A text in an object: in `prompt_string`, or in the parts of `content`."""

    prompt_string: str | None = None
    content: list[_Part] | None = None
    multimodal_data: list[Any] | None = None

    @pydantic.model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.prompt_string is None) == (self.content is None):
            raise ValueError("it must hold either prompt_string or content")
        if self.multimodal_data:
            raise ValueError("multimodal_data is not supported: this model reads text only")
        return self

    @property
    def text(self) -> str:
        """The text; that of parts is joined as it stands."""
        return self.prompt_string or "".join(part.text for part in self.content or ())


Mixed = list[str | int]
"""Texts and tokens of one prompt."""

Prompts = str | Enclosed | list[str | int | Enclosed | Mixed]
"""One prompt, or several."""

Tokenize = Callable[[str, int], list[int]]
"""Returns the tokens of the part of a prompt with that number; those that begin a prompt belong to part 0."""


def prompts_of(given: Prompts, param: str = "prompt") -> list[str | Mixed]:
    """Return the prompts: a list with a number in it, and an empty one, is one prompt; any other list holds several.

    Args:
        given: the field of the request.
        param: its name.

    Raises:
        ApiError: there is something in a prompt that is neither a text nor a token.
    """
    if not isinstance(given, list):
        return [_plain(given)]
    if given and not any(isinstance(part, int) for part in given):
        return [_plain(part) for part in given if not isinstance(part, int)]
    mixed: Mixed = []
    for number, part in enumerate(given):
        if not isinstance(part, str | int):
            raise ApiError(400, f"{param}[{number}] must be a text or a token.", param=f"{param}[{number}]")
        mixed.append(part)
    return [mixed]


def joined(prompt: Mixed, tokenize: Tokenize) -> list[int]:
    """Return the tokens of a prompt that is given in texts and tokens."""
    tokens: list[int] = []
    for number, part in enumerate(prompt):
        tokens += [part] if isinstance(part, int) else tokenize(part, number)
    return tokens


def plainly(model: Model) -> Tokenize:
    """Return how a prompt is tokenized that the model goes on with: what reads like a special token is one."""
    return lambda text, part: model.tokenize(text, add_special=part == 0 and model.add_bos)


def _plain(prompt: str | Enclosed | Mixed) -> str | Mixed:
    return prompt.text if isinstance(prompt, Enclosed) else prompt
