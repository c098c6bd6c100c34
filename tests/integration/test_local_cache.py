"""What local servers have stored goes when no entry needs it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm.backend import data_folder
from custom_components.home_llm.local_cache import KEEP_SECONDS, delete_abandoned

USED = {"backend": "hugging_face", "repository": "owner/used", "quant": "Q4_K_M"}
EXCHANGED = {**USED, "quant": "Q8_0"}


def stored(folder: Path, age: float = 0.0) -> Path:
    """Store a part of a model that was written so many seconds ago."""
    folder.mkdir(parents=True)
    file = folder / "model.gguf.part"
    file.write_bytes(b"GGUF")
    for path in (file, folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


@pytest.fixture(name="cache")
def cache_fixture(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Give Home Assistant a configuration folder of its own."""
    hass.config.config_dir = str(tmp_path)
    return Path(hass.config.cache_path("home_llm"))


async def test_at_the_start(hass: HomeAssistant, core: None, cache: Path) -> None:
    """A model that an entry uses stays, and so does a download of today; what is older goes."""
    used = stored(data_folder(hass, USED), 10 * KEEP_SECONDS)
    exchanged = stored(data_folder(hass, EXCHANGED), 10 * KEEP_SECONDS)
    today = stored(data_folder(hass, {**USED, "repository": "owner/today"}))
    # Disabled, so that nothing is started for it.
    MockConfigEntry(domain="home_llm", data=USED, disabled_by=ConfigEntryDisabler.USER).add_to_hass(hass)
    assert await async_setup_component(hass, "home_llm", {})
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (used.is_dir(), exchanged.exists(), today.is_dir()) == (True, False, True)


async def test_with_the_last_entry(hass: HomeAssistant, core: None, cache: Path) -> None:
    """With an entry goes its own folder at once, and what was abandoned before."""
    used = stored(data_folder(hass, USED))
    exchanged = stored(data_folder(hass, EXCHANGED), 2 * KEEP_SECONDS)
    entry = MockConfigEntry(domain="home_llm", data=USED, disabled_by=ConfigEntryDisabler.USER)
    entry.add_to_hass(hass)
    await hass.config_entries.async_remove(entry.entry_id)
    assert (used.exists(), exchanged.exists()) == (False, False)


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """Only folders that are named as ours are deleted, no files and nothing behind a link; and none that is at work."""
    old = 10 * KEEP_SECONDS
    foreign = stored(tmp_path / "cache" / "something", old)
    behind = stored(tmp_path / "model-01234567", old)
    root = tmp_path / "cache"
    (root / "link-89abcdef").symlink_to(behind)
    (root / "file-89abcdef").write_text("")
    working = stored(root / "working-01234567", old)
    (working / "new").write_text("")
    gone = stored(root / "gone-01234567", old)
    before = time.time() - KEEP_SECONDS
    assert delete_abandoned(root, set(), before) == [gone]
    assert foreign.is_dir()
    assert behind.is_dir()
    assert working.is_dir()
    assert delete_abandoned(tmp_path / "nowhere", set(), before) == []
