"""The announcement to Home Assistant and the key it carries, against a local Supervisor over real HTTP."""

import json
import logging
import re
import socket
import stat
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from home_llm.supervisor import (
    Announcement,
    Patience,
    SupervisorError,
    announce,
    discover,
    ensure_api_key,
)
from supervisor_server import LocalSupervisor

QUICK = Patience(server=2.0, supervisor=2.0, first_pause=0.02, longest_pause=0.1, request=2.0)
ANNOUNCEMENT = Announcement(host="local-home-llm", port=5000, api_key="k" * 43)


class _Health(BaseHTTPRequestHandler):
    """Answer /health as the server does while a model downloads."""

    def do_GET(self) -> None:
        body = b'{"status": "downloading"}'
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@pytest.fixture
def supervisor() -> Iterator[LocalSupervisor]:
    """A Supervisor that answers."""
    with LocalSupervisor() as server:
        yield server


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[int]:
    """Serve a handler and give the port."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server_port() -> Iterator[int]:
    """The port of a server that answers /health."""
    with serving(_Health) as port:
        yield port


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(data_dir: Path, port: int, environment: Mapping[str, str], patience: Patience = QUICK) -> int:
    """Run the whole step as the container does, with less patience."""
    return discover(data_dir=data_dir, port=port, environment=environment, patience=patience)


def names(folder: Path) -> list[str]:
    """Return the names of what a folder holds."""
    return [entry.name for entry in folder.iterdir()]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged."""
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


# The key


def test_key_is_made_once(tmp_path: Path) -> None:
    """A second call returns the key of the first, and the file holds it with mode 0600."""
    key = ensure_api_key(tmp_path / "data")
    file = tmp_path / "data" / "api_key"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", key)
    assert ensure_api_key(tmp_path / "data") == key
    assert file.read_text(encoding="ascii") == key + "\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert names(tmp_path / "data") == ["api_key"]


@pytest.mark.parametrize("left", [b"", b"\n", b"half-a-key", b"\x00" * 44, b"\xff\xfe" * 22, b"k" * 43 + b" x"])
def test_broken_key_file_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture, left: bytes) -> None:
    """A file that a power cut left half-written gives a new whole key, and one line says so."""
    file = tmp_path / "api_key"
    file.write_bytes(left)
    key = ensure_api_key(tmp_path)
    assert ensure_api_key(tmp_path) == key == file.read_text(encoding="ascii").strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [line for line in lines(caplog) if "does not hold a whole key" in line]
    assert names(tmp_path) == ["api_key"]


def test_open_key_file_is_closed(tmp_path: Path) -> None:
    """A key file that others may read, as after restoring a copy, gets mode 0600 and keeps its key."""
    file = tmp_path / "api_key"
    file.write_text("k" * 43, encoding="ascii")
    file.chmod(0o644)
    assert ensure_api_key(tmp_path) == "k" * 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_concurrent_starts_agree(tmp_path: Path) -> None:
    """The server and the announcement, started together, use the same key."""
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: ensure_api_key(tmp_path), range(64)))
    assert len(keys) == 1
    assert names(tmp_path) == ["api_key"]


# One announcement


def test_announce_sends_what_home_assistant_needs(supervisor: LocalSupervisor) -> None:
    """Host, port, key and a per-start value arrive under our service, and the uuid comes back."""
    uuid = announce(ANNOUNCEMENT, token=supervisor.token, url=supervisor.url)
    message = supervisor.messages["home_llm"]
    assert message.uuid == uuid
    assert message.config == {
        "host": "local-home-llm",
        "port": 5000,
        "api_key": "k" * 43,
        "started_at": ANNOUNCEMENT.started_at,
    }
    assert supervisor.requests == [("POST", "/discovery", 200)]


def test_key_is_not_in_the_representation() -> None:
    """An announcement that ends up in a log line or a traceback does not show the key."""
    assert "kkk" not in repr(ANNOUNCEMENT)


def test_restart_is_pushed_again(supervisor: LocalSupervisor) -> None:
    """A second start has another per-start value, so Home Assistant is told again under the same uuid."""
    first = announce(Announcement("h", 5000, "k"), token=supervisor.token, url=supervisor.url)
    second = announce(Announcement("h", 5000, "k"), token=supervisor.token, url=supervisor.url + "/")
    assert first == second
    assert len(supervisor.pushes) == 2


