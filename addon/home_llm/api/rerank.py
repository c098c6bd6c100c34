"""Documents in the order in which they answer a question: Jina's and Cohere's way to ask for it, and that of TEI.

Source: tools/server/README.md of llama.cpp, `POST /reranking`; TEI is Hugging Face's text-embeddings-inference, which
has `texts` in place of `documents`, and whose answer is the list alone.
"""

from typing import Annotated, Any, Self

import flask
import pydantic

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read
from home_llm.api.errors import ApiError
from home_llm.api.openai import model_name
from home_llm.api.openapi import documented
from home_llm.api.replies import ClientGoneError, disconnected
from home_llm.api.schemas import llama_server as schemas
from home_llm.runtime import Embeddings, Runtime

_MOST_DOCUMENTS = 2048
_EXAMPLE = {"query": "Which lamp is on?", "documents": ["The lamp in the hall is on.", "Cheese is made of milk."]}

Count = Annotated[int, pydantic.Field(ge=1)]


class Document(Lenient):
    """A document in an object, as Cohere's clients send it."""

    text: str


class RerankBody(Lenient):
    """Body of `POST /rerank`."""

    query: str
    documents: list[str | Document] | None = None
    texts: list[str] | None = None
    top_n: Count | None = None
    model: str | None = None
    return_documents: bool = False
    return_text: bool = False

    @pydantic.model_validator(mode="after")
    def _one_list(self) -> Self:
        if not self.documents and not self.texts:
            raise ValueError("documents must be a list of at least one text")
        if self.documents and self.texts:
            raise ValueError("documents and texts are the same thing; send one of them")
        return self

    @property
    def plain(self) -> list[str]:
        """The documents as texts."""
        given = self.texts or self.documents or []
        return [each if isinstance(each, str) else each.text for each in given]


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("rerank", __name__)

    @routes.post("/rerank")
    @routes.post("/reranking")
    @routes.post("/v1/rerank")
    @routes.post("/v1/reranking")
    @documented(
        "Tell how well documents answer a question",
        tag="llama-server",
        body=RerankBody,
        example=_EXAMPLE,
        answer=schemas.RANKS,
    )
    def rerank() -> flask.typing.ResponseReturnValue:
        body = read(RerankBody)
        with admission.enter():
            room = runtime.embeddings()
            if not room.ranks:
                raise ApiError(
                    400,
                    f"{model_name(runtime)} does not rank documents. Load a model that was made for it, such as "
                    "Qwen3-Reranker.",
                    param="model",
                )
            pairs = _pairs(room, body)
            scores = _scores(room, pairs)
        best = sorted(range(len(scores)), key=lambda index: -scores[index])[: body.top_n]
        if body.texts:
            return flask.jsonify(
                [
                    {
                        "index": index,
                        "score": scores[index],
                        **({"text": body.plain[index]} if body.return_text else {}),
                    }
                    for index in best
                ]
            )
        count = sum(len(tokens) for tokens in pairs)
        return {
            "object": "list",
            "model": model_name(runtime),
            "usage": {"prompt_tokens": count, "total_tokens": count},
            "results": [_result(index, scores[index], body) for index in best],
        }

    return routes


def _result(index: int, score: float, body: RerankBody) -> dict[str, Any]:
    """Return an entry of Jina's answer."""
    document = {"document": {"text": body.plain[index]}} if body.return_documents else {}
    return {"index": index, "relevance_score": score, **document}


def _pairs(room: Embeddings, body: RerankBody) -> list[list[int]]:
    """Return the tokens of the question with each document.

    Raises:
        ApiError: there are too many documents, or one is too long.
    """
    name = "texts" if body.texts else "documents"
    if len(body.plain) > _MOST_DOCUMENTS:
        raise ApiError(400, f"{name} can hold {_MOST_DOCUMENTS} texts at most.", param=name)
    pairs: list[list[int]] = []
    for index, document in enumerate(body.plain):
        tokens = room.pair(body.query, document)
        if len(tokens) > room.longest:
            raise ApiError(
                400,
                f"{name}[{index}] is too large: with the query it has {len(tokens)} tokens, and {room.longest} are the "
                "most. Cut it into smaller texts.",
                param=f"{name}[{index}]",
            )
        if not tokens:
            raise ApiError(400, f"{name}[{index}] and the query must not both be empty.", param=f"{name}[{index}]")
        pairs.append(tokens)
    return pairs


def _scores(room: Embeddings, pairs: list[list[int]]) -> list[float]:
    """Return the score of each pair.

    Raises:
        ClientGoneError: nobody waits for them any more.
    """
    gone = disconnected()
    scores: list[float] = []
    for tokens in pairs:
        score = room.rank(tokens, stop=gone)
        if score is None:
            raise ClientGoneError
        scores.append(score)
    return scores
