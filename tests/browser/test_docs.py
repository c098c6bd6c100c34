"""The page `/docs` in a browser: it shows every route, sends what is typed, and is usable with keys and on a phone."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from browser import DESKTOP, PHONE, Browser
from server_process import ServerProcess

CHAT = "post_v1_chat_completions"


class Docs:
    """The page as somebody uses it."""

    def __init__(self, browser: Browser, server: ServerProcess) -> None:
        """Open it."""
        self.browser = browser
        self.server = server
        self.open()

    def open(self, fragment: str = "", **look: Any) -> None:
        """Open it anew."""
        self.browser.open(f"{self.server.url}/docs{fragment}", **look)
        self.browser.wait(lambda: self.browser.find_all("details.route"), "routes are shown")

    def route(self, identity: str) -> WebElement:
        """Open a route."""
        box = self.browser.find(f"#{identity}")
        if box.get_attribute("open") is None:
            self.browser.find("summary", box).click()
        self.browser.wait(lambda: self.browser.find_all("form", box), "the route opens")
        return box

    def write(self, box: WebElement, body: Any) -> None:
        """Replace the body of a request."""
        field = self.browser.find("textarea", box)
        field.clear()
        field.send_keys(json.dumps(body))

    def send(self, box: WebElement) -> tuple[str, str]:
        """Send the request, and return how it ended and what was answered."""
        self.browser.find("button[type=submit]", box).click()
        outcome = self.browser.find(".outcome", box)
        self.browser.wait(lambda: outcome.get_attribute("data-good"), "the request ends")
        return outcome.text, str(self.browser.find("pre", box).get_property("textContent"))

    def generated(self, key: str) -> int:
        """Return how many tokens the server has generated."""
        metrics = self.server.get("/metrics", Authorization=f"Bearer {key}").body.decode()
        (count,) = re.findall(r"^llamacpp:tokens_predicted_total (\S+)", metrics, re.MULTILINE)
        return int(float(count))

    def type_key(self, key: str) -> None:
        """Type a key."""
        self.browser.find("#key").send_keys(key)


@pytest.fixture(name="docs")
def docs_fixture(browser: Browser, server: ServerProcess) -> Docs:
    """Open the page."""
    return Docs(browser, server)


@pytest.fixture(scope="module", name="api")
def api_fixture(server: ServerProcess) -> dict[str, Any]:
    """Read the document."""
    value: dict[str, Any] = server.get("/openapi.json").json
    return value


def operations(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the path, method and operation of every route."""
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_is_shown(docs: Docs, api: dict[str, Any]) -> None:
    """Each operation of the document is on the page under its dialect, and each opens; nothing comes from elsewhere."""
    shown = docs.browser.driver.execute_script(
        """return [...document.querySelectorAll("main section")].flatMap((section) =>
             [...section.querySelectorAll("details.route")].map((box) => {
               box.open = true;
               const summary = box.querySelector("summary");
               return [section.querySelector("h2"), summary.querySelector(".method"), summary.querySelector("code")]
                 .map((node) => node.textContent);
             }));"""
    )
    wanted = {(operation["tags"][0], method.upper(), path) for path, method, operation in operations(api)}
    assert {tuple(each) for each in shown} == wanted
    assert len(shown) == len(wanted)
    forms = "details.route > form"
    docs.browser.wait(lambda: len(docs.browser.find_all(forms)) == len(wanted), "every route opens")
    bodies = [operation for _, _, operation in operations(api) if "requestBody" in operation]
    assert len(docs.browser.find_all("details.route textarea")) == len(bodies)
    assert docs.browser.overflow() == 0
    assert docs.browser.problems() == []
    requested = docs.browser.requested()
    assert requested[:2] == [f"{docs.server.url}/docs", f"{docs.server.url}/openapi.json"]
    assert all(url.startswith(f"{docs.server.url}/") for url in requested)


