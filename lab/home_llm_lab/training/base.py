"""The model that is trained: from a GGUF file, dequantized, or from a folder or a repository of safetensors."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel

from .attention import IMPLEMENTATION
from .errors import TrainingError
from .gguf_header import read_header

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """Where a base is.

    Attributes:
        folder: of the files, or the name of a repository.
        gguf: name of the GGUF file in it, or None.
    """

    folder: str
    gguf: str | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Return what from_pretrained wants beside the folder."""
        return {"gguf_file": self.gguf} if self.gguf else {}


def find_base(name: str) -> BaseFiles:
    """Return where a base is: a GGUF file, a folder with one or with safetensors, or a repository.

    Raises:
        TrainingError: it is a path at which there is no model.
    """
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix != ".gguf":
            raise TrainingError(f"{path} is no GGUF file; a base is a .gguf, a folder of safetensors, or a repository")
        return BaseFiles(str(path.parent), path.name)
    if path.is_dir():
        files = sorted(path.glob("*.gguf"))
        if list(path.glob("*.safetensors")) or not files:
            return BaseFiles(str(path))
        if len(files) > 1:
            raise TrainingError(f"{path} holds several GGUF files; name one: {', '.join(file.name for file in files)}")
        return BaseFiles(str(path), files[0].name)
    if path.suffix == ".gguf" or name.startswith(("/", ".", "~")):
        raise TrainingError(f"there is no base at {name}")
    return BaseFiles(name)


def load_tokenizer(files: BaseFiles, *, pad: bool = False, chatml_tokens: bool = False, chatml: bool = False) -> Any:
    """Return the tokenizer of a base with a chat template.

    Args:
        files: where the base is.
        pad: give it a token for padding where it has none.
        chatml_tokens: make `<|im_start|>` and `<|im_end|>` tokens of their own where they are none.
        chatml: use ChatML, whatever template it has.

    Raises:
        TrainingError: there is none, or it has no chat template.
    """
    header = read_header(Path(files.folder) / files.gguf) if files.gguf else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(files.folder, **files.arguments)
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise TrainingError(f"cannot load the tokenizer of {files.folder}/{files.gguf or ''}: {error}") from error
    if files.gguf:
        # transformers takes another token for the last one with some files.
        last = header.get("tokenizer.ggml.eos_token_id")
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(last) if last is not None else None
    # Decoding gives back what was encoded.
    tokenizer.clean_up_tokenization_spaces = False
    if not tokenizer.is_fast:
        raise TrainingError("the base has only a slow tokenizer; convert it to tokenizer.json first")
    if pad and tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    if chatml_tokens:
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    if chatml:
        tokenizer.chat_template = CHATML
    if not tokenizer.chat_template:
        raise TrainingError(
            "the base has no chat template, so nobody knows how it is spoken to; "
            "train it on ChatML with --add_chatml_prompt_template --add_chatml_tokens"
        )
    return tokenizer


def first_token(tokenizer: Any) -> int | None:
    """Return the token that the model wants every text to begin with, or None."""
    plain = tokenizer("a", add_special_tokens=False).input_ids
    begun = tokenizer("a").input_ids
    return int(begun[0]) if begun[0] != plain[0] else None


def load_model(files: BaseFiles, tokenizer: Any, *, dtype: torch.dtype, bits: int | None = None) -> PreTrainedModel:
    """Return the model of a base.

    Args:
        files: where it is.
        tokenizer: its own; the embeddings are made as many as it has tokens.
        dtype: of the weights.
        bits: 8 or 4 to hold them quantized, which needs bitsandbytes and a GPU.

    Raises:
        TrainingError: it cannot be loaded.
    """
    extra: dict[str, Any] = {}
    if bits:
        extra["quantization_config"] = _quantized(bits)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            files.folder, dtype=dtype, attn_implementation=IMPLEMENTATION, **files.arguments, **extra
        )
    except (OSError, ValueError, ImportError, KeyError, struct.error) as error:
        raise TrainingError(f"cannot load the base {files.folder}/{files.gguf or ''}: {error}") from error
    if files.gguf:
        # It is no quantized model any more, and can be saved.
        model.config.__dict__.pop("quantization_config", None)
        model.__dict__.pop("hf_quantizer", None)
    # Rows of some files are more than the tokens; only too few are too few.
    rows: Any = model.get_input_embeddings().weight
    if len(tokenizer) > rows.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    model.config.use_cache = False
    return model


def check_gptq(files: BaseFiles) -> None:
    """Check that a base says of itself that it is a GPTQ one; transformers then loads it so.

    Raises:
        TrainingError: it does not.
    """
    quantized = (
        {} if files.gguf else AutoConfig.from_pretrained(files.folder).to_dict().get("quantization_config") or {}
    )
    if quantized.get("quant_method") != "gptq":
        raise TrainingError(f"{files.folder} is no GPTQ model; leave out --load_as_gptq")


def _quantized(bits: int) -> Any:
    if not torch.cuda.is_available():
        raise TrainingError(f"load_in_{bits}bit needs a GPU; on a CPU leave it out: the base is dequantized")
    make: Any = BitsAndBytesConfig
    if bits == 8:
        return make(load_in_8bit=True)
    return make(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
