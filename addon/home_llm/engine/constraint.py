"""Constrained decoding: grammars compiled by llguidance, applied to the logits in place."""

import logging
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import llguidance
import numpy as np
import numpy.typing as npt
from llguidance.gbnf_to_lark import gbnf_to_lark
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from home_llm.llama import Model, constraint_tokenizer

_LOGGER = logging.getLogger(__name__)
_COMPILED_LIMIT = 32

# How JSON is written. On one line and with single spaces, as models were trained on it and as `json.dumps` has it:
# where white space is free, a small model may go on writing it. Lenient: a keyword that llguidance cannot enforce
# loosens the schema instead of failing the request.
JSON_STYLE: dict[str, Any] = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": True,
}


class ConstraintError(ValueError):
    """The grammar, schema or expression cannot be compiled; the text says why."""


class ConstraintKind(StrEnum):
    """The languages a constraint may be written in."""

    JSON_SCHEMA = "json_schema"
    GBNF = "gbnf"
    REGEX = "regex"
    LARK = "lark"


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the generated text must match, as a whole.

    Attributes:
        kind: the language of `source`.
        source: the schema as JSON text, or the grammar or expression. Lark is llguidance's dialect of it
            (https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md).
    """

    kind: ConstraintKind
    source: str


class Matcher:
    """One generation's walk through a grammar. Not for two threads at once."""

    def __init__(self, compiled: Any, n_vocab: int) -> None:
        self._matcher = compiled
        self._mask: npt.NDArray[np.int32] = allocate_token_bitmask(1, n_vocab)
        self._n_vocab = n_vocab

    def mask(self, logits: npt.NDArray[np.float32]) -> None:
        """Set the logits of every token that the grammar does not admit here to minus infinity.

        Args:
            logits: shape (n_vocab,), changed in place.

        Raises:
            ConstraintError: the grammar has come to a state that llguidance cannot go on from.
        """
        fill_next_token_bitmask(self._matcher, self._mask)
        self._check()
        allowed = np.unpackbits(self._mask.view(np.uint8), bitorder="little", count=self._n_vocab)
        np.copyto(logits, np.float32(-np.inf), where=allowed == 0)

    def consume(self, token: int) -> None:
        """Go on by a token that `mask` admitted."""
        self._matcher.consume_token(token)
        self._check()

    def forced(self) -> list[int]:
        """Return the tokens that must come next, in order; none where there is a choice.

        The last of them is left to the model: what follows it is its choice, and may be in one token with it. Forced, a
        `)` would be alone where the model writes `)` and a line break as one, and it would go on otherwise.
        """
        tokens: list[int] = self._matcher.compute_ff_tokens()
        return tokens[:-1]

    @property
    def stopped(self) -> bool:
        """Whether the text is complete and nothing can follow."""
        return bool(self._matcher.is_stopped())

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ConstraintError(f"constrained decoding failed: {self._matcher.get_error()}")


class ConstraintCompiler:
    """Compiles constraints for one model's vocabulary, and keeps those used last.

    Making it reads the whole vocabulary, 0.2 s for 50,000 tokens and 0.7 s for 150,000. May be used by several
    threads: llguidance matchers are copied, never shared.
    """

    def __init__(self, model: Model) -> None:
        self._n_vocab = model.n_vocab
        self._tokenizer = constraint_tokenizer(model)
        self._compiled: OrderedDict[Constraint, Any] = OrderedDict()

    def matcher(self, constraint: Constraint) -> Matcher:
        """Return a fresh matcher.

        Raises:
            ConstraintError: the source cannot be compiled.
        """
        compiled = self._compiled.get(constraint)
        if compiled is None:
            compiled = llguidance.LLMatcher(self._tokenizer, _grammar(constraint), log_level=0)
            if compiled.is_error():
                raise ConstraintError(_first_lines(compiled.get_error()))
            for warning in compiled.get_grammar_warnings():
                _LOGGER.warning("constraint: %s", warning)
            self._compiled[constraint] = compiled
            while len(self._compiled) > _COMPILED_LIMIT:
                self._compiled.popitem(last=False)
        return Matcher(compiled.deep_copy(), self._n_vocab)


def _grammar(constraint: Constraint) -> str:
    source = constraint.source
    try:
        match constraint.kind:
            case ConstraintKind.JSON_SCHEMA:
                return str(llguidance.LLMatcher.grammar_from_json_schema(source, overrides=JSON_STYLE))
            case ConstraintKind.GBNF:
                return str(llguidance.LLMatcher.grammar_from_lark(gbnf_to_lark(source)))
            case ConstraintKind.REGEX:
                return str(llguidance.LLMatcher.grammar_from_regex(source))
            case ConstraintKind.LARK:
                return str(llguidance.LLMatcher.grammar_from_lark(source))
    except Exception as error:
        # The GBNF converter raises bare exceptions, and whatever its parser trips over.
        raise ConstraintError(f"invalid {constraint.kind.value}: {_first_lines(str(error))}") from error


def _first_lines(text: str) -> str:
    return " ".join(text.split("\n")[:2]).strip()[:500]
