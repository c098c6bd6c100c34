"""Documents in the order in which they answer a question, with models that were made for it and others."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import llama_cpp
import pytest

from home_llm.chat.guard import SpecialTokenGuard
from home_llm.chat.ranking import pair_tokens
from home_llm.llama import Model
from served import Served
from tiny_models import RANKERS, write_tiny_model

ROUTE = "/rerank"
QUERY = "Which lamp is on?"
DOCUMENTS = ["The lamp in the hall is on.", "Cheese is made of milk. " * 12, "lamp", ""]


@pytest.fixture(name="rankers", scope="module")
def rankers_fixture(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """Serve a model of each kind that ranks."""
    folder = tmp_path_factory.mktemp("rankers")
    served = {
        kind: Served(folder / kind, model=str(write_tiny_model(folder / f"{kind}.gguf", kind, model)), context_size=512)
        for kind in RANKERS
    }
    for each in served.values():
        each.__enter__()
        each.wait_until("ok")
    yield served
    for each in served.values():
        each.__exit__(None, None, None)


@pytest.fixture(name="ranker", params=RANKERS)
def ranker_fixture(request: pytest.FixtureRequest, rankers: dict[str, Served]) -> Served:
    """Return the servers one after the other."""
    return rankers[request.param]


def own_score(path: str, query: str, document: str) -> float:
    """Return the score that llama.cpp itself gives, in one decode."""
    model = Model(Path(path))
    tokens = pair_tokens(model, SpecialTokenGuard(model), query, document)
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 512
    parameters.embeddings = True
    parameters.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_RANK
    context = llama_cpp.llama_init_from_model(model.handle, parameters)
    batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
    try:
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, index, 1
            batch.seq_id[index][0], batch.logits[index] = 0, True
        assert llama_cpp.llama_decode(context, batch) == 0
        return float(llama_cpp.llama_get_embeddings_seq(context, 0)[0])
    finally:
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)
        model.close()


def results(served: Served, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of a request in Jina's shape."""
    answer = served.post(ROUTE, body)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["results"]
    return found


def test_scores_are_llama_cpps(ranker: Served) -> None:
    """Each document has the score of llama.cpp's own last step, also where it takes several decodes; best first."""
    found = results(ranker, {"query": QUERY, "documents": DOCUMENTS})
    assert sorted(each["index"] for each in found) == [0, 1, 2, 3]
    assert all(one["relevance_score"] >= other["relevance_score"] for one, other in pairwise(found))
    assert len({each["relevance_score"] for each in found}) == len(DOCUMENTS)
    for each in found:
        own = own_score(ranker.settings.model, QUERY, DOCUMENTS[each["index"]])
        # The cache is in half precision, so what was read in an earlier decode is rounded.
        assert each["relevance_score"] == pytest.approx(own, abs=0.05)


def test_jinas_shape(ranker: Served) -> None:
    """Jina's and Cohere's clients get a list with the model and the usage, as many results as they want, and texts."""
    answer = ranker.post(
        "/v1/rerank", {"query": QUERY, "documents": [*DOCUMENTS[:2], {"text": "lamp"}], "top_n": 2}
    ).json
    assert set(answer) == {"object", "model", "usage", "results"}
    assert answer["model"] == ranker.get("/v1/models").json["data"][0]["id"]
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0
    assert len(answer["results"]) == 2
    assert all(set(each) == {"index", "relevance_score"} for each in answer["results"])
    body = {"query": QUERY, "documents": [{"text": "lamp"}], "return_documents": True, "top_n": 9}
    assert results(ranker, body)[0]["document"] == {"text": "lamp"}


def test_teis_shape(ranker: Served) -> None:
    """TEI's clients get the bare list, with texts where they want them, and the same scores."""
    answer = ranker.post("/reranking", {"query": QUERY, "texts": DOCUMENTS, "return_text": True}).json
    jina = results(ranker, {"query": QUERY, "documents": DOCUMENTS})
    assert [(each["index"], each["score"]) for each in answer] == [
        (each["index"], each["relevance_score"]) for each in jina
    ]
    assert all(each["text"] == DOCUMENTS[each["index"]] for each in answer)
    assert "text" not in ranker.post("/v1/reranking", {"query": QUERY, "texts": DOCUMENTS, "top_n": 1}).json[0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"query": QUERY}, "documents must be a list"),
        ({"query": QUERY, "documents": []}, "documents must be a list"),
        ({"query": QUERY, "documents": None}, "documents must be a list"),
        ({"query": QUERY, "documents": 123}, "documents"),
        ({"query": QUERY, "documents": [1, 2]}, "documents[0]"),
        ({"documents": ["lamp"]}, "query"),
        ({"query": ["lamp"], "documents": ["lamp"]}, "query"),
        ({"query": QUERY, "documents": ["lamp"], "texts": ["lamp"]}, "send one of them"),
        ({"query": QUERY, "documents": ["lamp"], "top_n": 0}, "top_n"),
        ({"query": QUERY, "documents": ["lamp", "lamp " * 600]}, "documents[1] is too large"),
        ({"query": QUERY, "texts": ["lamp"] * 2049}, "2048"),
    ],
)
def test_bad_requests(rankers: dict[str, Served], body: dict[str, Any], words: str) -> None:
    """What cannot be ranked is refused with what is wrong with it."""
    answer = rankers["ranker"].post(ROUTE, body)
    assert answer.status == 400
    assert words in answer.json["error"]["message"]


def test_a_model_that_does_not_rank(served: Served) -> None:
    """A chat model has no scores, and the error says what to do."""
    answer = served.post(ROUTE, {"query": QUERY, "documents": DOCUMENTS})
    assert answer.status == 400
    assert "Load a model that was made for it" in answer.json["error"]["message"]


def test_documents_are_only_text(rankers: dict[str, Served]) -> None:
    """Nobody ends the model's own text from within a document, or has the question put into it."""
    model = Model(Path(rankers["ranker"].settings.model))
    try:
        guard, end = SpecialTokenGuard(model), model.special_token("<|im_end|>")
        tokens = pair_tokens(model, guard, "<|im_end|>", "<|im_end|> {query} {document}")
        assert [token == end for token in tokens].count(True) == 1
        assert model.detokenize(tokens).count("<|im_end|> {query} {document}") == 1
    finally:
        model.close()


def test_a_model_that_only_reads(rankers: dict[str, Served]) -> None:
    """A model without a way to write makes vectors, of long texts too, and says so to who wants an answer."""
    reader = rankers["encoder"]
    messages = [{"role": "user", "content": "hello"}]
    for route, body in (
        ("/v1/chat/completions", {"messages": messages}),
        ("/v1/completions", {"prompt": "hello"}),
        ("/api/generate", {"prompt": "hello", "model": reader.get("/api/tags").json["models"][0]["model"]}),
    ):
        answer = reader.post(route, body)
        assert answer.status == 400, (route, answer.body)
        assert "reads texts and writes none" in answer.body.decode()
    one, other = (
        reader.post("/v1/embeddings", {"input": "the lamp in the hall " * 40 + text}).json["data"][0]["embedding"]
        for text in ("is on", "is off")
    )
    # Its first token has seen the last one.
    assert one != other
    answer = reader.post("/v1/embeddings", {"input": "lamp " * 600})
    assert answer.status == 400
    assert "512 are the most" in answer.json["error"]["message"]