def test_wrong_token_is_final(supervisor: LocalSupervisor) -> None:
    """401 is reported as such and is not worth another try."""
    with pytest.raises(SupervisorError, match="token") as caught:
        announce(ANNOUNCEMENT, token="other", url=supervisor.url)
    assert not caught.value.retryable


def test_unlisted_service_is_final() -> None:
    """403 carries the Supervisor's own words and is not worth another try."""
    with LocalSupervisor(discovery=()) as supervisor:
        with pytest.raises(SupervisorError, match="403: Apps must list") as caught:
            announce(ANNOUNCEMENT, token=supervisor.token, url=supervisor.url)
        assert not caught.value.retryable
        assert not supervisor.messages


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503])
def test_passing_trouble_is_retryable(supervisor: LocalSupervisor, status: int) -> None:
    """A dropped connection, throttling and server errors may pass."""
    supervisor.fail_next(status)
    with pytest.raises(SupervisorError) as caught:
        announce(ANNOUNCEMENT, token=supervisor.token, url=supervisor.url)
    assert caught.value.retryable


def test_slow_supervisor_times_out(supervisor: LocalSupervisor) -> None:
    """A Supervisor that does not answer in time is given up on, for now."""
    supervisor.delay = 1.0
    began = time.monotonic()
    with pytest.raises(SupervisorError, match="does not answer") as caught:
        announce(ANNOUNCEMENT, token=supervisor.token, url=supervisor.url, timeout=0.2)
    assert caught.value.retryable
    assert time.monotonic() - began < 0.9


