"""A real browser: Chromium without a window, driven by ChromeDriver, with what its console and its network saw."""

import base64
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

PHONE = 360
DESKTOP = 1280

_FLAGS = (
    "--headless",
    # As root, and without a GPU, as on machines that run tests.
    "--no-sandbox",
    "--disable-gpu",
    # It must not look for anything by itself: no test reaches the network.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "google-chrome")

# The text whose contrast with what is behind it is below 4.5, as Web Content Accessibility Guidelines count it.
_FAINT = """
const parse = (text) => {
  const [r, g, b, a] = text.match(/[\\d.]+/g).map(Number);
  return { rgb: [r, g, b], alpha: a === undefined ? 1 : a };
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (node) => {
  for (let each = node; each; each = each.parentElement) {
    const found = parse(getComputedStyle(each).backgroundColor);
    if (found.alpha === 1) return found.rgb;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
};
const faint = [];
for (const node of document.body.querySelectorAll("*")) {
  const text = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data.trim()).join("");
  if (!text || !node.checkVisibility() || node.matches("script, style, noscript")) continue;
  const pair = [luminance(parse(getComputedStyle(node).color).rgb), luminance(ground(node))];
  const [low, high] = pair.sort((a, b) => a - b);
  const contrast = (high + 0.05) / (low + 0.05);
  if (contrast < 4.5) faint.push(`${text.slice(0, 40)}: ${contrast.toFixed(2)}`);
}
return faint;
"""


class Browser:
    """A browser with an empty profile; a context manager.

    Args:
        profile: an empty folder.

    Attributes:
        driver: Selenium's handle of it.
    """

    driver: Chrome

    def __init__(self, profile: Path) -> None:
        self._profile = profile

    def __enter__(self) -> Self:
        """Start it."""
        browser = next(filter(None, map(shutil.which, _NAMES)), None)
        driver = shutil.which("chromedriver")
        assert browser, f"None of {', '.join(_NAMES)} is installed: apt-get install chromium"
        assert driver, "ChromeDriver is not installed: apt-get install chromium-driver"
        options = Options()
        options.binary_location = browser
        for flag in (*_FLAGS, f"--user-data-dir={self._profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = Chrome(options=options, service=Service(driver))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.driver.quit()

    def open(self, url: str, *, width: int = DESKTOP, scheme: str = "light") -> None:
        """Open an address in an empty page; what was seen before is forgotten."""
        self.driver.get("about:blank")
        self.look(width=width, scheme=scheme)
        self._log("browser")
        self._log("performance")
        self.driver.get(url)

    def look(self, *, width: int = DESKTOP, scheme: str = "light") -> None:
        """Have it be so many pixels wide, and prefer the light or the dark colour scheme."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self._command("Emulation.setDeviceMetricsOverride", size)
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("Emulation.setEmulatedMedia", {"features": preferred})

    def problems(self) -> list[str]:
        """Return the warnings and errors of the console since the last call: scripts, policies, what did not load."""
        return [line["message"] for line in self._log("browser") if line["level"] in {"WARNING", "SEVERE"}]

    def requested(self) -> list[str]:
        """Return the addresses that the network was asked for since the last call, but for the empty page's."""
        events = [json.loads(line["message"])["message"] for line in self._log("performance")]
        sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("about:", "data:"))]

    def find(self, selector: str, within: WebElement | None = None) -> WebElement:
        """Return the first element of a CSS selector."""
        found: WebElement = (within or self.driver).find_element(By.CSS_SELECTOR, selector)
        return found

    def find_all(self, selector: str, within: WebElement | None = None) -> list[WebElement]:
        """Return the elements of a CSS selector."""
        found: list[WebElement] = (within or self.driver).find_elements(By.CSS_SELECTOR, selector)
        return found

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait until a condition holds; fail with what was waited for when it never does."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it never happened: {what}; the console says {self.problems()}"
            time.sleep(0.1)

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than what is seen of it."""
        wide: int = self.driver.execute_script(
            "const root = document.documentElement; return root.scrollWidth - root.clientWidth;"
        )
        return wide

    def faint_texts(self) -> list[str]:
        """Return the visible texts with less contrast than 4.5."""
        found: list[str] = self.driver.execute_script(_FAINT)
        return found

    def nameless(self) -> list[str]:
        """Return the visible controls that a screen reader has no name for."""
        controls = self.find_all("a, button, input, textarea, select, summary, [tabindex='0'], progress, iframe")
        return [
            str(control.get_attribute("outerHTML"))[:80]
            for control in controls
            if control.is_displayed() and not control.accessible_name
        ]

    def focused(self) -> WebElement:
        """Return the element that keys go to."""
        element: WebElement = self.driver.switch_to.active_element
        return element

    def picture(self, name: str) -> None:
        """Keep a picture of the whole page in the folder that HOME_LLM_SCREENSHOTS names, where it names one."""
        if not (folder := os.environ.get("HOME_LLM_SCREENSHOTS")):
            return
        taken = self._command("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def _command(self, name: str, arguments: dict[str, Any]) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def _log(self, kind: str) -> list[dict[str, Any]]:
        """Return what has been logged since the last call."""
        lines: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return lines
