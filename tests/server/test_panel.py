"""The status page behind ingress, served by waitress and read over real HTTP."""

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from waitress import wasyncore
from waitress.server import create_server

from home_llm.panel import INGRESS_ADDRESSES, SUPERVISOR_ADDRESSES, create_panel
from server_process import ServerProcess

READY: dict[str, object] = {
    "status": "ok",
    "model": "SmolLM2-135M-Instruct",
    "message": "Ready.",
    "download": None,
    "version": "0.1.0",
}
DOWNLOADING: dict[str, object] = {
    "status": "downloading",
    "model": None,
    "message": "Downloading Home-3B-v3.q4_k_m.gguf.",
    "download": {
        "file": "Home-3B-v3.q4_k_m.gguf",
        "done": 427_000_000,
        "total": 1_708_000_000,
        "percent": 25.0,
    },
    "version": "0.1.0",
}
Answer = tuple[int, dict[str, str], str]


@contextmanager
def serving(health: dict[str, object], **options: object) -> Iterator[str]:
    """Serve a panel on a free port and give its address."""
    panel = create_panel(lambda: health, **options)  # type: ignore[arg-type]
    server: Any = create_server(panel, host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}/"
    finally:
        # An empty map ends the server's loop; what was in it is closed when nobody can use it any more.
        channels = dict(server._map)
        server.trigger.pull_trigger(server._map.clear)
        thread.join(5)
        server.task_dispatcher.shutdown()
        wasyncore.close_all(channels)


def get(url: str, headers: dict[str, str] | None = None) -> Answer:
    """Return status, headers and text of a GET."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


class Tags(HTMLParser):
    """Collect the tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep one tag."""
        self.found.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags of a name."""
        return [attributes for tag, attributes in self.found if tag == name]


def test_page_shows_the_state_without_scripts() -> None:
    """State, model and version stand in the page as it is delivered."""
    with serving(READY) as url:
        status, headers, text = get(url)
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert "Ready" in text
    assert "SmolLM2-135M-Instruct" in text
    assert "0.1.0" in text
    assert re.search(r'<div id="download" hidden>', text)


def test_page_shows_a_download() -> None:
    """File, amount and percentage of a running download stand in the page."""
    with serving(DOWNLOADING) as url:
        _, _, text = get(url)
    assert "Home-3B-v3.q4_k_m.gguf" in text
    assert "427 of 1708 MB (25 %)" in text
    assert [tag["value"] for tag in Tags(text).of("progress")] == ["25.0"]
    assert re.search(r'<div id="download">', text)


@pytest.mark.parametrize(
    "health",
    [{}, {"status": "new"}, {"status": "downloading", "download": {"file": None, "total": None}}],
)
def test_page_survives_missing_fields(health: dict[str, object]) -> None:
    """A state with unknown or missing fields still gives a page."""
    with serving(health) as url:
        assert get(url)[0] == 200


def test_text_is_escaped() -> None:
    """A model name or message with markup in it is shown, not run."""
    with serving(READY | {"model": "<script>alert(1)</script>", "message": "<img src=x>"}) as url:
        _, _, text = get(url)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not Tags(text).of("img")


def test_status_is_the_health_answer() -> None:
    """The script gets the same object that /health gives, and it is never cached."""
    with serving(DOWNLOADING) as url:
        status, headers, text = get(url + "status.json")
    assert status == 200
    assert json.loads(text) == DOWNLOADING
    assert headers["Cache-Control"] == "no-store"


def test_log() -> None:
    """The last lines of the log stand in the page and in the script's answer, as text."""
    lines = ["2026-01-01 INFO Ready", "<b>WARNING</b>"]
    with serving(READY, log=lambda: lines) as url:
        _, _, page = get(url)
        _, headers, text = get(url + "log.txt")
    assert text == "2026-01-01 INFO Ready\n<b>WARNING</b>\n"
    assert headers["Content-Type"].startswith("text/plain")
    assert headers["Cache-Control"] == "no-store"
    assert "2026-01-01 INFO Ready\n&lt;b&gt;WARNING&lt;/b&gt;\n" in page


