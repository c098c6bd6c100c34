"""What is known of the models of a server.

Free of Home Assistant.
"""

from __future__ import annotations

from .client import ModelInfo, ServerInfo


def model_in_use(server: ServerInfo) -> str | None:
    """Return the model that answers where none is named, as the server itself calls it."""
    if server.health is not None and server.health.model:
        return server.health.model
    return server.default_model


def find_model(server: ServerInfo, model_id: str | None) -> ModelInfo | None:
    """Return a model of the list, the default one where none is named."""
    name = model_id or server.default_model
    return next((model for model in server.models if model.model_id == name), None)


def loaded_context(server: ServerInfo) -> int | None:
    """Return the size of the default model's context, None where the server does not tell."""
    model = find_model(server, None)
    return model.context_size if model else None


def sees_pictures(server: ServerInfo, model_id: str | None) -> bool | None:
    """Return whether a model looks at pictures, None where the server does not tell."""
    # A Home LLM server answers with the model that it has, whatever is named, and tells if that one sees.
    model = find_model(server, None if server.is_home_llm else model_id)
    if server.is_home_llm:
        return model is not None and model.sees is True
    return model.sees if model else None
