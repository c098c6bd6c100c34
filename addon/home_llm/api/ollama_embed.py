"""Ollama's embeddings."""

import time
from collections.abc import Sequence

import flask

from home_llm.api.admission import Admission
from home_llm.api.body import read
from home_llm.api.embeddings import normalised, one_vector_each, text_tokens, vectors_of
from home_llm.api.errors import ApiError
from home_llm.api.ollama_answers import TAG
from home_llm.api.ollama_models import Models
from home_llm.api.ollama_request import EmbedBody, EmbeddingsBody
from home_llm.api.openapi import documented
from home_llm.api.schemas import ollama as schemas
from home_llm.models import EMBEDDED_ID
from home_llm.runtime import Embeddings, Runtime

_MOST_INPUTS = 2048
_INPUT = {"model": EMBEDDED_ID, "input": "the hall light"}
_PROMPT = {"model": EMBEDDED_ID, "prompt": "the hall light"}


def add_routes(routes: flask.Blueprint, runtime: Runtime, admission: Admission, models: Models) -> None:
    """Add `/api/embed` and the older `/api/embeddings`."""

    @routes.post("/embed")
    @documented(
        "Make vectors of texts, each of the length 1", tag=TAG, body=EmbedBody, example=_INPUT, answer=schemas.EMBED
    )
    def embed() -> flask.typing.ResponseReturnValue:
        started = time.perf_counter_ns()
        body = read(EmbedBody)
        texts = [body.input] if isinstance(body.input, str) else body.input
        with admission.enter():
            models.load(body.wanted)
            loaded = time.perf_counter_ns()
            room = one_vector_each(runtime.embeddings())
            tokens = _tokens(room, texts, cut=body.truncate is not False)
            vectors = [normalised(vector[: body.dimensions]).tolist() for vector in vectors_of(room, tokens)]
        return {
            "model": body.wanted,
            "embeddings": vectors,
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": loaded - started,
            "prompt_eval_count": sum(len(part) for part in tokens),
        }

    @routes.post("/embeddings")
    @documented("Make a vector of a text", tag=TAG, body=EmbeddingsBody, example=_PROMPT, answer=schemas.EMBEDDINGS)
    def embeddings() -> flask.typing.ResponseReturnValue:
        body = read(EmbeddingsBody)
        with admission.enter():
            models.load(body.wanted)
            room = one_vector_each(runtime.embeddings())
            # Without a text the route only loads the model.
            tokens = _tokens(room, [body.prompt] if body.prompt else [], cut=True)
            vectors = vectors_of(room, tokens)
        return {"embedding": vectors[0].tolist() if vectors else []}


def _tokens(room: Embeddings, texts: Sequence[str], *, cut: bool) -> list[list[int]]:
    """Return the tokens of each text.

    Raises:
        ApiError: there are too many texts, or one is empty, or too long and not to be cut.
    """
    if len(texts) > _MOST_INPUTS:
        raise ApiError(400, f"input can hold {_MOST_INPUTS} texts at most.", param="input")
    result: list[list[int]] = []
    for index, text in enumerate(texts):
        tokens = text_tokens(room.model, text)
        if not tokens:
            raise ApiError(400, f"input[{index}] must not be empty.", param=f"input[{index}]")
        if len(tokens) > room.longest and not cut:
            raise ApiError(400, "the input length exceeds the context length", param=f"input[{index}]")
        result.append(tokens[: room.longest])
    return result
