"""Clients that vanish, wait and crowd."""

import json
import threading
import time
from pathlib import Path

import pytest

from served import Served

LONG = {"messages": [{"role": "user", "content": "Count to a thousand."}], "ban_eos_token": True, "temperature": 0}
SHORT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}


def seconds_until_free(served: Served) -> float:
    """Return how long a short request takes, which waits for whatever runs before it."""
    started = time.monotonic()
    assert served.post("/v1/chat/completions", SHORT).status == 200
    return time.monotonic() - started


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_stops_its_generation(data_dir: Path, stream: bool) -> None:
    """A generation that nobody reads ends, streamed or not, long before it would have."""
    with Served(data_dir, context_size=8192) as served:
        served.wait_until("ok")
        seconds_until_free(served)
        connection = served.connect()
        connection.request("POST", "/v1/chat/completions", json.dumps({**LONG, "stream": stream}).encode())
        if stream:
            assert connection.getresponse().read(200)
        else:
            time.sleep(1)
        assert connection.sock is not None or stream
        connection.close()
        # 8,000 tokens of answer would take far longer.
        assert seconds_until_free(served) < 3


def test_too_many_requests(data_dir: Path) -> None:
    """Past the places, a request is told to come back, and health and the model list still answer at once."""
    with Served(data_dir, places=2, context_size=8192) as served:
        served.wait_until("ok")
        connections = [served.connect() for _ in range(2)]
        for connection in connections:
            connection.request("POST", "/v1/chat/completions", json.dumps({**LONG, "stream": True}).encode())
        assert connections[0].getresponse().read(50)
        answer = served.post("/v1/chat/completions", SHORT)
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json["error"]["type"] == "rate_limit_error"
        started = time.monotonic()
        assert served.get("/health").json["status"] == "ok"
        assert served.get("/v1/models").status == 200
        assert time.monotonic() - started < 1
        for connection in connections:
            connection.close()
        end = time.monotonic() + 10
        while served.post("/v1/chat/completions", SHORT).status == 429:
            assert time.monotonic() < end


def test_streams_flow(served: Served) -> None:
    """The role comes at once and words as they are made, not all at the end."""
    connection = served.connect()
    body = {**LONG, "stream": True, "max_tokens": 60}
    connection.request("POST", "/v1/chat/completions", json.dumps(body).encode())
    response = connection.getresponse()
    arrivals: list[float] = []
    while line := response.readline():
        if line.strip():
            arrivals.append(time.monotonic())
    assert len(arrivals) > 5
    # Sent in one piece, all lines would arrive together.
    assert arrivals[-1] - arrivals[0] > 0.05
    connection.close()


def test_several_clients_at_once(served: Served) -> None:
    """Requests from several clients are all answered, one after the other."""
    answers: list[int] = []

    def ask() -> None:
        answers.append(served.post("/v1/chat/completions", SHORT).status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 4