@pytest.mark.parametrize("path", ["", "status.json", "log.txt", "static/panel.js", "static/panel.css", "nothing"])
def test_other_addresses_are_refused(path: str) -> None:
    """An address that is not admitted gets 403 for everything, and forwarded headers change nothing."""
    claims = {"X-Forwarded-For": "172.30.32.2", "X-Real-IP": "172.30.32.2", "Forwarded": "for=172.30.32.2"}
    with serving(READY, allowed=frozenset({"172.30.32.2"})) as url:
        assert get(url + path)[0] == 403
        status, _, text = get(url + path, claims)
    assert status == 403
    assert "SmolLM2" not in text


def test_only_the_supervisor_and_this_machine_are_admitted() -> None:
    """The addresses let in by default are the Supervisor's and the loopback; under the Supervisor it is alone."""
    assert frozenset({"172.30.32.2", "127.0.0.1"}) == INGRESS_ADDRESSES
    assert frozenset({"172.30.32.2"}) == SUPERVISOR_ADDRESSES


@pytest.mark.parametrize(("token", "status"), [("", 200), ("supervisor-token", 403)])
def test_the_loopback_under_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, status: int
) -> None:
    """The server's page answers to this machine only where no Supervisor stands before it."""
    monkeypatch.setenv("SUPERVISOR_TOKEN", token)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ServerProcess(tmp_path, "--ingress-port", str(port)):
        assert get(f"http://127.0.0.1:{port}/")[0] == status


def test_every_address_in_the_page_is_relative_and_there() -> None:
    """Under an ingress path the page loads its own files only, and they exist."""
    with serving(READY) as url:
        _, _, text = get(url, {"X-Ingress-Path": "/api/hassio_ingress/abc"})
        tags = Tags(text)
        addresses = [tag["href"] for tag in tags.of("link")] + [tag["src"] for tag in tags.of("script")]
        assert len(addresses) == 3
        for address in addresses:
            assert address
            assert not re.match(r"/|[a-z]+:", address)
            assert get(urljoin(url, address))[0] == 200
        _, _, script = get(url + "static/panel.js")
    assert re.findall(r'get\("([^"]+)"', script) == ["status.json", "log.txt"]
    assert "http" not in script


def test_security_headers() -> None:
    """The policy allows this server's own files only, and the page has nothing inline that it would block."""
    with serving(READY) as url:
        _, headers, text = get(url)
        _, script_headers, _ = get(url + "static/panel.js")
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert script_headers["X-Content-Type-Options"] == "nosniff"
    tags = Tags(text)
    assert all("src" in script for script in tags.of("script"))
    assert not tags.of("style")
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on") or name == "style"]


def test_the_link_starts_our_config_flow() -> None:
    """The button leads to the config flow of this integration, in a page that cannot reach back."""
    with serving(READY) as url:
        (link,) = Tags(get(url)[2]).of("a")
    assert link["href"] == "https://my.home-assistant.io/redirect/config_flow_start/?domain=home_llm"
    assert link["target"] == "_blank"
    assert "noopener" in (link["rel"] or "")


def test_page_is_accessible() -> None:
    """Language, title, headings, a labelled progress bar and a live region are there, and ids are unique."""
    with serving(DOWNLOADING) as url:
        tags = Tags(get(url)[2])
    assert tags.of("html")[0]["lang"] == "en"
    assert tags.of("title")
    assert len(tags.of("h1")) == 1
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {label["for"] for label in tags.of("label")} == {tag["id"] for tag in tags.of("progress")}
    assert {section["aria-labelledby"] for section in tags.of("section")} <= set(ids)
    assert [tag["id"] for tag in tags.of("p") if tag.get("role") == "status"] == ["state"]


def _luminance(colour: str) -> float:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_have_contrast_in_light_and_dark() -> None:
    """Every text colour reaches a contrast of 4.5 on its ground, in both colour schemes."""
    with serving(READY) as url:
        _, _, css = get(url + "static/panel.css")
    schemes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    ]
    assert len(schemes) == 2
    for colours in schemes:
        for text, ground in [
            ("text", "page"),
            ("text", "card"),
            ("quiet", "card"),
            ("good", "card"),
            ("bad", "card"),
            ("on-accent", "accent"),
        ]:
            light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
