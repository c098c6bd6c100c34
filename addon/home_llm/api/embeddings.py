"""OpenAI's embeddings, `POST /v1/embeddings`, and llama-server's, `POST /embedding`."""

import base64
import functools
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import flask
import numpy as np
import numpy.typing as npt
from pydantic import AliasChoices, Field

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read
from home_llm.api.errors import ApiError
from home_llm.api.llama_server_prompts import Prompts, joined, prompts_of
from home_llm.api.openai import model_name
from home_llm.api.openapi import documented
from home_llm.api.replies import ClientGoneError, disconnected
from home_llm.api.schemas import llama_server as native_schemas
from home_llm.api.schemas import openai as schemas
from home_llm.llama import Model
from home_llm.runtime import Embeddings, Runtime

_MOST_INPUTS = 2048

# llama-server's largest number where vectors are scaled by their largest component.
_MOST_16_BIT = 32760

Vector = npt.NDArray[np.float32]


class EmbeddingsBody(Lenient):
    """Body of `POST /v1/embeddings`."""

    input: Prompts
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


class NativeEmbeddingsBody(Lenient):
    """Body of `POST /embedding`."""

    content: Prompts = Field(validation_alias=AliasChoices("content", "input"))
    embd_normalize: Annotated[int, Field(ge=-1, le=100)] = 2


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("embeddings", __name__)

    @routes.post("/v1/embeddings")
    @documented(
        "Make vectors of texts",
        tag="OpenAI",
        body=EmbeddingsBody,
        example={"input": "the hall light"},
        answer=schemas.EMBEDDINGS,
    )
    def embeddings() -> flask.typing.ResponseReturnValue:
        body = read(EmbeddingsBody)
        with admission.enter():
            room = one_vector_each(runtime.embeddings())
            if body.dimensions not in {None, room.dimensions}:
                raise ApiError(
                    400,
                    f"dimensions: the vectors of this model have {room.dimensions} and cannot be cut.",
                    param="dimensions",
                )
            inputs = _tokens(room, body.input, "input")
            vectors = [normalised(vector) for vector in vectors_of(room, inputs)]
        count = sum(len(tokens) for tokens in inputs)
        data = [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, body.encoding_format)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": count, "total_tokens": count}
        return {"object": "list", "data": data, "model": model_name(runtime), "usage": usage}

    @routes.post("/embedding")
    @routes.post("/embeddings")
    @documented(
        "Make vectors of texts",
        tag="llama-server",
        body=NativeEmbeddingsBody,
        example={"content": "the hall light"},
        answer=native_schemas.EMBEDDINGS,
    )
    def native() -> flask.typing.ResponseReturnValue:
        body = read(NativeEmbeddingsBody)
        with admission.enter():
            room = runtime.embeddings()
            vectors = vectors_of(room, _tokens(room, body.content, "content"))
        return flask.jsonify(
            [
                # A list of vectors: where nothing is pooled there is one for each token, which is left as it is.
                {
                    "index": index,
                    "embedding": vector.tolist()
                    if vector.ndim > 1
                    else [normalised(vector, body.embd_normalize).tolist()],
                }
                for index, vector in enumerate(vectors)
            ]
        )

    return routes


def one_vector_each(room: Embeddings) -> Embeddings:
    """Return the room where it makes one vector of a text.

    Raises:
        ApiError: it makes one of each token.
    """
    if room.pooling == "none":
        raise ApiError(
            400, "With the setting pooling none there is a vector for each token: POST /embedding tells them."
        )
    return room


def normalised(vector: Vector, norm: int = 2) -> Vector:
    """Return a vector scaled as llama-server's `embd_normalize` says.

    Args:
        vector: any.
        norm: 2 makes its length 1, another positive number its length by that norm; 0 makes its largest component
            32760, -1 leaves it as it is.
    """
    if norm < 0:
        return vector
    wide = vector.astype(np.float64)
    length = np.linalg.norm(wide, ord=norm) if norm else np.abs(wide).max() / _MOST_16_BIT
    return (wide / length).astype(np.float32) if length > 0 else vector


def _tokens(room: Embeddings, given: Prompts, param: str) -> list[list[int]]:
    """Return the tokens of each input.

    Raises:
        ApiError: there are none or too many, or one is empty, too long, or of tokens that the model does not have.
    """
    parts = prompts_of(given, param)
    if given == [] or len(parts) > _MOST_INPUTS:
        raise ApiError(400, f"{param} must hold 1 to {_MOST_INPUTS} texts.", param=param)
    result: list[list[int]] = []
    tokenize = functools.partial(text_tokens, room.model)
    for index, part in enumerate(parts):
        where = param if len(parts) == 1 else f"{param}[{index}]"
        tokens = joined([part] if isinstance(part, str) else part, tokenize)
        if not tokens:
            raise ApiError(400, f"{where} must not be empty.", param=where)
        if wrong := room.model.invalid_tokens(tokens):
            raise ApiError(400, f"{where} holds tokens that the model does not have: {wrong[:5]}.", param=where)
        if len(tokens) > room.longest:
            raise ApiError(
                400,
                f"{where} is too large: it has {len(tokens)} tokens, and {room.longest} are the most. "
                "Cut it into smaller texts.",
                param=where,
            )
        result.append(tokens)
    return result


def text_tokens(model: Model, text: str, part: int = 0) -> list[int]:
    """Return the tokens of a text to make a vector of, or of a part of it with that number."""
    # What is written in a text are words, also where they read like special tokens.
    return model.tokenize(text, add_special=part == 0, parse_special=False)


def vectors_of(room: Embeddings, inputs: Sequence[Sequence[int]]) -> list[Vector]:
    """Return the vector of each input.

    Raises:
        ClientGoneError: nobody waits for them any more.
    """
    gone = disconnected()
    vectors: list[Vector] = []
    for tokens in inputs:
        vector = room.embed(tokens, stop=gone)
        if vector is None:
            raise ClientGoneError
        vectors.append(vector)
    return vectors


def _encoded(vector: Vector, encoding: str) -> Any:
    return vector.tolist() if encoding == "float" else base64.b64encode(vector.astype("<f4").tobytes()).decode()
