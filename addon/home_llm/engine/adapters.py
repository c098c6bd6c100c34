"""The adapters that an engine has loaded, and with which scale each is applied."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from home_llm.llama import Adapter, AdapterError, Context, Model, apply_adapters


@dataclass(frozen=True, slots=True)
class AdapterUse:
    """A LoRA adapter and how strongly it is applied.

    Attributes:
        path: the GGUF file.
        scale: 1 is as it was trained, 0 keeps it loaded without effect.
        identity: what tells this content from all other; the path, where nothing better is given.
    """

    path: Path
    scale: float = 1.0
    identity: str = ""

    @property
    def key(self) -> str:
        """The identity, or the path."""
        return self.identity or str(self.path)


@dataclass(frozen=True, slots=True, eq=False)
class AdapterChange:
    """A wish to have these adapters applied in place of others.

    Attributes:
        uses: the adapters.
        done: ends when they are applied, or with why they cannot be.
    """

    uses: tuple[AdapterUse, ...]
    done: "Future[None]" = field(default_factory=Future)

    def wait(self, timeout: float | None) -> None:
        """Wait until it is done.

        Raises:
            TimeoutError: it has not even begun after `timeout` seconds; it will not be done then.
            Exception: why it could not be done.
        """
        try:
            self.done.result(timeout)
        except TimeoutError:
            if self.done.cancel():
                raise
            # It has begun, and takes as long as reading the files.
            self.done.result()


class AdapterShelf:
    """Loads, applies and frees adapters. For one thread, while nothing decodes.

    Attributes:
        uses: the adapters that are loaded, with their scales.

    Args:
        model: the model that they are for.
        uses: those to begin with, loaded at once.

    Raises:
        AdapterError: one cannot be loaded.
    """

    def __init__(self, model: Model, uses: Sequence[AdapterUse] = ()) -> None:
        self._model = model
        self._loaded: dict[str, Adapter] = {}
        self._loaded = self._load(uses)
        self.uses: tuple[AdapterUse, ...] = tuple(uses)
        self._wishes: deque[AdapterChange] = deque()

    @property
    def fingerprint(self) -> str:
        """What of the adapters the KV cache depends on; empty where none has an effect."""
        return ", ".join(sorted(f"{use.key}*{use.scale!r}" for use in self.uses if use.scale))

    @property
    def wished(self) -> bool:
        """Whether a change waits to be made."""
        while self._wishes and self._wishes[0].done.cancelled():
            self._wishes.popleft()
        return bool(self._wishes)

    def wish(self, change: AdapterChange) -> None:
        """Queue a change."""
        self._wishes.append(change)

    def apply(self, context: Context) -> None:
        """Apply the adapters to a context."""
        apply_adapters(context, [(self._loaded[use.key], use.scale) for use in self.uses])

    def change_next(self, context: Context) -> bool:
        """Make the change that waits longest; return whether what the KV cache holds is of no use any more."""
        change = self._wishes.popleft()
        if not change.done.set_running_or_notify_cancel():
            return False
        before = self.fingerprint
        try:
            self._change(context, change.uses)
        except Exception as error:  # noqa: BLE001 - whatever broke is the answer to who wished for it
            change.done.set_exception(error)
            return False
        change.done.set_result(None)
        return self.fingerprint != before

    def refuse(self, error: Exception) -> None:
        """Answer every change that waits with an error."""
        for change in self._wishes:
            if change.done.set_running_or_notify_cancel():
                change.done.set_exception(error)

    def close(self) -> None:
        """Free all adapters; the contexts that they are applied to must be closed before."""
        for adapter in self._loaded.values():
            adapter.close()
        self._loaded, self.uses = {}, ()

    def _change(self, context: Context, uses: Sequence[AdapterUse]) -> None:
        """Apply these adapters and free those that are not among them; where one cannot be loaded, nothing changes."""
        loaded = self._load(uses)
        unused = [adapter for key, adapter in self._loaded.items() if key not in loaded]
        self._loaded, self.uses = loaded, tuple(uses)
        self.apply(context)
        for adapter in unused:
            adapter.close()

    def _load(self, uses: Sequence[AdapterUse]) -> dict[str, Adapter]:
        """Return the adapters by their keys, loading those that are not loaded yet; all of them or none."""
        keys = [use.key for use in uses]
        if twice := next((use for use in uses if keys.count(use.key) > 1), None):
            raise AdapterError(f"The adapter {twice.path.name} is given twice. Give it once, with its scale.")
        fresh: dict[str, Adapter] = {}
        try:
            for use in uses:
                if use.key not in self._loaded:
                    fresh[use.key] = Adapter(self._model, use.path)
        except AdapterError:
            for adapter in fresh.values():
                adapter.close()
            raise
        return {key: fresh.get(key) or self._loaded[key] for key in keys}
