"""Writes small GGUF models with random weights, one for each kind of memory that llama.cpp has.

They speak nonsense, but llama.cpp runs them as it runs their big relatives, in a fraction of a millisecond a token.
Weights are 32-bit floats and drawn from a fixed seed. They are so large that attention picks single tokens and that the
likeliest token stands out: an answer depends on its whole prompt, and not on the order in which llama.cpp adds.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from gguf_writer import F32, Int32, write_gguf
from home_llm.llama import Model

KINDS = ("full", "window", "recurrent", "hybrid")
RANKERS = ("ranker", "encoder")
WINDOW = 32
RANKING = "<|im_start|>user\n<Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n"

_VOCABULARY = 2048
_WIDTH = 64
_HEAD = 16
_HEADS = 4
_FORWARD = 128
# Of a BERT, which has a vector for each.
_POSITIONS = 512
_LAYERS = 2

# Kinds of tokens in GGUF files (llama.h, enum llama_token_type).
_NORMAL_TOKEN = Int32(1)
_CONTROL_TOKEN = Int32(3)

_Weights = dict[str, npt.NDArray[np.float32]]


class _Draw:
    """Random weights, in the shapes that llama.cpp wants: inputs first."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def matrix(self, inputs: int, outputs: int, gain: float = 1.0) -> npt.NDArray[np.float32]:
        """Return weights that make of inputs around 1 outputs around `gain`."""
        values: npt.NDArray[np.float64] = self._random.standard_normal((outputs, inputs)) * gain / np.sqrt(inputs)
        return values.astype(np.float32)

    def vector(self, low: float, high: float, *shape: int) -> npt.NDArray[np.float32]:
        """Return numbers between two."""
        return self._random.uniform(low, high, shape).astype(np.float32)


def write_tiny_model(path: Path, kind: str, vocabulary: Model, **more: Any) -> Path:
    """Write a model.

    Args:
        path: the file to write.
        kind: one of `KINDS`: a plain Llama, a Gemma 3 with a sliding window of `WINDOW` tokens in its first layer, a
            Mamba, or an LFM2, which has a recurrent layer and one with attention; or one of `RANKERS`, which score how
            well a document answers a question: a Qwen 3 with a text of its own for both, and a BERT, which reads only.
        vocabulary: a model whose first tokens are taken over.
        more: further metadata of the tokenizer.
    """
    architecture, facts, layer = _BUILDERS[kind]
    draw = _Draw(seed=7)
    weights: _Weights = {
        "token_embd.weight": draw.matrix(_WIDTH, _VOCABULARY, 1.0 if kind == "window" else 8.0),
        **(_reading(draw) if kind == "encoder" else _writing(draw, kind)),
    }
    if kind == "ranker":
        weights["cls.output.weight"] = draw.matrix(_WIDTH, 2)
    for number in range(_LAYERS):
        weights |= {f"blk.{number}.{name}": values for name, values in layer(draw, number).items()}
    metadata = {
        "general.architecture": architecture,
        "general.name": f"Tiny {kind}",
        f"{architecture}.block_count": _LAYERS,
        f"{architecture}.context_length": _POSITIONS if kind == "encoder" else 8192,
        f"{architecture}.embedding_length": _WIDTH,
        f"{architecture}.feed_forward_length": _FORWARD,
        f"{architecture}.attention.layer_norm{'' if kind == 'encoder' else '_rms'}_epsilon": 1e-5,
        **({"tokenizer.chat_template.rerank": RANKING} if kind == "ranker" else {}),
        **{f"{architecture}.{key}": value for key, value in facts.items()},
        **_tokenizer(vocabulary),
        **({"tokenizer.ggml.token_type_count": 2, "tokenizer.ggml.add_eos_token": True} if kind == "encoder" else {}),
        **{f"tokenizer.ggml.{key}": value for key, value in more.items()},
    }
    tensors = [(name, values.shape[::-1], F32) for name, values in weights.items()]
    path.write_bytes(write_gguf(metadata, tensors, data={name: values.tobytes() for name, values in weights.items()}))
    return path


