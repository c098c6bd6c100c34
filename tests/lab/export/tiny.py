"""A tiny model in transformers and the same one in GGUF, and what both make of tokens."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import torch
from gguf import GGUFWriter
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

WORDS = 320
TOKENS = [7, 301, 12, 250, 99, 3, 3, 180]
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_SIZES: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": WORDS,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,
}
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def make_model(architecture: str, seed: int = 1) -> Any:
    """Return a model of random weights, large enough that every weight matters."""
    torch.manual_seed(seed)
    kinds: dict[str, Any] = {"llama": (LlamaForCausalLM, LlamaConfig), "qwen2": (Qwen2ForCausalLM, Qwen2Config)}
    kind, config = kinds[architecture]
    model = kind(config(**_SIZES))
    for values in model.parameters():
        torch.nn.init.normal_(values, std=0.08)
    return model.eval()


def write_base(model: Any, architecture: str, path: Path) -> None:
    """Write a model of transformers as GGUF in F32, without words."""
    writer = GGUFWriter(str(path), architecture)
    writer.add_type("model")
    writer.add_name("Tiny")
    writer.add_file_type(0)
    writer.add_block_count(2)
    writer.add_context_length(256)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(512)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(float(model.config.rms_norm_eps))
    writer.add_rope_dimension_count(64)
    writer.add_rope_freq_base(float(model.config.rope_parameters["rope_theta"]))
    writer.add_vocab_size(WORDS)
    writer.add_tokenizer_model("none")
    for name, values in model.state_dict().items():
        rows = values.float().numpy()
        if architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            # Llama's rotation takes neighbours in GGUF, and halves in transformers.
            heads = 4 if "q_proj" in name else 2
            rows = rows.reshape(heads, 2, 32, 256).transpose(0, 2, 1, 3).reshape(rows.shape)
        writer.add_tensor(_name(name), np.ascontiguousarray(rows))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def adapted(model: Any, folder: Path, *, rank: int = 32, **options: Any) -> Any:
    """Give a model a random LoRA adapter, save that as peft does, and return the model with it."""
    torch.manual_seed(2)
    config = LoraConfig(**{"r": rank, "lora_alpha": 2 * rank, "target_modules": MODULES, **options})
    changed: Any = get_peft_model(model, config)
    for name, values in changed.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(values, std=0.1)
    changed.save_pretrained(str(folder))
    return changed.eval()


def logits_of(model: Any) -> NDArray[np.float32]:
    """Return what a model of transformers makes of the tokens."""
    with torch.no_grad():
        found: NDArray[np.float32] = model(torch.tensor([TOKENS])).logits[0].float().numpy()
    return found


def logits_of_file(path: Path, adapter: Path | None = None) -> NDArray[np.float32]:
    """Return what llama.cpp makes of the tokens with a model, and an adapter beside it."""
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
    assert model, f"llama.cpp cannot load {path}"
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = 64
    context = llama_cpp.llama_init_from_model(model, settings)
    try:
        if adapter is not None:
            loaded = llama_cpp.llama_adapter_lora_init(model, str(adapter).encode())
            assert loaded, f"llama.cpp cannot load {adapter}"
            handles = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(
                ctypes.cast(loaded, llama_cpp.llama_adapter_lora_p_ctypes)
            )
            llama_cpp.llama_set_adapters_lora(context, handles, 1, (ctypes.c_float * 1)(1.0))
        batch = llama_cpp.llama_batch_init(len(TOKENS), 0, 1)
        batch.n_tokens = len(TOKENS)
        for index, token in enumerate(TOKENS):
            batch.token[index], batch.pos[index], batch.n_seq_id[index], batch.logits[index] = token, index, 1, 1
            batch.seq_id[index][0] = 0
        assert llama_cpp.llama_decode(context, batch) == 0
        found = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape=(len(TOKENS), WORDS)).copy()
        llama_cpp.llama_batch_free(batch)
        return found
    finally:
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)


def distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return how far apart logits are, as a part of how much they vary."""
    return float(np.abs(one - other).mean() / other.std())


def _name(name: str) -> str:
    fixed = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in fixed:
        return fixed[name]
    _, _, layer, rest = name.split(".", 3)
    module, _, kind = rest.rpartition(".")
    return f"blk.{layer}.{_NAMES[module]}.{kind}"
