"""Reading request bodies: JSON, checked by pydantic, with errors that name the field."""

import json
from typing import Any, TypeVar

import flask
import pydantic

from home_llm.api.errors import ApiError

Body = TypeVar("Body", bound=pydantic.BaseModel)


class Lenient(pydantic.BaseModel):
    """A part of a request: fields that are not known are ignored, as every dialect does."""

    # Python's JSON reads NaN and Infinity, which are no JSON, and no number that anything here means.
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


def read(model: type[Body]) -> Body:
    """Return the body of the current request.

    Raises:
        ApiError: it is not JSON, not an object, or a field is wrong.
    """
    value = _json()
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return _checked(model, value)


def read_list(model: type[Body]) -> list[Body]:
    """Return the body of the current request, a list of objects.

    Raises:
        ApiError: it is not JSON, not a list, or a field is wrong.
    """
    value = _json()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ApiError(400, "The body must be a JSON array of objects.")
    return [_checked(model, item) for item in value]


def _json() -> Any:
    raw = flask.request.get_data(cache=False)
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
    return value


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
