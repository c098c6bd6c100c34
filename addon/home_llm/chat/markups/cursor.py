"""A place in a text that may still go on: what the readers of calls move along."""

import contextlib
import json
import math
import re
from typing import Any, NoReturn

_SPACE = re.compile(r"[ \t\r\n]*")
_DOUBLE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SINGLE = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL)
_WORD = re.compile(r"[-+.\w]+")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\n": ""}
_CONSTANTS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}

# Deeper arguments than any tool has.
_DEEPEST = 32


class IncompleteError(Exception):
    """What follows decides what this is."""


class MalformedError(Exception):
    """This is no call, whatever follows."""


class Cursor:
    """A place in a text.

    Whatever it reads is read the same when more text follows: where that is not certain, it raises.

    Args:
        text: as much as there is.
        at: the place, in characters.
        ended: whether nothing follows.

    Every method raises:
        IncompleteError: more text could change the answer; never when the text has ended.
        MalformedError: what is wanted is not there.
    """

    def __init__(self, text: str, at: int = 0, *, ended: bool = False) -> None:
        self.text = text
        self.at = at
        self.ended = ended

    @property
    def done(self) -> bool:
        """Whether the text has ended here."""
        return self.ended and self.at >= len(self.text)

    def space(self) -> None:
        """Pass over white space."""
        found = _SPACE.match(self.text, self.at)
        if found:
            self.at = found.end()

    def sees(self, literal: str) -> bool:
        """Return whether a literal comes next."""
        following = self.text[self.at : self.at + len(literal)]
        if following == literal:
            return True
        if not self.ended and literal.startswith(following):
            raise IncompleteError
        return False

    def take(self, literal: str) -> bool:
        """Pass over a literal if it comes next; return whether it did."""
        if self.sees(literal):
            self.at += len(literal)
            return True
        return False

    def expect(self, literal: str) -> None:
        """Pass over a literal that must come next."""
        if not self.take(literal):
            raise MalformedError

    def close(self, literal: str) -> bool:
        """Pass over a closing marker if it comes next, or over what there is of it at the end of the text."""
        if self.take(literal):
            return True
        rest = self.text[self.at :]
        # One character is too short to tell.
        if self.ended and literal.startswith(rest) and len(rest) != 1:
            self.at = len(self.text)
            return True
        return False

    def until(self, literal: str) -> str:
        """Return the text before a literal, and pass over both."""
        index = self.text.find(literal, self.at)
        if index < 0:
            self._stop()
        found = self.text[self.at : index]
        self.at = index + len(literal)
        return found

    def match(self, pattern: re.Pattern[str]) -> str:
        """Return what matches a pattern here, and pass over it; what could match more of the text is incomplete."""
        found = pattern.match(self.text, self.at)
        if found is None:
            if self.at >= len(self.text):
                self._stop()
            raise MalformedError
        if found.end() == len(self.text) and not self.ended:
            raise IncompleteError
        self.at = found.end()
        return found.group()

    def string(self) -> str:
        """Return a quoted string, in JSON's or Python's way."""
        if self.at >= len(self.text):
            self._stop()
        quote = self.text[self.at]
        if quote not in "\"'":
            raise MalformedError
        found = (_DOUBLE if quote == '"' else _SINGLE).match(self.text, self.at)
        if found is None:
            self._stop()
        self.at = found.end()
        return _unquoted(found.group())

    def value(self, depth: int = 0) -> Any:
        """Return a value written as in JSON or Python."""
        if depth > _DEEPEST:
            raise MalformedError
        self.space()
        if self.at >= len(self.text):
            self._stop()
        match self.text[self.at]:
            case "{":
                return self._object(depth)
            case "[":
                return self._list(depth)
            case '"' | "'":
                return self.string()
            case _:
                return constant(self.match(_WORD))

    def _object(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        self.at += 1
        self.space()
        while not self.take("}"):
            key = self.string()
            self.space()
            self.expect(":")
            result[key] = self.value(depth + 1)
            self._next("}")
        return result

    def _list(self, depth: int) -> list[Any]:
        result: list[Any] = []
        self.at += 1
        self.space()
        while not self.take("]"):
            result.append(self.value(depth + 1))
            self._next("]")
        return result

    def _next(self, closing: str) -> None:
        """Pass over a comma, which must be there unless all is closed."""
        self.space()
        if not self.sees(closing):
            self.expect(",")
            self.space()

    def _stop(self) -> NoReturn:
        raise MalformedError if self.ended else IncompleteError


def constant(word: str) -> Any:
    """Return a number, a truth value or nothing, as a word names it.

    Raises:
        MalformedError: it is another word, or a number that JSON cannot carry.
    """
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    try:
        if _INTEGER.fullmatch(word):
            return int(word)
        if _NUMBER.fullmatch(word) and math.isfinite(number := float(word)):
            return number
    except ValueError:
        # More digits than Python converts.
        raise MalformedError from None
    raise MalformedError


def _unquoted(quoted: str) -> str:
    text = ""
    if quoted[0] == '"':
        with contextlib.suppress(ValueError):
            # Not strict: models write line breaks into strings.
            text = str(json.loads(quoted, strict=False))
    text = text or _ESCAPE.sub(_escaped, quoted[1:-1])
    # Half a character, which a model can write as an escape, cannot be sent to anybody.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(found: re.Match[str]) -> str:
    code = found[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code, code)
