"""The Vulkan back-end: used where something speaks Vulkan, silent where nothing does.

`script/image graphics` adds a driver that computes Vulkan on the processor. llama.cpp passes such a one over unless it
is named, which stands for a graphics card here.
"""

import re
from collections.abc import Callable

import pytest

from app_container import IMAGE, AppContainer, run_once

Start = Callable[..., AppContainer]

# The driver compiles every shader on the processor.
pytestmark = pytest.mark.timeout(1800)

GRAPHICS = f"{IMAGE}-graphics"
NAMED = {"GGML_VK_VISIBLE_DEVICES": "0"}
QUESTION = "What is the capital of France?"
LIST_DEVICES = "from home_llm.llama import devices; print([device.name for device in devices()])"


def answer(app: AppContainer) -> str:
    """Return what the app says to the question."""
    app.patience = 600
    app.wait_for("ok", timeout=600)
    return str(app.chat(QUESTION, max_tokens=6)["choices"][0]["message"]["content"])


def test_silent_without_graphics(start: Start) -> None:
    """Where nothing speaks Vulkan the log says nothing of it, and the processor computes."""
    app = start(options={"log_level": "info"})
    app.wait_for("ok")
    assert not re.search("vulkan|graphics|layers are computed", app.logs(), re.IGNORECASE)
    assert run_once("-c", f"/opt/home-llm/bin/python3 -c '{LIST_DEVICES}'") == "['CPU']"


def test_computes_on_what_speaks_vulkan(start: Start) -> None:
    """With a device that speaks Vulkan all layers are computed there, with the processor's answer; the log says so."""
    alone = start(options={"gpu_layers": 0}, image=GRAPHICS, environment=NAMED)
    expected = answer(alone)
    assert "layers are computed on" not in alone.logs()
    alone.remove()
    app = start(image=GRAPHICS, environment=NAMED)
    assert answer(app) == expected
    assert re.search(r"31 of 31 layers are computed on Vulkan0 \(llvmpipe", app.logs())
    assert app.stop()[1] == 0


def test_graphics_that_cannot_do_it(start: Start) -> None:
    """Where the device refuses the weights the processor takes them, and one warning tells why."""
    small = {"GGML_VK_FORCE_MAX_ALLOCATION_SIZE": "4096", "GGML_VK_FORCE_MAX_BUFFER_SIZE": "4096"}
    app = start(image=GRAPHICS, environment={**NAMED, **small})
    assert answer(app)
    assert app.logs().count("The graphics cannot compute home-135m") == 1
