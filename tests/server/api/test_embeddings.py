"""Vectors of texts: OpenAI's route and llama-server's, against llama.cpp's own pooling."""

import base64
import ctypes
import threading
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt
import openai
import pytest
from openai import OpenAI

from home_llm.engine import EngineClosedError
from home_llm.llama import Embedder, Model
from home_llm.runtime import Embeddings
from served import Served

ROUTE = "/v1/embeddings"
Vector = npt.NDArray[np.float32]


def vectors(served: Served, given: Any) -> list[Vector]:
    """Return the vectors of an input."""
    answer = served.post(ROUTE, {"input": given})
    assert answer.status == 200, answer.body
    data = answer.json["data"]
    assert [entry["index"] for entry in data] == list(range(len(data)))
    return [np.array(entry["embedding"], np.float32) for entry in data]


def pooled(model: Model, tokens: list[int]) -> Vector:
    """Return the mean that llama.cpp itself takes, in one decode."""
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 1024
    parameters.embeddings = True
    parameters.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_MEAN
    context = llama_cpp.llama_init_from_model(model.handle, parameters)
    batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
    try:
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, index, 1
            batch.seq_id[index][0], batch.logits[index] = 0, True
        assert llama_cpp.llama_decode(context, batch) == 0
        size = llama_cpp.llama_model_n_embd_out(model.handle)
        pointer = llama_cpp.llama_get_embeddings_seq(context, 0)
        return np.array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float * size)).contents, np.float32)
    finally:
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)


@pytest.mark.parametrize("length", [1, 7, 64, 65, 700])
def test_the_mean_is_llama_cpps(exact: Model, length: int) -> None:
    """The vector of a text is what llama.cpp's mean pooling gives, also of one that takes several decodes."""
    tokens = (exact.tokenize("The lamp in the hall is on, and nobody is at home. ") * 60)[:length]
    embedder = Embedder(exact, n_ctx=1024, threads=2)
    try:
        first, again = embedder.embed(tokens), embedder.embed(tokens)
    finally:
        embedder.close()
    assert first is not None
    assert again is not None
    expected = pooled(exact, tokens)
    assert np.array_equal(first, again)
    # The cache is in half precision, so what was read in an earlier decode is rounded.
    assert np.allclose(first, expected, rtol=0.02, atol=0.02 * float(np.abs(expected).max()))


def test_any_memory(any_kind: Model) -> None:
    """Models with any kind of memory give vectors, each text for itself."""
    embedder = Embedder(any_kind, n_ctx=512, threads=1)
    try:
        tokens = any_kind.tokenize("The lamp in the hall is on.")
        first, _, again = embedder.embed(tokens), embedder.embed(tokens[3:] * 20), embedder.embed(tokens)
    finally:
        embedder.close()
    assert first is not None
    assert again is not None
    assert np.isfinite(first).all()
    assert np.array_equal(first, again)


def test_vectors(served: Served) -> None:
    """A vector has the length 1, and texts about the same thing are nearer to each other."""
    lamp, light, cheese = vectors(
        served, ["Turn on the lamp in the hall.", "Switch on the hall light.", "Cheese is made of milk."]
    )
    assert lamp.shape == (576,)
    assert all(abs(float(np.linalg.norm(each)) - 1) < 1e-5 for each in (lamp, light, cheese))
    assert lamp @ light > lamp @ cheese


def test_inputs(served: Served) -> None:
    """A text, a list, tokens and lists of tokens give the same vectors, and the usage counts their tokens."""
    text = "the hall light"
    tokens = served.post("/tokenize", {"content": text, "add_special": True}).json["tokens"]
    (alone,) = vectors(served, text)
    for given in ([text], tokens, [tokens]):
        (same,) = vectors(served, given)
        assert np.allclose(alone, same, atol=1e-4)
    answer = served.post(ROUTE, {"input": [text, text]}).json
    assert answer["usage"] == {"prompt_tokens": 2 * len(tokens), "total_tokens": 2 * len(tokens)}
    assert answer["object"] == "list"
    assert answer["model"] == served.get("/v1/models").json["data"][0]["id"]
    assert np.allclose(vectors(served, [text, "cheese"])[0], alone, atol=1e-4)


