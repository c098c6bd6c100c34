"""A model's vocabulary for llguidance, which constrains decoding by it."""

import ctypes
from typing import Any

import llama_cpp
from llguidance import LLTokenizer

from home_llm.llama.model import Model

# llguidance tells special tokens from text by this byte, which no UTF-8 text holds.
_SPECIAL = b"\xff"


def constraint_tokenizer(model: Model) -> Any:
    """Return llguidance's tokenizer for a model.

    llguidance brings one for llama.cpp too; that one goes through a deprecated function whose warning, given once a
    token, takes most of its time.
    """
    vocab, buffer = model.vocab, ctypes.create_string_buffer(4096)
    control = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
    user_defined = llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
    tokens: list[bytes] = []
    for token in range(model.n_vocab):
        length = llama_cpp.llama_token_to_piece(vocab, token, buffer, len(buffer), 0, True)
        text = buffer.raw[: max(length, 0)]
        attributes = llama_cpp.llama_vocab_get_attr(vocab, token)
        tagged = attributes & user_defined and text.startswith(b"<") and text.endswith(b">")
        tokens.append(_SPECIAL + text if attributes & control or tagged else text)
    tokenize: Any = llama_cpp.llama_cpp._lib.llama_tokenize  # noqa: SLF001 - llguidance calls the C function itself
    return LLTokenizer.from_llamacpp(
        tokens=tokens,
        vocab_ptr=vocab,
        tokenize_fptr=ctypes.cast(tokenize, ctypes.c_void_p).value,
        eos_token=list(model.end_of_generation),
        slices=None,
    )
