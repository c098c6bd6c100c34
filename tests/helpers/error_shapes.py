"""What an error looks like in each dialect, written down apart from the server's own code."""

import json
from typing import Any


def assert_error(path: str, status: int, body: bytes) -> None:
    """See that an answer is an error in the shape of the dialect that its path belongs to, with words in it."""
    assert status >= 400, (path, status, body)
    value: Any = json.loads(body)
    if path.startswith("/api/"):
        assert isinstance(value["error"], str), (path, value)
        assert value["error"], (path, value)
        return
    error = value["error"]
    assert isinstance(error, dict), (path, value)
    assert isinstance(error["message"], str), (path, value)
    assert error["message"], (path, value)
    assert isinstance(error["type"], str), (path, value)
    if path.startswith("/v1/messages"):
        assert value["type"] == "error", (path, value)
        assert set(error) == {"type", "message"}, (path, value)
        return
    assert isinstance(error["code"], int | str), (path, value)
    assert error["param"] is None or isinstance(error["param"], str), (path, value)
    if path.startswith("/v1/internal/"):
        assert value["detail"] == error["message"], (path, value)