def test_mixed_inputs(served: Served) -> None:
    """Texts and tokens of one input may be mixed, and a text may stand in an object, as llama-server has it."""
    text = "the hall light"
    tokens = served.post("/tokenize", {"content": text}).json["tokens"]
    (alone,) = vectors(served, text)
    rest = served.post("/detokenize", {"tokens": tokens[1:]}).json["content"]
    parts = [{"type": "text", "text": "the "}, {"type": "text", "text": "hall light"}]
    given = [{"prompt_string": text}, {"content": parts}, [tokens[0], rest], tokens, text]
    for vector in vectors(served, given):
        assert np.allclose(alone, vector, atol=1e-4)
    (mixed,) = vectors(served, [tokens[0], rest])
    assert np.allclose(alone, mixed, atol=1e-4)


def test_base64(served: Served) -> None:
    """In base64 a vector is its components as little-endian 32-bit floats."""
    text = served.post(ROUTE, {"input": "hello", "encoding_format": "base64"}).json["data"][0]["embedding"]
    (expected,) = vectors(served, "hello")
    assert np.allclose(np.frombuffer(base64.b64decode(text), "<f4"), expected, atol=1e-4)


def test_sdk(served: Served) -> None:
    """OpenAI's own client, which asks for base64, reads floats."""
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
    answer = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [len(entry.embedding) for entry in answer.data] == [576, 576]
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="x", input="a", dimensions=256)
    assert len(client.embeddings.create(model="x", input="a", dimensions=576).data) == 1


