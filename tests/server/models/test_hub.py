"""Asking the hub, through the real huggingface_hub client: what it has, and every way it may refuse."""

import email.utils
import subprocess
import sys
import threading
import time

import pytest
from huggingface_hub import constants

from home_llm.models import Backoff, Hub, ModelError, StoppedError
from hub import LocalHub
from waiting import wait_until

REPOSITORY = "acon96/Home-3B-v3-GGUF"


def _one_try(hub: LocalHub, token: str = "") -> Hub:
    return Hub(hub.url, token, timeout=5, backoff=Backoff(attempts=1))


def test_listing(hub: LocalHub, client: Hub, cancel: threading.Event) -> None:
    """Files come with sizes and SHA-256, and with the commit they belong to."""
    repository = hub.add_repository(REPOSITORY, {"README.md": b"# Home", "a.Q4_0.gguf": b"x" * 100})
    listed = client.repository(REPOSITORY, cancel)
    assert listed.revision == repository.sha
    assert [(file.path, file.size, len(file.sha256)) for file in listed.files] == [
        ("README.md", 6, 0),
        ("a.Q4_0.gguf", 100, 64),
    ]
    assert "authorization" not in hub.requests[0].headers


def test_nothing_of_it_is_loaded_before_it_is_asked() -> None:
    """A server that is only imported, or has its model, does without the hub's client and its memory."""
    look = "import home_llm.cli.serve, sys; sys.exit(bool({'huggingface_hub', 'httpx2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_reading_a_range(hub: LocalHub, client: Hub, cancel: threading.Event) -> None:
    """The beginning of a file is read without the rest."""
    hub.add_repository(REPOSITORY, {"a.gguf": bytes(range(250)) * 100})
    listed = client.repository(REPOSITORY, cancel)
    assert client.head(listed, listed.files[0], 10, cancel) == bytes(range(10))
    assert hub.seen("cdn")[-1].range == "bytes=0-9"
    assert client.head(listed, listed.files[0], 10**6, cancel) == bytes(range(250)) * 100


def test_small_files_are_read_too(hub: LocalHub, client: Hub, cancel: threading.Event) -> None:
    """A file that is not on the storage host is read from the hub itself."""
    hub.add_repository(REPOSITORY, {"notes.txt": b"hello"})
    listed = client.repository(REPOSITORY, cancel)
    assert client.head(listed, listed.files[0], 100, cancel) == b"hello"


def test_token_stays_on_the_hub(hub: LocalHub, cancel: threading.Event) -> None:
    """The token goes to the hub with every request, and never to the storage host."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"abc"}, private=True)
    client = _one_try(hub, hub.token)
    listed = client.repository(REPOSITORY, cancel)
    assert client.head(listed, listed.files[0], 3, cancel) == b"abc"
    sent = {request.headers.get("authorization") for request in hub.seen("api") + hub.seen("resolve")}
    assert sent == {f"Bearer {hub.token}"}
    assert [request.headers.get("authorization") for request in hub.seen("cdn")] == [None]


def test_saved_token_is_not_sent(hub: LocalHub, cancel: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the machine's environment is not given away."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.add_repository(REPOSITORY, {"a.gguf": b"abc"})
    client = _one_try(hub)
    client.head(listed := client.repository(REPOSITORY, cancel), listed.files[0], 3, cancel)
    assert not [request for request in hub.requests if "authorization" in request.headers]


def _error(client: Hub, name: str, cancel: threading.Event) -> ModelError:
    """List a repository and read its first file, and return the error that comes of it."""
    with pytest.raises(ModelError) as caught:
        client.head(listed := client.repository(name, cancel), listed.files[0], 10, cancel)
    return caught.value


@pytest.mark.parametrize("token", ["", "hf_right"])
def test_missing_repository(hub: LocalHub, cancel: threading.Event, token: str) -> None:
    """A repository that is not there (401 without a token, 404 with one) is not worth another try."""
    error = _error(_one_try(hub, token), "nobody/nothing", cancel)
    assert "has no repository nobody/nothing, or it is private" in str(error)
    assert (error.retryable, error.status) == (False, 404 if token else 401)


def test_gated_repository(hub: LocalHub, cancel: threading.Event) -> None:
    """A gated repository's error says where to accept its terms."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"abc"}, gated=True)
    error = _error(_one_try(hub), REPOSITORY, cancel)
    assert f"open {hub.url}/{REPOSITORY}, accept them" in str(error)
    assert "hub_token" in str(error)
    assert not error.retryable


def test_gated_repository_for_another_account(hub: LocalHub, cancel: threading.Event) -> None:
    """A token without access (403) is named as the cause."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"abc"}, gated=True)
    hub.fail_next(403, where="resolve", headers={"X-Error-Code": "GatedRepo"})
    error = _error(_one_try(hub, hub.token), REPOSITORY, cancel)
    assert "the Hugging Face token that is set belongs" in str(error)
    assert error.status == 403


def test_wrong_token(hub: LocalHub, cancel: threading.Event) -> None:
    """A token that the hub does not know is named as the cause."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"abc"})
    error = _error(_one_try(hub, "hf_wrong"), REPOSITORY, cancel)
    assert "See that the Hugging Face token that is set is valid" in str(error)
    assert (error.retryable, error.status) == (False, 401)