def test_the_dialects_stand_in_the_order_of_the_document(docs: Docs, api: dict[str, Any]) -> None:
    """The page begins with what most clients speak, and its links lead to the dialects."""
    headings = [heading.text for heading in docs.browser.find_all("main h2")]
    assert headings == [tag["name"] for tag in api["tags"]]
    assert {operation["tags"][0] for _, _, operation in operations(api)} == set(headings)
    links = docs.browser.find_all("#dialects a")
    assert [link.text for link in links] == headings
    links[-1].click()
    heading = docs.browser.find_all("main h2")[-1]
    docs.browser.wait(
        lambda: docs.browser.driver.execute_script(
            "return arguments[0].getBoundingClientRect().top < window.innerHeight", heading
        ),
        "the link leads there",
    )


def test_a_request_is_answered(docs: Docs, key: str) -> None:
    """With the key typed in, the example of a chat gets the model's answer, and a body of one's own gets its."""
    docs.type_key(key)
    outcome, answer = docs.send(docs.route(CHAT))
    assert outcome.startswith("200 OK, application/json, ")
    assert json.loads(answer)["choices"][0]["message"]["content"]
    box = docs.route("post_tokenize")
    docs.write(box, {"content": "Turn on the lamp"})
    outcome, answer = docs.send(box)
    assert outcome.startswith("200 OK")
    direct = docs.server.post("/tokenize", {"content": "Turn on the lamp"}, Authorization=f"Bearer {key}")
    assert json.loads(answer) == direct.json
    docs.browser.picture("docs-answer")
    assert docs.browser.problems() == []


def test_a_stream_is_shown_while_it_comes(docs: Docs, key: str) -> None:
    """A stream that is asked for on the page grows as it comes, and is shown as it is, to its end."""
    docs.type_key(key)
    box = docs.route(CHAT)
    docs.write(box, {"messages": [{"role": "user", "content": "Tell me of the sea."}], "max_tokens": 60})
    docs.browser.find("input[type=checkbox]", box).click()
    assert json.loads(str(docs.browser.find("textarea", box).get_property("value")))["stream"] is True
    docs.browser.driver.execute_script(
        """const output = arguments[0]; window.lengths = [];
           const note = () => window.lengths.push(output.textContent.length);
           new MutationObserver(note).observe(output, {childList: true});""",
        docs.browser.find("pre", box),
    )
    outcome, answer = docs.send(box)
    assert outcome.startswith("200 OK, text/event-stream, ")
    parts = [part for part in answer.split("\n\n") if part]
    assert parts[-1] == "data: [DONE]"
    assert all(part.startswith("data: ") for part in parts)
    lengths = docs.browser.driver.execute_script("return window.lengths")
    assert len(set(lengths)) > 5
    assert docs.browser.problems() == []


def test_a_request_can_be_stopped(docs: Docs, key: str) -> None:
    """Stop ends a long answer: what has come stays on the page, and the server generates no more."""
    docs.type_key(key)
    box = docs.route("post_completion")
    docs.write(box, {"prompt": "Once upon a time", "n_predict": 1500, "ignore_eos": True, "stream": True})
    before = docs.generated(key)
    docs.browser.find("button[type=submit]", box).click()
    docs.browser.wait(lambda: "data: " in docs.browser.find("pre", box).text, "the stream begins")
    docs.browser.find("button[type=button]", box).click()
    outcome = docs.browser.find(".outcome", box)
    docs.browser.wait(lambda: outcome.text.startswith("Stopped after "), "the page says so")
    assert "data: " in docs.browser.find("pre", box).text

    def rests() -> bool:
        slots = docs.server.get("/slots", Authorization=f"Bearer {key}").json
        return not any(slot["is_processing"] for slot in slots)

    docs.browser.wait(rests, "the server rests")
    assert docs.generated(key) - before < 1500


@pytest.mark.parametrize("wrong", ["", "cellar-key"])
def test_a_wrong_key_is_shown(docs: Docs, wrong: str) -> None:
    """Without the right key the server's own error is shown, and where to type a key."""
    docs.type_key(wrong)
    outcome, answer = docs.send(docs.route(CHAT))
    assert outcome.lower().startswith("401 unauthorized, application/json, ")
    assert outcome.endswith("Type the key at the top of this page.")
    assert json.loads(answer) == docs.server.post("/v1/chat/completions", {}, Authorization=f"Bearer {wrong}").json
    (problem,) = docs.browser.problems()
    assert "status of 401" in problem


