"""Writes the model that llama.cpp's server tests get in place of those that they would download.

It is a Llama of random weights with a vocabulary like that of the one that most of these tests are written for: 512
tokens of SentencePiece, 256 of them bytes, so that prompts have about as many tokens. It says pieces of words, never
bytes and never the end, so that answers are text and as long as they may be. Which words the tests expect it does not
say: such a test fails with any server.

Where a test wants a model that ranks documents, it gets the same with what Qwen 3 has beside a Llama: a head for that.

usage: substitute.py VOCABULARY.gguf FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from gguf_writer import F32, Int32, lora_adapter, write_gguf
from home_llm.llama import Model

MODEL = "substitute.gguf"
RANKER = "ranker.gguf"
VOCABULARY = "vocabulary.json"

# By the file names under which upstream's tests would store what they download.
_ADAPTERS = ("moe_shakespeare15M.gguf",)
_DRAFTS = ("stories15M-q4_0.gguf",)

_TOKENS = 512
_FILL_IN = ("<fill_prefix>", "<fill_suffix>", "<fill_middle>")
_UNKNOWN, _BOS, _EOS, _FIRST_TEXT = 0, 1, 2, 259
_NORMAL, _UNKNOWN_TYPE, _CONTROL, _BYTE = Int32(1), Int32(2), Int32(3), Int32(6)

_WIDTH, _HEADS, _HEAD, _FORWARD, _LAYERS = 64, 4, 16, 128, 2
# Component 0 is the same for every token and is not touched by the layers: the output layer uses it to rule tokens out.
_CONSTANT, _NEVER = 8.0, -60.0
# How much the likeliest tokens stand out: a choice among some ten of them, and hardly ever two that are the same.
_SHARPNESS = 1.6

_Matrix = npt.NDArray[np.float32]


def write_model(
    path: Path, vocabulary: list[tuple[str, float]], template: str | None = None, *, ranks: bool = False
) -> None:
    """Write the model.

    Args:
        path: the file to write.
        vocabulary: the texts and scores of its tokens.
        template: its chat template; it has none otherwise.
        ranks: write the one that ranks documents.
    """
    weights = _weights(len(vocabulary) + len(_FILL_IN))
    metadata = {**_FACTS, **_tokenizer(vocabulary)}
    if ranks:
        weights |= _ranking_weights()
        metadata = {name.replace("llama.", "qwen3."): value for name, value in metadata.items()} | _RANKING
    tensors = [(name, values.shape[::-1], F32) for name, values in weights.items()]
    if template is not None:
        metadata["tokenizer.chat_template"] = template
    path.write_bytes(write_gguf(metadata, tensors, data={name: values.tobytes() for name, values in weights.items()}))


def read_vocabulary(folder: Path) -> list[tuple[str, float]]:
    """Return the vocabulary that stands in a folder."""
    return [(text, score) for text, score in json.loads((folder / VOCABULARY).read_text("utf-8"))]


_FACTS: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Substitute",
    "llama.block_count": _LAYERS,
    "llama.context_length": 8192,
    "llama.embedding_length": _WIDTH,
    "llama.feed_forward_length": _FORWARD,
    "llama.attention.head_count": _HEADS,
    "llama.attention.head_count_kv": _HEADS,
    "llama.attention.key_length": _HEAD,
    "llama.attention.value_length": _HEAD,
    "llama.rope.dimension_count": _HEAD,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
}


# llama.h, LLAMA_POOLING_TYPE_RANK.
_RANKING: dict[str, Any] = {
    "general.architecture": "qwen3",
    "qwen3.pooling_type": 4,
    "qwen3.classifier.output_labels": ["yes", "no"],
    "tokenizer.ggml.add_eos_token": True,
}


def _ranking_weights() -> dict[str, _Matrix]:
    random = np.random.default_rng(seed=43)
    norms = {
        f"blk.{layer}.attn_{name}_norm.weight": np.ones(_HEAD, np.float32) for layer in range(_LAYERS) for name in "qk"
    }
    return norms | {"cls.output.weight": random.standard_normal((2, _WIDTH)).astype(np.float32)}


def _tokenizer(vocabulary: list[tuple[str, float]]) -> dict[str, Any]:
    kinds = [_NORMAL if token >= _FIRST_TEXT else _BYTE for token in range(len(vocabulary))]
    kinds[_UNKNOWN], kinds[_BOS], kinds[_EOS] = _UNKNOWN_TYPE, _CONTROL, _CONTROL
    count = len(vocabulary)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [*(text for text, _ in vocabulary), *_FILL_IN],
        "tokenizer.ggml.scores": [*(score for _, score in vocabulary), *(0.0 for _ in _FILL_IN)],
        "tokenizer.ggml.token_type": [*kinds, *(_CONTROL for _ in _FILL_IN)],
        "tokenizer.ggml.bos_token_id": _BOS,
        "tokenizer.ggml.eos_token_id": _EOS,
        "tokenizer.ggml.unknown_token_id": _UNKNOWN,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.fim_pre_token_id": count,
        "tokenizer.ggml.fim_suf_token_id": count + 1,
        "tokenizer.ggml.fim_mid_token_id": count + 2,
    }


def _weights(count: int) -> dict[str, _Matrix]:
    random = np.random.default_rng(seed=42)

    def matrix(inputs: int, outputs: int, gain: float) -> _Matrix:
        values: npt.NDArray[np.float64] = random.standard_normal((outputs, inputs)) * gain / np.sqrt(inputs)
        return values.astype(np.float32)

    def reading(outputs: int, gain: float) -> _Matrix:
        weights = matrix(_WIDTH, outputs, gain)
        weights[:, 0] = 0
        return weights

    def writing(inputs: int, gain: float) -> _Matrix:
        weights = matrix(inputs, _WIDTH, gain)
        weights[0] = 0
        return weights

    embedding = random.standard_normal((count, _WIDTH)).astype(np.float32)
    embedding[:, 0] = _CONSTANT
    output = reading(count, _SHARPNESS)
    output[:_FIRST_TEXT, 0] = output[count - len(_FILL_IN) :, 0] = _NEVER
    weights = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": _ones()}
    for layer in range(_LAYERS):
        weights |= {
            f"blk.{layer}.attn_norm.weight": _ones(),
            f"blk.{layer}.attn_q.weight": reading(_WIDTH, 3.0),
            f"blk.{layer}.attn_k.weight": reading(_WIDTH, 3.0),
            f"blk.{layer}.attn_v.weight": reading(_WIDTH, 3.0),
            f"blk.{layer}.attn_output.weight": writing(_WIDTH, 1.0),
            f"blk.{layer}.ffn_norm.weight": _ones(),
            f"blk.{layer}.ffn_gate.weight": reading(_FORWARD, 2.0),
            f"blk.{layer}.ffn_up.weight": reading(_FORWARD, 2.0),
            f"blk.{layer}.ffn_down.weight": writing(_FORWARD, 1.0),
        }
    return weights


def _ones() -> _Matrix:
    return np.ones(_WIDTH, dtype=np.float32)


def _first_tokens(path: Path) -> list[tuple[str, float]]:
    """Return the first tokens of a vocabulary of SentencePiece: its bytes, and its commonest pieces."""
    model = Model(path, vocabulary_only=True)
    try:
        return [
            (
                llama_cpp.llama_vocab_get_text(model.vocab, token).decode(),
                llama_cpp.llama_vocab_get_score(model.vocab, token),
            )
            for token in range(_TOKENS)
        ]
    finally:
        model.close()


def main() -> None:
    """Write the model, its vocabulary, and what goes with it."""
    source, folder = map(Path, sys.argv[1:])
    vocabulary = _first_tokens(source)
    (folder / VOCABULARY).write_text(json.dumps(vocabulary), "utf-8")
    write_model(folder / MODEL, vocabulary)
    write_model(folder / RANKER, vocabulary, ranks=True)
    for name in _DRAFTS:
        write_model(folder / name, vocabulary)
    for name in _ADAPTERS:
        (folder / name).write_bytes(lora_adapter(layers=_LAYERS, width=_WIDTH))


if __name__ == "__main__":
    main()
