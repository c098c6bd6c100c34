"""What is known of a server, and addresses.

Free of Home Assistant.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .server_kinds import ServerKind


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of the server."""

    model_id: str
    owned_by: str
    context_size: int | None
    # Whether it looks at pictures; None where the server does not tell.
    sees: bool | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What a Home LLM server says about itself."""

    status: str
    message: str
    version: str
    model: str | None
    percent: float | None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A server and its models, the default one first.

    Attributes:
        models: the models.
        is_home_llm: whether it is ours.
        health: what it says about itself, if it is ours.
        kind: the kind of server.
        reads_home_calls: the integration itself reads calls in the home format from what the server's models write.
    """

    models: tuple[ModelInfo, ...]
    is_home_llm: bool
    health: Health | None
    kind: ServerKind = ServerKind.OPENAI
    reads_home_calls: bool = False

    @property
    def has_home_services(self) -> bool:
        """Return whether agents can use home services: our server binds them, otherwise they are read from text."""
        return self.is_home_llm or self.reads_home_calls

    @property
    def model_ids(self) -> list[str]:
        """Return the names of the models."""
        return [model.model_id for model in self.models]

    @property
    def default_model(self) -> str | None:
        """Return the id of the model that is used when none is named."""
        return self.models[0].model_id if self.models else None


def normalize_url(url: str) -> str:
    """Return a base address without a trailing slash or /v1, as the client wants it."""
    return url.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def host_and_port(url: str) -> tuple[str | None, int | None]:
    """Return where an address points to, with the scheme's own port where none is written."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)
