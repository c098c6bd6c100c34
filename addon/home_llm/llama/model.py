"""A loaded model and its vocabulary."""

import ctypes
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp

from home_llm.llama import library


class ModelLoadError(Exception):
    """llama.cpp could not load the file; the text is its own reason."""


@dataclass(frozen=True, slots=True)
class InfillTokens:
    """The tokens between which a model fills in what is missing.

    Attributes:
        prefix: before what comes before the gap.
        suffix: before what comes after it.
        middle: before what belongs into it.
        repository: before the name of what all files belong to, or -1.
        file: before the name of a file, or -1.
    """

    prefix: int
    suffix: int
    middle: int
    repository: int
    file: int


class Model:
    """Weights and vocabulary of one GGUF file.

    Args:
        path: the GGUF file.
        gpu_layers: layers to compute on graphics cards and RPC workers. With 0 these are left alone, where llama.cpp
            would still give them the large products of a prompt.
        on_progress: called with the share that is loaded, 0 to 1; when it returns False, loading ends.
        vocabulary_only: leave the weights out; the model can then tokenize and nothing else.

    Raises:
        ModelLoadError: llama.cpp refused the file, or `on_progress` ended it.
    """

    def __init__(
        self,
        path: Path,
        *,
        gpu_layers: int = 0,
        on_progress: Callable[[float], bool] | None = None,
        vocabulary_only: bool = False,
    ) -> None:
        library.start()
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = gpu_layers
        # A list that is over at once; referred to until the load is.
        no_devices = (ctypes.c_void_p * 1)()
        if gpu_layers == 0:
            parameters.devices = ctypes.cast(no_devices, ctypes.c_void_p)
        parameters.vocab_only = vocabulary_only
        # Referred to until the load is over: C holds only the address.
        callback = llama_cpp.llama_progress_callback(lambda share, _data: on_progress is None or on_progress(share))
        parameters.progress_callback = callback
        library.last_error()
        self.handle: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        if not self.handle:
            reason = library.last_error() or "unknown reason"
            raise ModelLoadError(f"llama.cpp cannot load {path.name}: {reason}")
        self.path = path
        self.vocab: Any = llama_cpp.llama_model_get_vocab(self.handle)
        self.n_vocab: int = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.n_ctx_train: int = llama_cpp.llama_model_n_ctx_train(self.handle)
        self.size: int = llama_cpp.llama_model_size(self.handle)
        self.n_params: int = llama_cpp.llama_model_n_params(self.handle)
        # Memory that cannot be cut: no guess can be taken back, no prefix shared but a whole one.
        self.is_recurrent: bool = bool(
            llama_cpp.llama_model_is_recurrent(self.handle) or llama_cpp.llama_model_is_hybrid(self.handle)
        )
        # Tokens that some layers look back; 0 where all of them see everything.
        self.window: int = llama_cpp.llama_model_n_swa(self.handle)
        self.bos: int = llama_cpp.llama_vocab_bos(self.vocab)
        self.eos: int = llama_cpp.llama_vocab_eos(self.vocab)
        self.add_bos: bool = bool(llama_cpp.llama_vocab_get_add_bos(self.vocab))
        # Where a token does not see those after it. Other models read a text at once, and cannot write one.
        self.is_causal: bool = self.own_fact("attention.causal") != "false"

    def close(self) -> None:
        """Free the weights; every context on them must be closed before."""
        if self.handle:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None

    @functools.cached_property
    def n_head(self) -> int:
        """Heads of attention of the first layer; 0 where it has none. Not of a file that holds only a vocabulary."""
        return int(llama_cpp.llama_model_n_head(self.handle))

    @functools.cached_property
    def description(self) -> str:
        """Architecture, size and quant in llama.cpp's words, such as `llama 135M Q4_1`."""
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self.handle, buffer, 256)
        return buffer.value.decode("utf-8", "replace")

    @functools.cached_property
    def chat_template(self) -> str | None:
        """The model's own Jinja chat template, or None."""
        return self._template(None)

    @functools.cached_property
    def ranking_template(self) -> str | None:
        """The model's own text for ranking, with places for `{query}` and `{document}`, or None."""
        return self._template(b"rerank")

    def _template(self, name: bytes | None) -> str | None:
        raw: bytes | None = llama_cpp.llama_model_chat_template(self.handle, name)
        return raw.decode("utf-8", "replace") if raw else None

    def own_fact(self, key: str) -> str | None:
        """Return what the file says under its architecture's name and this one, or None."""
        architecture = self._fact("general.architecture")
        return None if architecture is None else self._fact(f"{architecture}.{key}")

    def _fact(self, key: str) -> str | None:
        buffer = ctypes.create_string_buffer(256)
        length = llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, 256)
        return None if length < 0 else buffer.value.decode("utf-8", "replace")

    @functools.cached_property
    def end_of_generation(self) -> tuple[int, ...]:
        """Every token that ends a generation, the EOS token first."""
        ends = [token for token in range(self.n_vocab) if llama_cpp.llama_vocab_is_eog(self.vocab, token)]
        return tuple(sorted(ends, key=lambda token: token != self.eos))

    @functools.cached_property
    def pair_tokens(self) -> tuple[list[int], list[int], list[int]]:
        """What stands before a question, between it and a document, and after that, in a model that ranks pairs."""
        end = self.eos if self.eos >= 0 else llama_cpp.llama_vocab_sep(self.vocab)
        after = [end] if llama_cpp.llama_vocab_get_add_eos(self.vocab) else []
        parting = [llama_cpp.llama_vocab_sep(self.vocab)] if llama_cpp.llama_vocab_get_add_sep(self.vocab) else []
        return [self.bos] if self.add_bos else [], [*after, *parting], after

    @functools.cached_property
    def infill(self) -> InfillTokens | None:
        """The tokens for filling in, or None where the model was not trained for it."""
        tokens = InfillTokens(
            llama_cpp.llama_vocab_fim_pre(self.vocab),
            llama_cpp.llama_vocab_fim_suf(self.vocab),
            llama_cpp.llama_vocab_fim_mid(self.vocab),
            llama_cpp.llama_vocab_fim_rep(self.vocab),
            llama_cpp.llama_vocab_fim_sep(self.vocab),
        )
        return tokens if min(tokens.prefix, tokens.suffix, tokens.middle) >= 0 else None

    def tokenize(self, text: str, *, add_special: bool = False, parse_special: bool = True) -> list[int]:
        """Return the tokens of `text`.

        Args:
            text: any Unicode text.
            add_special: add BOS (and EOS) where the model wants them.
            parse_special: read `<|im_start|>` and its like as the special tokens they name. Off for text that
                comes from a person, so that nobody can type a role.
        """
        raw = text.encode("utf-8", "replace")
        capacity = len(raw) + 16
        while True:
            buffer = (llama_cpp.llama_token * capacity)()
            count = llama_cpp.llama_tokenize(self.vocab, raw, len(raw), buffer, capacity, add_special, parse_special)
            if count >= 0:
                return list(buffer[:count])
            capacity = -count

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """Return the bytes of one token; a special token has none unless `special`.

        The bytes may be a part of a UTF-8 character.
        """
        capacity = 64
        while True:
            buffer = ctypes.create_string_buffer(capacity)
            count = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, capacity, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            capacity = -count

    def detokenize(self, tokens: Sequence[int], *, special: bool = True) -> str:
        """Return the text of `tokens`, broken UTF-8 replaced."""
        ids = (llama_cpp.llama_token * len(tokens))(*tokens)
        capacity = 16 * len(tokens) + 16
        while True:
            buffer = ctypes.create_string_buffer(capacity)
            count = llama_cpp.llama_detokenize(self.vocab, ids, len(tokens), buffer, capacity, False, special)
            if count >= 0:
                return buffer.raw[:count].decode("utf-8", "replace")
            capacity = -count

    def special_token(self, text: str) -> int | None:
        """Return the token that is exactly `text` when it is one special token, else None."""
        tokens = self.tokenize(text, parse_special=True)
        if len(tokens) != 1:
            return None
        attributes = llama_cpp.llama_vocab_get_attr(self.vocab, tokens[0])
        special = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
        return tokens[0] if attributes & special else None

    def control_token_texts(self) -> list[str]:
        """Return the text of every control token, such as `<|im_start|>`."""
        control = (token for token in range(self.n_vocab) if llama_cpp.llama_vocab_is_control(self.vocab, token))
        texts = (self.piece(token, special=True).decode("utf-8", "replace") for token in control)
        return [text for text in texts if text]

    def invalid_tokens(self, tokens: Iterable[int]) -> list[int]:
        """Return those of `tokens` that the vocabulary does not have."""
        return [token for token in tokens if not 0 <= token < self.n_vocab]
