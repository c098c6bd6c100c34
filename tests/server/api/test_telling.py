"""What streams tell of the work while it is done: how far the prompt is read, and what it cost so far."""

import itertools
import json
from typing import Any

import pytest

from served import Served

LONG = "the quick brown fox jumps over the lazy dog " * 20
ROUTES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": LONG}], "max_tokens": 6},
    "/v1/completions": {"prompt": LONG, "max_tokens": 6},
    "/v1/responses": {"input": LONG, "max_output_tokens": 6},
    "/completion": {"prompt": LONG, "n_predict": 6},
}


def told(served: Served, path: str, **fields: Any) -> list[dict[str, Any]]:
    """Return the chunks of a stream."""
    answer = served.post(path, {**ROUTES[path], "stream": True, "temperature": 0, "ban_eos_token": True, **fields})
    assert answer.status == 200, answer.body
    lines = [line for line in answer.body.decode().split("\n") if line.startswith("data: ") and "[DONE]" not in line]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


@pytest.mark.parametrize("path", ROUTES)
def test_progress(served: Served, path: str) -> None:
    """The prompt's progress grows from what was cached to all of it, before the first word; a second time all is."""
    # What other tests have left in the cache does not begin so.
    fields = {key: path + value if isinstance(value, str) else value for key, value in ROUTES[path].items()}
    if path == "/v1/chat/completions":
        fields["messages"] = [{"role": "user", "content": path + LONG}]
    for cached in (False, True):
        chunks = told(served, path, return_progress=True, **fields)
        steps = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
        assert len(steps) >= 2
        first, last = steps[0], steps[-1]
        assert first["processed"] == first["cache"] < first["total"]
        assert last["processed"] == last["total"]
        assert all(before["processed"] < after["processed"] for before, after in itertools.pairwise(steps))
        assert all(before["time_ms"] <= after["time_ms"] for before, after in itertools.pairwise(steps))
        assert {(step["total"], step["cache"]) for step in steps} == {(first["total"], first["cache"])}
        assert (first["total"] - first["cache"] < 40) is cached
        said = [number for number, chunk in enumerate(chunks) if "prompt_progress" not in chunk and says(chunk)]
        assert max(n for n, chunk in enumerate(chunks) if "prompt_progress" in chunk) < min(said)
        assert not any("timings" in chunk for chunk in chunks if "prompt_progress" in chunk)


def says(chunk: dict[str, Any]) -> bool:
    """Return whether a chunk has a word of the answer."""
    choice = (chunk.get("choices") or [{}])[0]
    text = chunk.get("delta") or chunk.get("content") or choice.get("text") or choice.get("delta", {}).get("content")
    return bool(text)


@pytest.mark.parametrize("path", ROUTES)
def test_timings_with_each_piece(served: Served, path: str) -> None:
    """Each piece of text says what it cost so far, and so does progress where both are wanted."""
    chunks = told(served, path, timings_per_token=True, return_progress=True)
    pieces = [chunk["timings"] for chunk in chunks if says(chunk)]
    assert pieces
    counts = [timings["predicted_n"] for timings in pieces]
    assert counts == sorted(counts)
    assert 1 <= counts[0] <= counts[-1] <= 6
    first = next(chunk["timings"] for chunk in chunks if "prompt_progress" in chunk)
    assert (first["prompt_n"], first["prompt_ms"], first["predicted_n"]) == (0, 0, 0)


@pytest.mark.parametrize("path", ROUTES)
def test_nothing_is_told_unasked(served: Served, path: str) -> None:
    """Without the fields, and in an answer that is no stream, there is nothing of it."""
    chunks = told(served, path)
    assert not any("prompt_progress" in chunk for chunk in chunks)
    assert not any("timings" in chunk for chunk in chunks if says(chunk))
    whole = served.post(path, {**ROUTES[path], "return_progress": True, "timings_per_token": True})
    assert whole.status == 200
    assert "prompt_progress" not in whole.json


def test_progress_of_a_chat_chunk_keeps_the_rules(served: Served) -> None:
    """Such a chunk has one choice with an empty delta, so that who does not know it passes over it."""
    chunks = told(served, "/v1/chat/completions", return_progress=True)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    for chunk in chunks:
        if "prompt_progress" in chunk:
            (choice,) = chunk["choices"]
            assert (choice["delta"], choice["finish_reason"]) == ({}, None)
