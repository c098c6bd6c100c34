"""Instruction templates and presets that text-generation-webui's clients call by name."""

from typing import Any

# Each as short as it can be: roles in turn, a system message where the family knows one, and the beginning of the
# answer. The BOS token is not theirs to write.
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_ZEPHYR = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_ALPACA = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}### Instruction:\n{{ message.content }}\n\n"
    "{% elif message.role == 'assistant' %}### Response:\n{{ message.content }}\n\n"
    "{% else %}{{ message.content }}\n\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}### Response:\n{% endif %}"
)
_VICUNA = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}USER: {{ message.content }}\n"
    "{% elif message.role == 'assistant' %}ASSISTANT: {{ message.content }}{{ eos_token }}\n"
    "{% else %}{{ message.content }}\n\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
_LLAMA_3 = (
    "{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n"
    "{{ message.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_PHI_3 = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_COMMAND_R = (
    "{% for message in messages %}<|START_OF_TURN_TOKEN|>"
    "{{ {'system': '<|SYSTEM_TOKEN|>', 'user': '<|USER_TOKEN|>'}.get(message.role, '<|CHATBOT_TOKEN|>') }}"
    "{{ message.content }}<|END_OF_TURN_TOKEN|>{% endfor %}"
    "{% if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"
)
# These know no system message: it stands before the user's first words.
_MISTRAL = (
    "{% set said = namespace(before='') %}{% for message in messages %}"
    "{% if message.role == 'system' %}{% set said.before = said.before + message.content + '\n\n' %}"
    "{% elif message.role == 'user' %}[INST] {{ said.before }}{{ message.content }} [/INST]{% set said.before = '' %}"
    "{% else %} {{ message.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
_GEMMA = (
    "{% set said = namespace(before='') %}{% for message in messages %}"
    "{% if message.role == 'system' %}{% set said.before = said.before + message.content + '\n\n' %}"
    "{% elif message.role == 'user' %}<start_of_turn>user\n{{ said.before }}{{ message.content }}<end_of_turn>\n"
    "{% set said.before = '' %}"
    "{% else %}<start_of_turn>model\n{{ message.content }}<end_of_turn>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)

_TEMPLATES = {
    "alpaca": _ALPACA,
    "chatml": _CHATML,
    "commandr": _COMMAND_R,
    "gemma": _GEMMA,
    "llama3": _LLAMA_3,
    "llamav3": _LLAMA_3,
    "mistral": _MISTRAL,
    "phi3": _PHI_3,
    "vicuna": _VICUNA,
    "vicunav11": _VICUNA,
    "zephyr": _ZEPHYR,
}

_PRESETS: dict[str, dict[str, Any]] = {
    "deterministic": {"temperature": 0.0},
    "debugdeterministic": {"temperature": 0.0},
    "divineintellect": {"temperature": 1.31, "top_p": 0.14, "top_k": 49, "repetition_penalty": 1.17},
    "llamaprecise": {"temperature": 0.7, "top_p": 0.1, "top_k": 40, "repetition_penalty": 1.18},
    "minp": {"temperature": 1.0, "top_p": 1.0, "min_p": 0.05},
    "nullpreset": {},
    "simple1": {"temperature": 0.7, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.15},
}

_OWN = frozenset({"", "none", "auto"})


def is_own(name: str) -> bool:
    """Return whether a name stands for what is so anyway."""
    return _plain(name) in _OWN


def instruction_template(name: str) -> str | None:
    """Return the Jinja source of a template, or None where the name is not known."""
    return _TEMPLATES.get(_plain(name))


def preset(name: str) -> dict[str, Any] | None:
    """Return the sampler fields of a preset, or None where the name is not known."""
    return _PRESETS.get(_plain(name))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