def test_llama_servers_route(served: Served) -> None:
    """llama-server's route gives a list of vectors each, scaled as asked."""
    (expected,) = vectors(served, "hello")
    for path in ("/embedding", "/embeddings"):
        (entry,) = served.post(path, {"content": "hello"}).json
        assert entry["index"] == 0
        assert np.allclose(entry["embedding"][0], expected, atol=1e-4)
    raw = np.array(served.post("/embedding", {"input": "hello", "embd_normalize": -1}).json[0]["embedding"][0])
    assert np.allclose(raw / np.linalg.norm(raw), expected, atol=1e-4)
    largest = served.post("/embedding", {"content": "hello", "embd_normalize": 0}).json[0]["embedding"][0]
    assert max(abs(part) for part in largest) == pytest.approx(32760)
    one = served.post("/embedding", {"content": "hello", "embd_normalize": 1}).json[0]["embedding"][0]
    assert sum(abs(part) for part in one) == pytest.approx(1, abs=1e-4)
    assert len(served.post("/embedding", {"content": ["a", "b"]}).json) == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [1, ["a"]]}, "input[1]"),
        ({"input": {"content": "a"}}, "input"),
        ({"input": {"content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}}, "input"),
        ({"input": {"prompt_string": "a", "multimodal_data": ["AAAA"]}}, "input"),
        ({"input": {}}, "input"),
        ({"input": [-1]}, "input"),
        ({"input": [10**7]}, "input"),
        ({"input": ["a", "lamp " * 3000]}, "input[1]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "dimensions": 10}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({}, "input"),
    ],
)
def test_wrong_requests(served: Served, fields: dict[str, Any], param: str) -> None:
    """What has no vector is a 400 that names the field, by its number where there are several texts."""
    answer = served.post(ROUTE, fields)
    assert answer.status == 400, answer.body
    assert answer.json["error"]["param"].startswith(param)


def test_beside_a_conversation(served: Served) -> None:
    """Vectors are made while an answer is streamed, and neither waits for the other."""
    connection = served.connect()
    body = b'{"prompt": "Once", "max_tokens": 400, "stream": true, "temperature": 0, "ban_eos_token": true}'
    connection.request("POST", "/v1/completions", body)
    response = connection.getresponse()
    assert response.readline()
    assert len(vectors(served, ["hello", "there"])) == 2
    assert response.read().endswith(b"data: [DONE]\n\n")
    connection.close()


def test_sleep_and_adapters(data_dir: Path) -> None:
    """A model that fell asleep wakes for a vector, which is as before, and its room goes with it."""
    with Served(data_dir, idle_unload=0.02) as served:
        served.wait_until("ok")
        (before,) = vectors(served, "hello")
        served.wait_until("unloaded", seconds=10)
        (after,) = vectors(served, "hello")
        assert np.allclose(before, after, atol=1e-4)
        assert served.post("/lora-adapters", []).json == {"success": True}
        assert served.post("/v1/internal/model/unload").status == 200
        answer = served.post(ROUTE, {"input": "hello"})
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0


def test_closing_ends_the_text_under_way(model: Model) -> None:
    """A long text does not hold up the unloading of its model, and is told why it has no vector."""
    room = Embeddings(model, n_ctx=8192, threads=1)
    tokens = (model.tokenize("The lamp in the hall is on. ") * 300)[:2048]
    assert room.embed(tokens[:5], stop=lambda: False) is not None
    begun = threading.Event()
    outcome: list[Any] = []

    def stop() -> bool:
        begun.set()
        return False

    def work() -> None:
        try:
            outcome.append(room.embed(tokens, stop=stop))
        except EngineClosedError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(10)
    busy = room.idle_since
    room.close()
    thread.join(10)
    assert isinstance(outcome[0], EngineClosedError)
    assert busy is None
    assert isinstance(room.idle_since, float)
    with pytest.raises(EngineClosedError):
        room.embed(tokens[:5], stop=lambda: False)


def test_a_client_that_goes_away(model: Model) -> None:
    """Nothing more is read for somebody who has gone."""
    room = Embeddings(model, n_ctx=2048, threads=1)
    try:
        assert room.embed(model.tokenize("hello"), stop=lambda: True) is None
    finally:
        room.close()


@pytest.mark.parametrize(("pooling", "row"), [("cls", 0), ("last", -1)])
def test_one_token_for_all(tiny_paths: dict[str, Path], tmp_path: Path, pooling: str, row: int) -> None:
    """Where the setting says so, the vector of a text is that of its first token or of its last one."""
    with Served(tmp_path, model=str(tiny_paths["full"]), pooling=pooling) as served:
        served.wait_until("ok")
        (found,) = vectors(served, "the lamp in the hall " * 40)
    model = Model(tiny_paths["full"])
    embedder = Embedder(model, n_ctx=1024, threads=1)
    try:
        each = embedder.embed(model.tokenize("the lamp in the hall " * 40, parse_special=False), pooling="none")
    finally:
        embedder.close()
        model.close()
    assert each is not None
    assert np.allclose(found, each[row] / np.linalg.norm(each[row]), atol=1e-4)


def test_a_vector_for_each_token(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """With the setting none, llama-server's route tells the vector of each token as it is, and the others refuse."""
    with Served(tmp_path, model=str(tiny_paths["full"]), pooling="none") as served:
        served.wait_until("ok")
        tokens = served.post("/tokenize", {"content": "the hall light"}).json["tokens"]
        (entry,) = served.post("/embedding", {"content": "the hall light"}).json
        each = np.array(entry["embedding"], np.float32)
        assert each.shape == (len(tokens), 64)
        assert all(abs(float(np.linalg.norm(vector)) - 1) > 1e-3 for vector in each)
        name = served.get("/api/tags").json["models"][0]["model"]
        for route, body in ((ROUTE, {}), ("/api/embed", {"model": name})):
            answer = served.post(route, {"input": "the hall light", **body})
            assert answer.status == 400
            assert "pooling" in answer.body.decode()


def test_what_is_read_is_counted(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """The metrics count the tokens of texts that vectors are made of, as those of prompts."""

    def metric(name: str) -> float:
        lines = served.get("/metrics").body.decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    with Served(tmp_path, model=str(tiny_paths["full"])) as served:
        served.wait_until("ok")
        assert metric("llamacpp:prompt_tokens_total") == 0
        usage = served.post(ROUTE, {"input": ["the hall light " * 50, "lamp"]}).json["usage"]
        assert metric("llamacpp:prompt_tokens_total") == usage["prompt_tokens"]
        assert metric("llamacpp:n_decode_total") >= 3
        assert metric("llamacpp:tokens_predicted_total") == 0
