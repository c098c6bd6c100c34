"""How the configured model comes up: the embedded one answers until its weights are here, where that is wanted."""

import logging
from collections.abc import Callable
from dataclasses import replace

from home_llm.llama import ModelLoadError
from home_llm.models import EMBEDDED_ID, ModelError, Weights
from home_llm.runtime.finder import Finder
from home_llm.runtime.state import StatusBoard
from home_llm.settings import Settings

_LOGGER = logging.getLogger(__name__)


class Starter:
    """Finds the configured model and has it loaded.

    Args:
        settings: the settings.
        finder: finds weights, downloading them.
        board: shows what is being done, and who answers meanwhile.
        load: loads weights in place of the model that answers, which it lets end what it has begun.
        release: frees the model that answers.
        is_loaded: tells whether there is one.

    Attributes:
        home: the configured model, once it is known.
    """

    def __init__(
        self,
        settings: Settings,
        finder: Finder,
        board: StatusBoard,
        *,
        load: Callable[[Weights, Settings], None],
        release: Callable[[], None],
        is_loaded: Callable[[], bool],
    ) -> None:
        self._wanted = finder.configured(settings)
        self._settings = settings
        self._finder = finder
        self._board = board
        self._load = load
        self._release = release
        self._is_loaded = is_loaded
        self.home: Weights | None = None

    def prepare(self) -> None:
        """Load the embedded model, where the configured one is not here yet and the settings want that.

        Raises:
            ModelError, ModelLoadError: it cannot be loaded.
        """
        if self._settings.meanwhile == EMBEDDED_ID and not self._finder.is_here(self._wanted):
            self._answer_meanwhile()

    def bring_up(self) -> None:
        """Get the configured model and load it; does nothing when a model was loaded that is here to stay.

        Raises:
            ModelError, ModelLoadError: that cannot be done; what answered meanwhile goes on.
            StoppedError: the server is stopping.
        """
        if self._is_loaded() and not self._board.meanwhile:
            return
        weights = self._finder.find(self._wanted)
        self.home = weights
        self._place(weights)
        self._finder.tidy(weights)

    def _place(self, weights: Weights) -> None:
        """Load the configured weights, in place of what answers meanwhile."""
        if not self._board.meanwhile:
            self._load(weights, self._settings)
            return
        try:
            self._load(weights, self._settings)
        except (ModelError, ModelLoadError):
            _LOGGER.info(
                "There is no room for two models: %s ends before %s is loaded", self._board.meanwhile, weights.id
            )
            self._release()
            try:
                self._load(weights, self._settings)
            except (ModelError, ModelLoadError):
                self._answer_meanwhile()
                raise
        self._board.meanwhile = ""

    def _answer_meanwhile(self) -> None:
        weights = self._finder.embedded()
        # What is set is meant for the model to come.
        self._load(weights, replace(self._settings, context_size=0, gpu_layers=0, rpc_servers=""))
        self._board.meanwhile = weights.id
