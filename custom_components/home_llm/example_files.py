"""The files of examples: ours, and the user's own in Home Assistant's configuration folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN, LOGGER, USER_FOLDER
from .examples import ExamplesError, Row, read_examples, shipped_file


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples in a language, and what is wrong with the user's own file if that is why they are ours."""

    rows: tuple[Row, ...]
    error: str | None = None


# What was read, by path, with the time of change and the size that the file had.
_READ: HassKey[dict[Path, tuple[tuple[int, int], Examples]]] = HassKey(f"{DOMAIN}_examples")


def user_file(hass: HomeAssistant, language: str) -> Path:
    """Return where the user's own examples in a language would be."""
    return Path(hass.config.path(USER_FOLDER, f"examples_{language}.csv"))


async def async_examples(hass: HomeAssistant, language: str) -> Examples:
    """Return the examples in a language, from the user's own file where there is one; a change of it counts at once."""
    return await hass.async_add_executor_job(
        _examples, hass.data.setdefault(_READ, {}), user_file(hass, language), language
    )


def _examples(read: dict[Path, tuple[tuple[int, int], Examples]], own: Path, language: str) -> Examples:
    """Read what has changed since it was read; blocks."""
    try:
        stat = own.stat()
    except OSError:
        return _once(read, shipped_file(language), (0, 0), language)
    return _once(read, own, (stat.st_mtime_ns, stat.st_size), language)


def _once(
    read: dict[Path, tuple[tuple[int, int], Examples]], path: Path, version: tuple[int, int], language: str
) -> Examples:
    """Return what a version of a file holds."""
    known = read.get(path)
    if known is None or known[0] != version:
        try:
            examples = Examples(tuple(read_examples(path)))
        except ExamplesError as err:
            # The user's own file; ours are tested.
            LOGGER.warning("Examples are taken from Home LLM, because your own cannot be used: %s", err)
            examples = Examples(tuple(read_examples(shipped_file(language))), str(err))
        known = read[path] = (version, examples)
    return known[1]