def test_forbidden(hub: LocalHub, cancel: threading.Event) -> None:
    """A plain 403 of the storage host is not worth another try."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"abc"})
    hub.fail_next(403, where="cdn")
    error = _error(_one_try(hub), REPOSITORY, cancel)
    assert (error.retryable, error.status) == (False, 403)


def test_file_is_gone(hub: LocalHub, cancel: threading.Event) -> None:
    """A file that vanished between listing and reading is named."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"abc"})
    hub.fail_next(404, where="resolve", headers={"X-Error-Code": "EntryNotFound"})
    error = _error(_one_try(hub), REPOSITORY, cancel)
    assert "has no file 'a.gguf' any more" in str(error)
    assert not error.retryable


def test_malformed_name(hub: LocalHub, cancel: threading.Event) -> None:
    """A name that is no repository's never reaches the hub."""
    error = _error(_one_try(hub), "a/b/c", cancel)
    assert "write owner/name" in str(error)
    assert not hub.requests


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_hub_fault(hub: LocalHub, cancel: threading.Event, status: int) -> None:
    """A fault of the hub is worth another try."""
    hub.fail_next(status, retry_after=7)
    error = _error(_one_try(hub), REPOSITORY, cancel)
    assert f"has a fault (HTTP {status})" in str(error)
    assert (error.retryable, error.retry_after, error.status) == (True, 7, status)


def test_rate_limit(hub: LocalHub, cancel: threading.Event) -> None:
    """The pause that the hub asks for is passed on: in seconds, as a date, or by its rate limit headers."""
    later = email.utils.formatdate(time.time() + 90, usegmt=True)
    for headers, low, high in (
        ({"Retry-After": "120"}, 120, 120),
        ({"Retry-After": later}, 80, 91),
        ({"RateLimit": '"api";r=0;t=55', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}, 55, 55),
    ):
        hub.fail_next(429, headers=headers)
        error = _error(_one_try(hub), REPOSITORY, cancel)
        assert error.retryable
        assert error.retry_after is not None
        assert low <= error.retry_after <= high
    hub.fail_next(429, retry_after="soon")
    assert _error(_one_try(hub), REPOSITORY, cancel).retry_after is None


def test_patience(hub: LocalHub, client: Hub, cancel: threading.Event) -> None:
    """Passing faults are waited out, as long as the hub asks for."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"abc"})
    hub.fail_next(503, times=2)
    hub.fail_next(429, retry_after=1)
    started = time.monotonic()
    assert client.repository(REPOSITORY, cancel).files
    assert time.monotonic() - started >= 1
    assert len(hub.requests) == 4


def test_patience_ends(hub: LocalHub, client: Hub, cancel: threading.Event) -> None:
    """After the last try, or when the pause asked for is too long, the error is raised."""
    hub.fail_next(503, times=4)
    assert _error(client, REPOSITORY, cancel).status == 503
    assert len(hub.requests) == 4
    hub.requests.clear()
    hub.fail_next(429, retry_after=3600)
    with pytest.raises(ModelError):
        Hub(hub.url, backoff=Backoff(longest=60)).repository(REPOSITORY, cancel)
    assert len(hub.requests) == 1


def test_nobody_answers(cancel: threading.Event) -> None:
    """A hub that is down is worth another try, and its address is named."""
    with LocalHub() as gone:
        url = gone.url
    error = _error(Hub(url, timeout=2, backoff=Backoff(attempts=1)), REPOSITORY, cancel)
    assert f"{url} cannot be reached" in str(error)
    assert error.retryable


def test_offline(hub: LocalHub, cancel: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline mode of huggingface_hub is respected and named."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    error = _error(_one_try(hub), REPOSITORY, cancel)
    assert "HF_HUB_OFFLINE" in str(error)
    assert not hub.requests


def test_something_else_answers(hub: LocalHub, cancel: threading.Event) -> None:
    """A server that is no hub is told from a fault of the hub."""
    hub.add_repository(REPOSITORY, {})
    hub.fail_next(200)
    error = _error(_one_try(hub), REPOSITORY, cancel)
    assert "does not answer like a Hugging Face hub" in str(error)
    assert not error.retryable


def test_stop_while_waiting(hub: LocalHub, cancel: threading.Event) -> None:
    """A pause is ended by the cancel event."""
    hub.fail_next(503, retry_after=30)
    client = Hub(hub.url, backoff=Backoff())
    threading.Timer(0.2, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(StoppedError):
        client.repository(REPOSITORY, cancel)
    assert time.monotonic() - started < 2


def test_stop_while_nothing_comes(hub: LocalHub, client: Hub, cancel: threading.Event) -> None:
    """Reading from a dead connection is ended by the cancel event at once."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"x" * 100_000})
    listed = client.repository(REPOSITORY, cancel)
    hub.stall_after(8192)

    def stop() -> None:
        wait_until(lambda: hub.seen("cdn"))
        cancel.set()

    threading.Thread(target=stop).start()
    started = time.monotonic()
    with pytest.raises(StoppedError):
        client.head(listed, listed.files[0], 100_000, cancel)
    assert time.monotonic() - started < 2


def test_silence_is_a_lost_connection(hub: LocalHub, cancel: threading.Event) -> None:
    """A connection on which nothing comes any more is given up after the timeout."""
    hub.add_repository(REPOSITORY, {"a.gguf": b"x" * 100_000})
    hub.stall_after(8192)
    client = Hub(hub.url, timeout=0.3, backoff=Backoff(attempts=1))
    error = _error_of_whole_file(client, cancel)
    assert error.retryable


def _error_of_whole_file(client: Hub, cancel: threading.Event) -> ModelError:
    listed = client.repository(REPOSITORY, cancel)
    with pytest.raises(ModelError) as caught:
        client.head(listed, listed.files[0], listed.files[0].size, cancel)
    return caught.value
