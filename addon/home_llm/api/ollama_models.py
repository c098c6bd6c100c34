"""Models by Ollama's names, and as it tells of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from home_llm.api.auth import is_admin
from home_llm.api.errors import ApiError
from home_llm.api.notes import ignored
from home_llm.api.ollama_answers import rfc3339
from home_llm.api.ollama_request import Options
from home_llm.chat import Chat
from home_llm.chat.reasoning import thoughts_of
from home_llm.llama import ModelLoadError
from home_llm.models import ModelError
from home_llm.runtime import LocalModel, Runtime, State, UnknownModelError, same_name

# What clients take for "stays": Ollama writes a year that is about as far away.
_FOREVER = "2318-01-01T00:00:00Z"

_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


class Models:
    """The models by Ollama's names; they are loaded when they are asked for."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def find(self, name: str) -> LocalModel:
        """Return a model of this machine.

        Raises:
            ApiError: there is none of this name.
        """
        try:
            return self._runtime.library.find(name)
        except UnknownModelError as error:
            raise ApiError(404, f"model '{name}' not found", param="model") from error

    def load(self, name: str, options: Options | None = None) -> Chat:
        """Return the model of this name, in the memory. The one that is there leaves it when its answers have ended.

        Raises:
            ApiError: there is none, only the admin key may load it, or it cannot be loaded.
            NotReadyError: it is not there yet.
        """
        runtime = self._runtime
        status = runtime.status
        if same_name(status.model or "") == same_name(name) and not self._can_load(name):
            # It is on its way, or could not be had: the error says so.
            return runtime.chat()
        model = self.find(name)
        if not runtime.answers_with(model):
            self._switch(model, status.model)
        chat = runtime.chat()
        wanted = 0 if options is None else options.num_ctx or 0
        if wanted > chat.engine.n_ctx:
            ignored("options.num_ctx", str(wanted), f"the context has {chat.engine.n_ctx} tokens.")
        return chat

    def unload(self, name: str) -> None:
        """Free a model until the next request, if it is in the memory and no request runs.

        Raises:
            ApiError: there is none of this name.
        """
        if self._runtime.answers_with(self.find(name)):
            self._runtime.rest()

    def _can_load(self, name: str) -> bool:
        """Return whether a model is on this machine, and nothing else is being loaded."""
        if self._runtime.status.state in (State.LOADING, State.DOWNLOADING):
            return False
        try:
            self._runtime.library.find(name)
        except UnknownModelError:
            return False
        return True

    def _switch(self, model: LocalModel, running_name: str | None) -> None:
        if not is_admin():
            raise ApiError(
                403,
                f"model '{model.tagged}' is not loaded, and loading it needs the admin key. Ask for "
                f"{running_name!r}, or send the admin key.",
                param="model",
            )
        try:
            self._runtime.load(model.name if model.tag == "latest" else model.tagged, patient=True)
        except (ModelError, ModelLoadError) as error:
            raise ApiError(500, f"model '{model.tagged}' cannot be loaded: {error}") from error


def listed(model: LocalModel) -> dict[str, Any]:
    """Return an entry of `/api/tags`."""
    return {
        "name": model.tagged,
        "model": model.tagged,
        "modified_at": rfc3339(model.modified),
        "size": model.size,
        "digest": model.digest,
        "details": _details(model),
    }


def running(model: LocalModel, runtime: Runtime) -> dict[str, Any]:
    """Return an entry of `/api/ps`."""
    seconds = runtime.rests_in()
    expires = _FOREVER if seconds is None else rfc3339(datetime.now(UTC) + timedelta(seconds=seconds))
    return {
        "name": model.tagged,
        "model": model.tagged,
        "size": model.size,
        "digest": model.digest,
        "details": _details(model),
        "expires_at": expires,
        # Weights are kept in the machine's memory.
        "size_vram": 0,
        "context_length": runtime.model_facts().get("n_ctx", 0),
    }


def shown(model: LocalModel) -> dict[str, Any]:
    """Return the answer of `/api/show`. Long arrays of the header, such as the vocabulary, are null."""
    facts = model.facts
    template = facts.metadata.get("tokenizer.chat_template", "")
    capabilities = ["completion", "tools"]
    if thoughts_of(str(template)) is not None:
        capabilities.append("thinking")
    info = {
        key: list(value) if type(value) is tuple else value if isinstance(value, str | int | float) else None
        for key, value in facts.metadata.items()
        if key not in {"general.name", "tokenizer.chat_template"}
    }
    return {
        "license": str(facts.metadata.get("general.license", "")),
        "modelfile": f"FROM {model.tagged}\n",
        "parameters": "",
        "template": template,
        "details": _details(model),
        "model_info": {**info, "general.parameter_count": facts.parameters},
        "capabilities": capabilities,
        "modified_at": rfc3339(model.modified),
    }


def _details(model: LocalModel) -> dict[str, Any]:
    facts = model.facts
    return {
        "parent_model": "",
        "format": "gguf",
        "family": facts.architecture,
        "families": [facts.architecture],
        "parameter_size": _short(facts.parameters),
        "quantization_level": facts.quant,
    }


def _short(number: int) -> str:
    """Return a number as people say it, such as 134.52M and 3.2B."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.2f}{unit}" if unit == "M" else f"{number / size:.1f}{unit}"
    return str(number)
