"""Which adapters stand beside the model that answers, and how others take their place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from home_llm.models import Weights
from home_llm.runtime.adapters import LoadedAdapter, available, named, read_adapters, rescaled
from home_llm.runtime.loading import Loaded, Recipe
from home_llm.runtime.state import NotReadyError
from home_llm.settings import Settings

# How long a change waits for the answers under way. Clients give up after a minute or two.
_ANSWER_SECONDS = 60.0


class AdapterChoice:
    """Tells and changes the adapters beside the model.

    Args:
        settings: name adapters for the configured model, and the folder of further ones.
        home: tells the configured model, once it is known.
        weights: tells the weights that were loaded last.
        recipe: tells how the model was made that answers, now or once it has woken.
        swap: has what the function makes of the loaded model take its place.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        home: Callable[[], Weights | None],
        weights: Callable[[], Weights | None],
        recipe: Callable[[], Recipe | None],
        swap: Callable[[Callable[[Loaded], Loaded]], None],
    ) -> None:
        self._settings = settings
        self._folder = settings.data_dir / "adapters"
        self._home = home
        self._weights = weights
        self._recipe = recipe
        self._swap = swap

    def loaded(self) -> tuple[LoadedAdapter, ...]:
        """Return the adapters beside the model; their places in the list are their numbers."""
        return () if (recipe := self._recipe()) is None else recipe.adapters

    def names(self) -> list[str]:
        """Return the names of the adapters that can be loaded."""
        return list(available(self._configured(self._weights()), self._folder))

    def at_start(self, weights: Weights) -> tuple[LoadedAdapter, ...]:
        """Return those that the settings want beside these weights.

        Raises:
            ModelError: one cannot be used.
        """
        return read_adapters(self._configured(weights), weights)

    def scale(self, scales: Mapping[int, float]) -> None:
        """Give the adapters other scales, by their numbers; those that are not named get 0.

        Raises:
            AdapterRequestError: there is no adapter of that number.
            NotReadyError: there is no model now, another load is under way, or answers under way take too long.
        """
        self._swap(lambda loaded: _with_adapters(loaded, rescaled(loaded.recipe.adapters, scales)))

    def use(self, names: Sequence[str]) -> None:
        """Apply the adapters of these names, and no others.

        Raises:
            AdapterRequestError: there is no adapter of that name.
            ModelError, AdapterError: one cannot be loaded; nothing has changed then.
            NotReadyError: as above.
        """

        def change(loaded: Loaded) -> Loaded:
            weights = loaded.recipe.weights
            chosen = named(names, self._configured(weights), self._folder)
            return _with_adapters(loaded, read_adapters(chosen, weights))

        self._swap(change)

    def _configured(self, weights: Weights | None) -> tuple[tuple[Path, float], ...]:
        """Return the adapters of the settings for the configured model, and none for others."""
        home = self._home()
        if weights is None or home is None or (weights.path, weights.adapter) != (home.path, home.adapter):
            return ()
        return self._settings.adapter_list


def _with_adapters(loaded: Loaded, adapters: tuple[LoadedAdapter, ...]) -> Loaded:
    applied = (*loaded.own_adapters, *adapters)
    try:
        # llama.cpp reads its list of a model's adapters while it reads a text.
        with loaded.embeddings.paused():
            loaded.chat.engine.set_adapters([adapter.use for adapter in applied], timeout=_ANSWER_SECONDS)
    except TimeoutError:
        raise NotReadyError("The answers under way take too long. Change the adapters later.", 10) from None
    return replace(loaded, recipe=replace(loaded.recipe, adapters=adapters))
