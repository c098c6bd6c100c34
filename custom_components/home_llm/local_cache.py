"""What local servers have stored and nobody needs: downloads that were given up, models that were exchanged."""

import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from homeassistant.core import HomeAssistant

from .backend import data_folder, is_local
from .const import DOMAIN, LOGGER

# A download that failed goes on where it stopped, as long as somebody may still want it.
KEEP_SECONDS = 24 * 60 * 60.0

# Only what `data_folder` names is ours to delete.
_OURS = re.compile(r".*-[0-9a-f]{8}|[0-9a-f]{8}")


async def async_clean_cache(hass: HomeAssistant) -> None:
    """Delete the folders of models that no entry uses and that have not been touched for a day."""
    used = {
        data_folder(hass, entry.data) for entry in hass.config_entries.async_entries(DOMAIN) if is_local(entry.data)
    }
    root = Path(hass.config.cache_path(DOMAIN))
    for folder in await hass.async_add_executor_job(delete_abandoned, root, used, time.time() - KEEP_SECONDS):
        LOGGER.info("Deleted %s, a model that no entry uses", folder)


def delete_abandoned(root: Path, used: Collection[Path], before: float) -> list[Path]:
    """Delete folders that are not used and in which nothing was written after a moment; return them; blocks.

    Args:
        root: where the folders are.
        used: those that stay.
        before: seconds since the epoch.
    """
    if not root.is_dir():
        return []
    found = [folder for folder in sorted(root.iterdir()) if _OURS.fullmatch(folder.name) and folder not in used]
    old = [folder for folder in found if folder.is_dir() and not folder.is_symlink() and _touched(folder) < before]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return old


def _touched(folder: Path) -> float:
    """Return when something in a folder was written last."""
    times = [folder.lstat().st_mtime]
    for path in folder.rglob("*"):
        try:
            times.append(path.lstat().st_mtime)
        except OSError:
            # It went while we looked: somebody is at work here.
            return time.time()
    return max(times)
