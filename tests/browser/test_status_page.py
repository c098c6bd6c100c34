"""The status page in a browser, in a frame of Home Assistant and behind the Supervisor's ingress."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from browser import DESKTOP, PHONE, Browser
from home_llm.llama import Model
from home_llm.models import BASE_ID, EMBEDDED_NAME, embedded_model
from hub import LocalHub
from ingress import LocalIngress
from server_process import ServerProcess, free_port
from tiny_models import write_tiny_model

REPOSITORY = "acme/Home-GGUF"
FILE = "home.Q4_K_M.gguf"


@pytest.fixture(scope="module", name="tiny")
def tiny_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a tiny model of random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = Model(embedded_model(folder))
    path = write_tiny_model(folder / "tiny.gguf", "full", vocabulary)
    vocabulary.close()
    return path


@pytest.fixture(name="ingress")
def ingress_fixture(server: ServerProcess, ingress_port: int) -> Iterator[LocalIngress]:
    """Put Home Assistant and the Supervisor before the server."""
    with LocalIngress(ingress_port) as ingress:
        yield ingress


def enter(browser: Browser, ingress: LocalIngress, **look: object) -> None:
    """Open Home Assistant's page, and look into its frame."""
    browser.open(ingress.url, **look)  # type: ignore[arg-type]
    browser.driver.switch_to.frame(browser.find("iframe"))
    browser.wait(lambda: browser.find_all("#state"), "the page is in the frame")


def text(browser: Browser, identity: str) -> str:
    """Return what an element says."""
    return browser.find(f"#{identity}").text


def test_it_opens_behind_ingress(browser: Browser, server: ServerProcess, ingress: LocalIngress) -> None:
    """State, model, version, log and how to connect are shown in the frame, from under ingress's path alone."""
    enter(browser, ingress)
    health = server.get("/health").json
    browser.wait(lambda: text(browser, "state") == "Ready", "it is ready")
    assert text(browser, "model") == health["model"] == EMBEDDED_NAME
    assert text(browser, "message") == health["message"]
    assert text(browser, "version") == health["version"]
    assert not browser.find("#download").is_displayed()
    assert not browser.find("#offline").is_displayed()
    body = browser.find("main").text
    assert "Settings > Devices & services" in body
    assert "port 5000" in body
    browser.find("#log-details summary").click()
    browser.wait(lambda: "is ready with a context of 2048 tokens" in text(browser, "log"), "the log is shown")
    # A script could have stopped after the first look: the state is asked for again and again.
    seen = browser.requested()
    asked = [url for url in seen if url.endswith("/status.json")]
    browser.wait(lambda: any(url.endswith("/status.json") for url in browser.requested()), "it looks again")
    assert asked
    assert {url for url in seen if not url.startswith(ingress.app_url)} == {ingress.url}
    browser.driver.switch_to.default_content()
    assert browser.problems() == []