def _writing(draw: _Draw, kind: str) -> _Weights:
    """Return what a model has beside its layers that writes."""
    # LFM2's norm has a name that llama.cpp calls wrong and keeps.
    norm = "token_embd_norm.weight" if kind == "hybrid" else "output_norm.weight"
    return {"output.weight": draw.matrix(_WIDTH, _VOCABULARY, 8.0), norm: _ones(_WIDTH)}


def _reading(draw: _Draw) -> _Weights:
    """Return what a BERT has beside its layers."""
    return {
        "position_embd.weight": draw.matrix(_WIDTH, _POSITIONS),
        **_norm("token_embd_norm"),
        "cls.weight": draw.matrix(_WIDTH, _WIDTH),
        "cls.bias": draw.vector(-0.1, 0.1, _WIDTH),
        "cls.output.weight": draw.matrix(_WIDTH, 1),
        "cls.output.bias": draw.vector(-0.1, 0.1, 1),
    }


def _llama(draw: _Draw, _number: int) -> _Weights:
    return {**_attention(draw), **_forward(draw)}


def _qwen(draw: _Draw, _number: int) -> _Weights:
    norms = {"attn_q_norm.weight": 2 * _ones(_HEAD), "attn_k_norm.weight": 2 * _ones(_HEAD)}
    return {**_attention(draw), **norms, **_forward(draw)}


def _bert(draw: _Draw, _number: int) -> _Weights:
    attention = {name: values for name, values in _attention(draw).items() if "norm" not in name}
    return {
        **attention,
        **_norm("attn_output_norm"),
        "ffn_up.weight": draw.matrix(_WIDTH, _FORWARD),
        "ffn_down.weight": draw.matrix(_FORWARD, _WIDTH, 2.0),
        **_norm("layer_output_norm"),
    }


def _norm(name: str) -> _Weights:
    return {f"{name}.weight": _ones(_WIDTH), f"{name}.bias": 0 * _ones(_WIDTH)}


def _gemma(draw: _Draw, _number: int) -> _Weights:
    return {
        **_attention(draw),
        # Queries and keys have the length that these give them; longer ones pick fewer tokens.
        "attn_q_norm.weight": 2 * _ones(_HEAD),
        "attn_k_norm.weight": 2 * _ones(_HEAD),
        "post_attention_norm.weight": _ones(_WIDTH),
        **_forward(draw),
        "post_ffw_norm.weight": _ones(_WIDTH),
    }


def _mamba(draw: _Draw, _number: int) -> _Weights:
    inner, state, rank = 2 * _WIDTH, 8, 4
    return {
        "attn_norm.weight": _ones(_WIDTH),
        "ssm_in.weight": draw.matrix(_WIDTH, 2 * inner, 2.0),
        "ssm_conv1d.weight": draw.matrix(4, inner, 2.0),
        "ssm_conv1d.bias": draw.vector(-0.5, 0.5, inner),
        "ssm_x.weight": draw.matrix(inner, rank + 2 * state, 2.0),
        "ssm_dt.weight": draw.matrix(rank, inner),
        "ssm_dt.bias": draw.vector(-4.0, -1.0, inner),
        # How fast a state fades: some of it stays for hundreds of tokens.
        "ssm_a": draw.vector(-1.0, -0.01, inner, state),
        "ssm_d": draw.vector(-1.0, 1.0, inner),
        "ssm_out.weight": draw.matrix(inner, _WIDTH, 2.0),
    }


def _lfm2(draw: _Draw, number: int) -> _Weights:
    if number == 0:
        return {
            "attn_norm.weight": _ones(_WIDTH),
            "shortconv.conv.weight": draw.matrix(3, _WIDTH, 2.0),
            "shortconv.in_proj.weight": draw.matrix(_WIDTH, 3 * _WIDTH),
            "shortconv.out_proj.weight": draw.matrix(_WIDTH, _WIDTH, 2.0),
            **_forward(draw),
        }
    norms = {"attn_q_norm.weight": 2 * _ones(_HEAD), "attn_k_norm.weight": 2 * _ones(_HEAD)}
    return {**_attention(draw), **norms, **_forward(draw)}


