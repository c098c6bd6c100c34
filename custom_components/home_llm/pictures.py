"""Pictures that a task is given, as parts of an OpenAI message."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from homeassistant.components.conversation import Attachment
from homeassistant.core import HomeAssistant

from .errors import AgentError

# Requests to a Home LLM server may have 16 MiB, and base64 makes four bytes of three.
MAX_PICTURES_BYTES = 11 * 1024 * 1024


async def async_picture_parts(hass: HomeAssistant, attachments: Iterable[Attachment]) -> list[dict[str, Any]]:
    """Return the parts for attachments.

    Raises:
        AgentError: one is not a picture, cannot be read, or they are too large.
    """
    chosen = list(attachments)
    for attachment in chosen:
        if not attachment.mime_type.startswith("image/"):
            raise AgentError("not_a_picture", kind=attachment.mime_type)
    if not chosen:
        return []
    try:
        contents = await hass.async_add_executor_job(_read, [attachment.path for attachment in chosen])
    except OSError as err:
        raise AgentError("picture_unreadable", message=err.strerror or str(err)) from err
    return [
        {"type": "image_url", "image_url": {"url": f"data:{attachment.mime_type};base64,{content}"}}
        for attachment, content in zip(chosen, contents, strict=True)
    ]


def _read(paths: Iterable[Path]) -> list[str]:
    """Return files as base64.

    Raises:
        AgentError: they are too large together.
    """
    contents: list[str] = []
    left = MAX_PICTURES_BYTES
    for path in paths:
        left -= path.stat().st_size
        if left < 0:
            raise AgentError("pictures_too_large", megabytes=str(MAX_PICTURES_BYTES // 1024**2))
        contents.append(base64.b64encode(path.read_bytes()).decode())
    return contents