def test_it_follows_a_download(browser: Browser, tmp_path: Path, tiny: Path) -> None:
    """The bar grows while a download goes on, then the new model is named, without anybody loading the page again."""
    port = free_port()
    content = tiny.read_bytes()
    with LocalHub() as hub:
        hub.add_repository(REPOSITORY, {FILE: content})
        hub.slow_down(len(content) // 60)
        flags = ("--repository", REPOSITORY, "--quant", "Q4_K_M", "--meanwhile", "embedded")
        asked = (*flags, "--hub-url", hub.url, "--ingress-port", str(port), "--context-size", "1024")
        with ServerProcess(tmp_path, *asked, until=("downloading",)), LocalIngress(port) as ingress:
            enter(browser, ingress)
            browser.wait(lambda: text(browser, "state") == "Downloading", "it downloads")
            assert text(browser, "download-file") == FILE
            assert "answers meanwhile" in text(browser, "message")
            seen: list[float] = []

            def grows() -> bool:
                seen.append(float(str(browser.find("#progress").get_property("value"))))
                return len(set(seen)) >= 3

            browser.wait(grows, "the bar grows")
            assert seen == sorted(seen)
            browser.wait(lambda: "MB/s" in text(browser, "download-size"), "it tells the speed")
            assert f"of {len(content) / 1e6:.0f} MB" in text(browser, "download-size")
            browser.picture("status-download")
            hub.slow_down(0)
            browser.wait(lambda: text(browser, "model") == REPOSITORY, "the new model is named")
            browser.wait(lambda: text(browser, "state") == "Ready", "it is ready")
            assert not browser.find("#download").is_displayed()
            assert [url for url in browser.requested() if url == ingress.app_url] == [ingress.app_url]
            assert browser.problems() == []


def test_it_follows_a_switch_of_the_model(browser: Browser, tmp_path: Path, tiny: Path) -> None:
    """When a client has another model loaded, or freed, the page says so by itself, and so does its log."""
    port = free_port()
    flags = ("--model", tiny, "--ingress-port", str(port), "--context-size", "1024")
    with ServerProcess(tmp_path, *flags) as server, LocalIngress(port) as ingress:
        enter(browser, ingress)
        browser.find("#log-details summary").click()
        first = server.get("/health").json["model"]
        browser.wait(lambda: text(browser, "model") == first, "the first model is named")
        assert server.post("/v1/internal/model/load", {"model_name": BASE_ID}).status == 200
        browser.wait(lambda: text(browser, "model") == EMBEDDED_NAME, "the other model is named")
        browser.wait(lambda: f"{EMBEDDED_NAME} is ready" in text(browser, "log"), "the log tells of it")
        assert server.post("/v1/internal/model/unload").status == 200
        browser.wait(lambda: text(browser, "state") == "No model loaded", "it is freed")
        assert browser.problems() == []


def test_it_survives_a_restart(browser: Browser, tmp_path: Path) -> None:
    """While the app is away the page says so, and not that it is ready; when it is back, that."""
    port = free_port()
    flags = ("--ingress-port", str(port), "--context-size", "512")
    with LocalIngress(port) as ingress:
        with ServerProcess(tmp_path, *flags):
            enter(browser, ingress)
            browser.wait(lambda: text(browser, "state") == "Ready", "it is ready")
        browser.wait(lambda: browser.find("#offline").is_displayed(), "it says that nobody answers")
        assert text(browser, "state") == "No answer"
        browser.picture("status-offline")
        with ServerProcess(tmp_path, *flags):
            browser.wait(lambda: text(browser, "state") == "Ready", "it is ready again")
            assert not browser.find("#offline").is_displayed()
    assert all("status of 502" in problem for problem in browser.problems())


def test_it_is_used_with_keys_alone(browser: Browser, ingress: LocalIngress) -> None:
    """Tab reaches the button, the log's switch and the log, which opens with Enter."""
    enter(browser, ingress)
    press = ActionChains(browser.driver)
    press.send_keys(Keys.TAB).perform()
    assert browser.focused().text == "Add the integration"
    press.send_keys(Keys.TAB).perform()
    assert browser.focused().tag_name == "summary"
    press.send_keys(Keys.ENTER).perform()
    browser.wait(lambda: browser.find("#log").is_displayed(), "Enter opens the log")
    press.send_keys(Keys.TAB).perform()
    assert browser.focused().get_attribute("id") == "log"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_it_is_readable(browser: Browser, ingress: LocalIngress, width: int, scheme: str) -> None:
    """On a phone and a desk, light and dark: nothing is wider than the page, faint or without a name."""
    enter(browser, ingress, width=width, scheme=scheme)
    browser.find("#log-details summary").click()
    browser.wait(lambda: text(browser, "log"), "the log is shown")
    assert browser.overflow() == 0
    assert browser.faint_texts() == []
    assert browser.nameless() == []
    time.sleep(0.1)
    browser.picture(f"status-{scheme}-{width}")
