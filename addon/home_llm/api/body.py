"""Reading request bodies: JSON, checked by pydantic, with errors that name the field."""

import json
import re
from typing import Any, TypeVar

import flask
import pydantic

from home_llm.api.errors import ApiError

Body = TypeVar("Body", bound=pydantic.BaseModel)

# What reads a value level by level, such as a template or a JSON writer, ends at some depth in an error of its own.
# This is far from there, and far beyond what anybody means.
_MOST_NESTED = 200

# What may be read as NaN or as an infinity; 1e999 is one too.
_NO_NUMBER = re.compile(rb"NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{300}")


class Lenient(pydantic.BaseModel):
    """A part of a request: fields that are not known are ignored, as every dialect does."""

    # Python's JSON reads NaN and Infinity, which are no JSON, and no number that anything here means.
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


def read(model: type[Body]) -> Body:
    """Return the body of the current request.

    Raises:
        ApiError: it is not JSON, not an object, or a field is wrong.
    """
    raw = flask.request.get_data(cache=False)
    value = _json(raw)
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.")
    body = _checked(model, value)
    _check_numbers(raw, value)
    return body


def read_list(model: type[Body]) -> list[Body]:
    """Return the body of the current request, a list of objects.

    Raises:
        ApiError: it is not JSON, not a list, or a field is wrong.
    """
    raw = flask.request.get_data(cache=False)
    value = _json(raw)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ApiError(400, "The body must be a JSON array of objects.")
    bodies = [_checked(model, item) for item in value]
    _check_numbers(raw, value)
    return bodies


def _json(raw: bytes) -> Any:
    try:
        # Strictly: left to itself the JSON reader lets halves of characters pass, and guesses at other encodings.
        value = json.loads(raw.decode("utf-8-sig"))
        if b"\\u" in raw:
            # An escape may name half of a character, which no answer could repeat.
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ApiError(400, "The body holds half of a character, an escape such as \\ud800 alone.") from error
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The body is not valid JSON: {error}") from error
    if raw.count(b"{") + raw.count(b"[") > _MOST_NESTED and is_deeper(value, _MOST_NESTED):
        raise ApiError(400, f"The body is nested deeper than {_MOST_NESTED} levels.")
    return value


def _check_numbers(raw: bytes, value: Any) -> None:
    """Refuse what is no number: Python's JSON reads it, also where a field takes anything, and would write it again.

    Raises:
        ApiError: there is a NaN or an infinity.
    """
    if _NO_NUMBER.search(raw):
        try:
            json.dumps(value, allow_nan=False)
        except ValueError as error:
            raise ApiError(400, "The body holds NaN, or a number that is too large.") from error


def is_deeper(value: Any, most: int) -> bool:
    """Return whether a JSON value has lists and objects inside each other to more than so many levels."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        level = [
            part
            for outer in level
            for part in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return bool(level)


def _checked(model: type[Body], value: Any) -> Body:
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        # Of a field that may be of several types, what went furthest is what was meant.
        of_first = [each for each in errors if each["loc"][:1] == errors[0]["loc"][:1]]
        first = max(of_first, key=lambda each: len(each["loc"]))
        param = _path(first["loc"])
        raise ApiError(
            400, f"{param}: {first['msg']}." if param else f"{first['msg']}.", param=param or None
        ) from error


def _path(location: tuple[int | str, ...]) -> str:
    """Return `messages[0].role` for pydantic's location of a field.

    A union adds the names of its members to the location; they are no fields, and are left out.
    """
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and part not in {"str", "int", "bool", "float"} and part[0].islower():
            path += f".{part}" if path else part
    return path
