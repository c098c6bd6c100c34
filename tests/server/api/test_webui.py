"""text-generation-webui's internal routes."""

from pathlib import Path

from served import Served


def test_tokens(served: Served) -> None:
    """Encode, decode and count agree."""
    encoded = served.post("/v1/internal/encode", {"text": "Turn on the lamp. Äpfel 🍎"}).json
    assert encoded["length"] == len(encoded["tokens"])
    count = served.post("/v1/internal/token-count", {"text": "Turn on the lamp. Äpfel 🍎"}).json
    assert count == {"length": encoded["length"]}
    decoded = served.post("/v1/internal/decode", {"tokens": encoded["tokens"]}).json
    assert decoded == {"text": "Turn on the lamp. Äpfel 🍎"}


def test_wrong_tokens(served: Served) -> None:
    """Tokens that the model does not have are a 400 in this dialect's shape, which has `detail`."""
    answer = served.post("/v1/internal/decode", {"tokens": [10**9]})
    assert answer.status == 400
    assert "tokens" in answer.json["detail"]
    assert served.post("/v1/internal/encode", {"text": 5}).status == 400


def test_model_routes(data_dir: Path) -> None:
    """Models are listed, told of, unloaded and loaded; without one, inference says so and health tells."""
    with Served(data_dir) as served:
        name = served.wait_until("ok")["model"]
        info = served.get("/v1/internal/model/info").json
        assert info == {"model_name": name, "lora_names": [], "loader": "llama.cpp"}
        assert served.get("/v1/internal/model/list").json["model_names"][0] == name
        assert served.post("/v1/internal/model/unload").json == "OK"
        assert served.get("/v1/internal/model/info").json["model_name"] == "None"
        assert served.get("/health").json["status"] == "unloaded"
        refused = served.post("/v1/internal/encode", {"text": "hi"})
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        unknown = served.post("/v1/internal/model/load", {"model_name": "nothing"})
        assert unknown.status == 404
        assert name in unknown.json["detail"]
        wrong = served.post("/v1/internal/model/load", {"model_name": "embedded", "args": {"ctx_size": 3}})
        assert wrong.status == 400
        loaded = served.post("/v1/internal/model/load", {"model_name": name, "args": {"ctx_size": 512}})
        assert loaded.json == "OK"
        assert served.get("/v1/internal/model/info").json["model_name"] == name
        assert served.get("/v1/models").json["data"][0]["meta"]["n_ctx"] == 512
        assert served.post("/v1/internal/encode", {"text": "hi"}).status == 200


def test_stop_generation(served: Served) -> None:
    """Stopping ends the running stream, which then finishes as usual."""
    connection = served.connect()
    body = b'{"messages": [{"role": "user", "content": "Count"}], "stream": true, "ban_eos_token": true}'
    connection.request("POST", "/v1/chat/completions", body)
    response = connection.getresponse()
    assert response.read(20).startswith(b"data: ")
    assert served.post("/v1/internal/stop-generation").json == "OK"
    assert response.read().endswith(b"data: [DONE]\n\n")
    connection.close()


def test_the_base_and_what_has_learned_are_two_models(data_dir: Path) -> None:
    """Each is loaded by its own name, although both are one file."""
    with Served(data_dir) as served:
        served.wait_until("ok")
        for name in ("home-135m", "SmolLM2-135M-Instruct"):
            assert served.post("/v1/internal/model/load", {"model_name": name}).status == 200
            assert served.wait_until("ok")["model"] == name