def test_a_body_that_is_wrong_is_shown(docs: Docs, key: str) -> None:
    """What is no JSON is sent as it is typed, and the server says what is wrong with it."""
    docs.type_key(key)
    box = docs.route("post_tokenize")
    field = docs.browser.find("textarea", box)
    field.clear()
    field.send_keys("{not json")
    outcome, answer = docs.send(box)
    assert outcome.startswith("400 ")
    assert "JSON" in answer


def test_a_path_with_a_variable(docs: Docs, key: str) -> None:
    """What is typed for a variable of a path gets there, also with signs that mean something in addresses."""
    docs.type_key(key)
    box = docs.route("get_v1_models_name")
    docs.browser.find("input", box).send_keys("nothing/of ? the # kind")
    outcome, answer = docs.send(box)
    assert outcome.startswith("404 ")
    assert "nothing/of ? the # kind" in answer


def test_routes_are_found(docs: Docs) -> None:
    """The search leaves the routes that have all of the words, and says how many; an empty one shows all."""
    every = len(docs.browser.find_all("details.route"))
    docs.browser.find("#search").send_keys("count tokens")
    shown = [box.get_attribute("id") for box in docs.browser.find_all("details.route") if box.is_displayed()]
    assert "post_v1_messages_count_tokens" in shown
    assert 1 < len(shown) < every
    assert docs.browser.find("#state").text == f"{len(shown)} routes found."
    docs.browser.find("#search").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    assert len([box for box in docs.browser.find_all("details.route") if box.is_displayed()]) == every


def test_a_link_opens_a_route(docs: Docs) -> None:
    """A route has an address of its own, with which the page opens it."""
    link = docs.browser.find("a[href^='#']", docs.route(CHAT)).get_attribute("href")
    assert link == f"{docs.server.url}/docs#{CHAT}"
    docs.open(f"#{CHAT}")
    docs.browser.wait(lambda: docs.browser.find(f"#{CHAT}").get_attribute("open"), "the route is open")
    assert docs.browser.problems() == []


def test_it_is_used_with_keys_alone(docs: Docs, key: str) -> None:
    """Tab reaches the key, the search, a route, its body and its button in this order, and Enter sends it."""
    press = ActionChains(docs.browser.driver)
    press.send_keys(Keys.TAB).perform()
    assert docs.browser.focused().text == "To the routes"
    for wanted in ("openapi.json", "key", "search"):
        press.send_keys(Keys.TAB).perform()
        focused = docs.browser.focused()
        assert wanted in {focused.text, focused.get_attribute("id")}
        if wanted == "key":
            focused.send_keys(key)
    docs.browser.focused().send_keys("/tokenize")
    press.send_keys(Keys.TAB * (1 + len(docs.browser.find_all("#dialects a")))).perform()
    focused = docs.browser.focused()
    assert "/tokenize" in focused.text
    press.send_keys(Keys.ENTER).perform()
    docs.browser.wait(lambda: docs.browser.find_all("#post_tokenize form"), "Enter opens the route")
    press.send_keys(Keys.TAB).perform()
    assert docs.browser.focused().tag_name == "textarea"
    press.send_keys(Keys.TAB).perform()
    assert docs.browser.focused().text == "Send"
    press.send_keys(Keys.ENTER).perform()
    outcome = docs.browser.find("#post_tokenize .outcome")
    docs.browser.wait(lambda: outcome.text.startswith("200"), "Enter sends it")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_it_is_readable(docs: Docs, key: str, width: int, scheme: str) -> None:
    """On a phone and a desk, light and dark: nothing is wider than the page, faint or without a name."""
    docs.open(width=width, scheme=scheme)
    docs.browser.picture(f"docs-{scheme}-{width}")
    docs.type_key(key)
    # The address would be the only long word on the page; a wrong one makes an answer with another.
    docs.browser.find("#search").send_keys("v1/chat/completions")
    for identity in (CHAT, "post_v1_chat_completions_input_tokens"):
        docs.send(docs.route(identity))
    docs.browser.driver.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    assert docs.browser.overflow() == 0
    assert docs.browser.faint_texts() == []
    assert docs.browser.nameless() == []
    docs.browser.picture(f"docs-open-{scheme}-{width}")
