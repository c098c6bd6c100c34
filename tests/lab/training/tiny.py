"""A tiny base of random weights that reads bytes, and data for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from home_llm_lab.training.base import CHATML
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def make_tokenizer(template: str | None = CHATML) -> Any:
    """Return a tokenizer of one token a byte, with ChatML unless told."""
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {sign: index for index, sign in enumerate(signs)}
    plain = Tokenizer(models.BPE(vocab=words, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    make: Any = PreTrainedTokenizerFast
    tokenizer = make(tokenizer_object=plain, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = template
    return tokenizer


def write_base(folder: Path, *, template: str | None = CHATML, **sizes: Any) -> Path:
    """Write a base as safetensors and return its folder."""
    tokenizer = make_tokenizer(template)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer), num_key_value_heads=2, max_position_embeddings=4096, **{**SIZES, **sizes}
    )
    make: Any = LlamaForCausalLM
    make(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def house(number: int, *, conversations: int = 4) -> dict[str, Any]:
    """Return a house with a few lamps and an order for each."""
    names = [f"Lamp {chr(65 + (number + index) % 26)}" for index in range(conversations)]
    ids = [f"light.{name.lower().replace(' ', '_')}" for name in names]
    lines = "\n".join(f"{id_} '{name}' = off" for id_, name in zip(ids, names, strict=True))
    return {
        "prompt": f"You are Al.\nServices: light.turn_on\nDevices:\n{lines}",
        "conversations": [
            {
                "kind": "act_on",
                "tail": "\nThe user is in the hall." if index % 2 else "",
                "messages": [
                    {"role": "user", "content": f"{name} on"},
                    {"role": "assistant", "content": f"light.turn_on({id_})\nTurning on {name}."},
                ],
            }
            for index, (id_, name) in enumerate(zip(ids, names, strict=True))
        ],
    }


def plain_house(number: int, right: str = "light.zinc", wrong: str = "light.moon") -> dict[str, Any]:
    """Return a house of two devices in which one of them is always meant, so that even a tiny model can learn it."""
    return {
        "prompt": f"House {number}.\nDevices:\n{right} 'Zinc' = on\n{wrong} 'Moon' = on",
        "conversations": [
            {
                "kind": f"act_{said}",
                "messages": [
                    {"role": "user", "content": said},
                    {"role": "assistant", "content": f"light.turn_{said}({right})\nDone."},
                ],
            }
            for said in ("on", "off")
        ],
    }


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def flags(base: Path, data: Path, folder: Path, **more: Any) -> list[str]:
    """Return a command line for a short training, with more flags by name; True is a flag alone."""
    given: dict[str, Any] = {
        "base_model": base,
        "train_dataset": data,
        "output_dir": folder,
        "ctx_size": 512,
        "batch_size": 2,
        "micro_batch_size": 2,
        "learning_rate": 1e-2,
        "dataset_processing_threads": 1,
        "use_lora": True,
        "lora_rank": 4,
        "lora_alpha": 8,
        "eval_steps": 0,
        "save_steps": 0,
        **more,
    }
    line: list[str] = []
    for name, value in given.items():
        if isinstance(value, bool):
            line += [f"--{name}" if value else f"--no-{name}"]
        else:
            line += [f"--{name}", str(value)]
    return line


def whole_model(line: list[str]) -> list[str]:
    """Return a command line without LoRA."""
    line = [item for item in line if item != "--use_lora"]
    for name in ("--lora_rank", "--lora_alpha"):
        at = line.index(name)
        del line[at : at + 2]
    return line
