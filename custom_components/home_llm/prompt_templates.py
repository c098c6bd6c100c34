"""Messages as the one text that a model was trained on, for servers that are asked to complete text.

Free of Home Assistant and pure. A server adds the token that begins a text by itself, so no template writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class PromptTemplate(StrEnum):
    """The templates to choose from."""

    CHATML = "chatml"
    ZEPHYR = "zephyr"
    STABLELM = "stablelm"
    LLAMA_3 = "llama3"
    MISTRAL = "mistral"
    PHI = "phi"
    COMMAND_R = "command_r"
    ALPACA = "alpaca"
    VICUNA = "vicuna"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to complete, and the texts that end the answer."""

    text: str
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: who says what. The roles are system, user, assistant and tool."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class _Family:
    """How a family of models writes a conversation.

    Attributes:
        before: what stands before the words of a role. A role that is missing speaks as the user.
        after: what stands after them; the one for "" is for all others.
        answer: the beginning of the model's answer.
        stops: what ends the answer.
        merges_system: the system prompt stands within the user's first message.
    """

    before: Mapping[str, str]
    after: Mapping[str, str]
    answer: str
    stops: tuple[str, ...]
    merges_system: bool = False
    # What a message must not contain, in addition to the control tokens that all families share.
    marks: tuple[str, ...] = field(default=())


def _tagged(end: str, tool: str | None = None) -> _Family:
    """Return a family that writes the role as <|role|> on a line of its own."""
    roles = ["system", "user", "assistant", *([tool] if tool else [])]
    return _Family(
        before={role: f"<|{role}|>\n" for role in roles},
        after={"": f"{end}\n"},
        answer="<|assistant|>\n",
        stops=(end, "<|user|>", "<|system|>"),
    )


_TURN = "<|START_OF_TURN_TOKEN|>"
_FAMILIES: dict[PromptTemplate, _Family] = {
    PromptTemplate.CHATML: _Family(
        before={role: f"<|im_start|>{role}\n" for role in ("system", "user", "assistant", "tool")},
        after={"": "<|im_end|>\n"},
        answer="<|im_start|>assistant\n",
        stops=("<|im_end|>", "<|im_start|>"),
    ),
    PromptTemplate.ZEPHYR: _tagged("</s>"),
    PromptTemplate.STABLELM: _tagged("<|endoftext|>"),
    PromptTemplate.PHI: _tagged("<|end|>"),
    PromptTemplate.LLAMA_3: _Family(
        before={
            role: f"<|start_header_id|>{name}<|end_header_id|>\n\n"
            for role, name in (
                ("system", "system"),
                ("user", "user"),
                ("assistant", "assistant"),
                ("tool", "ipython"),
            )
        },
        after={"": "<|eot_id|>"},
        answer="<|start_header_id|>assistant<|end_header_id|>\n\n",
        stops=("<|eot_id|>", "<|eom_id|>", "<|start_header_id|>"),
    ),
    PromptTemplate.MISTRAL: _Family(
        before={"user": "[INST] ", "assistant": " "},
        after={"user": " [/INST]", "assistant": "</s>"},
        answer="",
        stops=("</s>", "[INST]"),
        merges_system=True,
    ),
    PromptTemplate.COMMAND_R: _Family(
        before={
            "system": f"{_TURN}<|SYSTEM_TOKEN|>",
            "user": f"{_TURN}<|USER_TOKEN|>",
            "assistant": f"{_TURN}<|CHATBOT_TOKEN|>",
            "tool": f"{_TURN}<|SYSTEM_TOKEN|>",
        },
        after={"": "<|END_OF_TURN_TOKEN|>"},
        answer=f"{_TURN}<|CHATBOT_TOKEN|>",
        stops=("<|END_OF_TURN_TOKEN|>", _TURN),
    ),
    PromptTemplate.ALPACA: _Family(
        before={"system": "", "user": "### Instruction:\n", "assistant": "### Response:\n"},
        after={"": "\n\n"},
        answer="### Response:\n",
        stops=("### Instruction:", "### Response:", "</s>"),
        marks=("### Instruction:", "### Response:"),
    ),
    PromptTemplate.VICUNA: _Family(
        before={"system": "", "user": "USER: ", "assistant": "ASSISTANT: "},
        after={"system": "\n\n", "assistant": "</s>\n", "": "\n"},
        answer="ASSISTANT:",
        stops=("</s>", "USER:"),
        marks=("USER:", "ASSISTANT:"),
    ),
}

# What a tokenizer may read as a control token wherever it stands.
_CONTROL = re.compile(r"<\|(?=[^\s|<>]{1,60}\|>)|<(?=/?s>|unk>|pad>)|\[(?=/?(?:INST|TOOL_CALLS|AVAILABLE_TOOLS)\])")


def render_prompt(template: PromptTemplate, turns: Iterable[Turn]) -> Prompt:
    """Return a conversation as text, up to where the model's answer begins."""
    family = _FAMILIES[template]
    parts: list[str] = []
    for turn in _merged(list(turns)) if family.merges_system else turns:
        role = turn.role if turn.role in family.before else "user"
        after = family.after.get(role, family.after.get("", ""))
        parts.append(f"{family.before[role]}{_plain(turn.content.strip(), family.marks)}{after}")
    return Prompt("".join(parts) + family.answer, family.stops)


def _merged(turns: Sequence[Turn]) -> list[Turn]:
    """Return turns in which the system prompt is the beginning of the first thing that is asked."""
    system = "\n\n".join(turn.content.strip() for turn in turns if turn.role == "system")
    rest = [turn for turn in turns if turn.role != "system"]
    if not system:
        return rest
    if not rest or rest[0].role == "assistant":
        return [Turn("user", system), *rest]
    return [Turn("user", f"{system}\n\n{rest[0].content}"), *rest[1:]]


def _plain(text: str, marks: Sequence[str]) -> str:
    """Return text in which nothing reads as the end of a message or the beginning of another.

    Words of people and names of devices are data. The spaces that are put in can only break marks, never make one.
    """
    text = _CONTROL.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)
    for mark in marks:
        text = text.replace(mark, f"{mark[:1]} {mark[1:]}")
    return text