def _attention(draw: _Draw) -> _Weights:
    return {
        "attn_norm.weight": _ones(_WIDTH),
        "attn_q.weight": draw.matrix(_WIDTH, _HEADS * _HEAD, 2.0),
        "attn_k.weight": draw.matrix(_WIDTH, _HEADS * _HEAD, 2.0),
        "attn_v.weight": draw.matrix(_WIDTH, _HEADS * _HEAD, 2.0),
        "attn_output.weight": draw.matrix(_HEADS * _HEAD, _WIDTH, 2.0),
    }


def _forward(draw: _Draw) -> _Weights:
    return {
        "ffn_norm.weight": _ones(_WIDTH),
        "ffn_gate.weight": draw.matrix(_WIDTH, _FORWARD),
        "ffn_up.weight": draw.matrix(_WIDTH, _FORWARD),
        "ffn_down.weight": draw.matrix(_FORWARD, _WIDTH, 2.0),
    }


def _ones(*shape: int) -> npt.NDArray[np.float32]:
    return np.ones(shape, dtype=np.float32)


_HEAD_FACTS = {"attention.head_count": _HEADS, "attention.key_length": _HEAD, "attention.value_length": _HEAD}

_BUILDERS: dict[str, tuple[str, dict[str, Any], Callable[[_Draw, int], _Weights]]] = {
    "full": ("llama", {**_HEAD_FACTS, "attention.head_count_kv": _HEADS, "rope.dimension_count": _HEAD}, _llama),
    "window": (
        "gemma3",
        {
            **_HEAD_FACTS,
            "attention.head_count_kv": _HEADS,
            "attention.sliding_window": WINDOW,
            "attention.sliding_window_pattern": 2,
        },
        _gemma,
    ),
    "recurrent": (
        "mamba",
        {
            "attention.head_count": 0,
            "ssm.conv_kernel": 4,
            "ssm.inner_size": 2 * _WIDTH,
            "ssm.state_size": 8,
            "ssm.time_step_rank": 4,
        },
        _mamba,
    ),
    "ranker": (
        "qwen3",
        {
            **_HEAD_FACTS,
            "attention.head_count_kv": _HEADS,
            "pooling_type": 4,
            "classifier.output_labels": ["yes", "no"],
        },
        _qwen,
    ),
    "encoder": (
        "bert",
        {
            **_HEAD_FACTS,
            "attention.head_count_kv": _HEADS,
            "attention.causal": False,
            "pooling_type": 2,
        },
        _bert,
    ),
    "hybrid": ("lfm2", {**_HEAD_FACTS, "attention.head_count_kv": [0, _HEADS], "shortconv.l_cache": 3}, _lfm2),
}


def _tokenizer(vocabulary: Model) -> dict[str, Any]:
    """Return the metadata of a tokenizer that knows the first tokens of a model's vocabulary."""
    texts = [_text(vocabulary, token) for token in range(_VOCABULARY)]
    control = [llama_cpp.llama_vocab_is_control(vocabulary.vocab, token) for token in range(_VOCABULARY)]
    words = [text for text, is_control in zip(texts, control, strict=True) if not is_control and len(text) > 1]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": [_CONTROL_TOKEN if is_control else _NORMAL_TOKEN for is_control in control],
        "tokenizer.ggml.merges": _merges(words),
        "tokenizer.ggml.bos_token_id": vocabulary.bos,
        "tokenizer.ggml.eos_token_id": vocabulary.eos,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": vocabulary.chat_template or "",
    }


def _text(vocabulary: Model, token: int) -> str:
    raw: bytes = llama_cpp.llama_vocab_get_text(vocabulary.vocab, token)
    return raw.decode()


def _merges(words: Sequence[str]) -> list[str]:
    """Return the merges that make the words: each word is what the merges before it leave two pieces of."""
    ranks: dict[tuple[str, str], int] = {}
    for word in words:
        pieces = list(word)
        while len(pieces) > 2:
            pairs = [(ranks.get(pair, len(ranks)), index) for index, pair in enumerate(itertools.pairwise(pieces))]
            rank, index = min(pairs)
            assert rank < len(ranks), word
            pieces[index : index + 2] = ["".join(pieces[index : index + 2])]
        ranks[pieces[0], pieces[1]] = len(ranks)
    return [" ".join(pair) for pair in ranks]