@pytest.mark.parametrize("body", ["[]", '{"result": "ok"}', '{"data": {"uuid": 7}}', "<html>"])
def test_strange_answer_is_an_error(body: str) -> None:
    """An answer that names no message, such as one of a captive proxy, is not taken for success."""

    class Strange(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with serving(Strange) as port, pytest.raises(SupervisorError, match="its answer"):
        announce(ANNOUNCEMENT, token="t", url=f"http://127.0.0.1:{port}")


def test_proxy_from_the_environment_is_not_used(supervisor: LocalSupervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token and the key never go to a proxy that the environment names."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert announce(ANNOUNCEMENT, token=supervisor.token, url=supervisor.url)


# The whole step


def test_discover_announces_the_kept_key(
    supervisor: LocalSupervisor, server_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The message holds this machine's name, the port and the kept key, and the log does not show it."""
    status = run(tmp_path, server_port, supervisor.environment)
    config = supervisor.messages["home_llm"].config
    assert status == 0
    assert config["host"] == socket.gethostname()
    assert config["port"] == server_port
    assert config["api_key"] == ensure_api_key(tmp_path)
    assert [line for line in lines(caplog) if line.startswith("Announced to Home Assistant")] == lines(caplog)
    assert config["api_key"] not in caplog.text
    assert supervisor.token not in caplog.text


def test_discover_announces_the_chosen_key(supervisor: LocalSupervisor, server_port: int, tmp_path: Path) -> None:
    """A key set in the options is the one announced, and none is made."""
    discover(
        data_dir=tmp_path,
        port=server_port,
        api_key="of my own",
        environment=supervisor.environment,
        patience=QUICK,
    )
    assert supervisor.messages["home_llm"].config["api_key"] == "of my own"
    assert names(tmp_path) == []


def test_discover_reads_the_process_environment(
    supervisor: LocalSupervisor, server_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Token and address come from SUPERVISOR_TOKEN and SUPERVISOR_URL where none are handed in."""
    for name, value in supervisor.environment.items():
        monkeypatch.setenv(name, value)
    assert discover(data_dir=tmp_path, port=server_port, patience=QUICK) == 0
    assert len(supervisor.pushes) == 1


def test_discover_waits_for_the_server(supervisor: LocalSupervisor, tmp_path: Path) -> None:
    """Nothing is announced before our own port answers, and then it is."""
    port = free_port()
    thread = threading.Thread(target=run, args=(tmp_path, port, supervisor.environment))
    thread.start()
    time.sleep(0.3)
    assert supervisor.requests == []
    with serving(_Health, port):
        thread.join(5)
    assert len(supervisor.messages) == 1


def test_discover_gives_up_on_a_dead_server(
    supervisor: LocalSupervisor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that never answers ends in one warning and status 0."""
    patience = Patience(server=0.3, supervisor=0.3, first_pause=0.05)
    port = free_port()
    assert run(tmp_path, port, supervisor.environment, patience) == 0
    assert len(lines(caplog)) == 1
    assert f"did not answer on port {port}" in caplog.text
    assert supervisor.requests == []


def test_discover_retries_until_the_supervisor_recovers(
    supervisor: LocalSupervisor, server_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While the Supervisor updates itself we try again, and say only once that we wait."""
    supervisor.fail_next(0, 502, 503, 500)
    assert run(tmp_path, server_port, supervisor.environment) == 0
    assert [status for _, _, status in supervisor.requests] == [0, 502, 503, 500, 200]
    assert len([line for line in lines(caplog) if line.startswith("Waiting for the Supervisor")]) == 1
    assert len([line for line in lines(caplog) if line.startswith("Announced")]) == 1


def test_discover_waits_for_a_late_supervisor(server_port: int, tmp_path: Path) -> None:
    """A Supervisor whose port is closed at first still gets the message."""
    port = free_port()
    environment = {"SUPERVISOR_TOKEN": "t", "SUPERVISOR_URL": f"http://127.0.0.1:{port}"}
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(run, tmp_path, server_port, environment)
        time.sleep(0.3)
        with LocalSupervisor(token="t", port=port) as late:
            assert step.result(5) == 0
            assert len(late.messages) == 1


def test_discover_gives_up_on_an_absent_supervisor(
    server_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An address where nobody ever answers ends in one warning and status 0."""
    environment = {"SUPERVISOR_TOKEN": "t", "SUPERVISOR_URL": f"http://127.0.0.1:{free_port()}"}
    patience = Patience(server=1.0, supervisor=0.3, first_pause=0.05, longest_pause=0.1)
    assert run(tmp_path, server_port, environment, patience) == 0
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "does not answer" in warnings[0].getMessage()


@pytest.mark.parametrize(("discovery", "token"), [((), "t"), (("home_llm",), "wrong")])
def test_discover_does_not_repeat_a_refusal(
    server_port: int, tmp_path: Path, discovery: tuple[str, ...], token: str
) -> None:
    """A refusal for good is asked for once, and status is 0 all the same."""
    with LocalSupervisor(token="t", discovery=discovery) as supervisor:
        environment = supervisor.environment | {"SUPERVISOR_TOKEN": token}
        assert run(tmp_path, server_port, environment) == 0
        assert len(supervisor.requests) == 1


def test_discover_outside_the_supervisor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a token nothing is asked of anybody, and the line says why."""
    assert run(tmp_path, free_port(), {}) == 0
    assert len(lines(caplog)) == 1
    assert "not running under its Supervisor" in caplog.text


def test_discover_without_a_writable_data_folder(
    supervisor: LocalSupervisor, server_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A data folder that cannot hold the key ends in one warning and status 0."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="ascii")
    assert run(blocked, server_port, supervisor.environment) == 0
    assert len(lines(caplog)) == 1
    assert "no API key can be kept" in caplog.text


# The local Supervisor itself: what the tests stand on


def _call(supervisor: LocalSupervisor, path: str, body: object | None = None, token: str | None = None) -> int:
    request = urllib.request.Request(
        supervisor.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {supervisor.token if token is None else token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_local_supervisor_is_faithful(supervisor: LocalSupervisor) -> None:
    """It refuses wrong tokens, wrong bodies and unknown services, and pushes no identical message twice."""
    good = {"service": "home_llm", "config": {"host": "h"}}
    assert _call(supervisor, "/addons/self/info") == 200
    assert _call(supervisor, "/addons/self/info", token="wrong") == 401
    assert _call(supervisor, "/discovery", good, token="") == 401
    assert _call(supervisor, "/discovery", {"service": "home_llm"}) == 400
    assert _call(supervisor, "/discovery", good | {"extra": 1}) == 400
    assert _call(supervisor, "/discovery", good | {"service": "other"}) == 403
    assert _call(supervisor, "/supervisor/options", {}) == 404
    assert [_call(supervisor, "/discovery", good) for _ in range(3)] == [200, 200, 200]
    assert len(supervisor.pushes) == 1
