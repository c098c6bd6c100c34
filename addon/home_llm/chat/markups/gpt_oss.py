"""GPT-OSS's markup, harmony: every message names its channel, and a call the function that it goes to.

    <|channel|>analysis<|message|>They are in the kitchen.<|end|><|start|>assistant
    <|channel|>commentary to=functions.light_on <|constrain|>json<|message|>{"room": "Kitchen"}<|call|>

Without the line break. The channel `analysis` is thought, `final` is spoken, and `commentary` too where it goes to
nobody. The format is that of the model's chat template and of https://cookbook.openai.com/articles/openai-harmony.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.cursor import Cursor, IncompleteError, MalformedError
from home_llm.chat.markups.lark import Binding, arguments_schema, json_rule, one_of, quoted
from home_llm.chat.markups.parser import Block
from home_llm.chat.vocabulary import Reasoning, Text, Tool, ToolCall
from home_llm.engine.text import overlap

CHANNEL, MESSAGE, START, END = "<|channel|>", "<|message|>", "<|start|>", "<|end|>"
CALL, RETURN, CONSTRAIN = "<|call|>", "<|return|>", "<|constrain|>"
_MARKERS = (CHANNEL, MESSAGE, START, END, CALL, RETURN, CONSTRAIN)
_MARKER = re.compile("|".join(map(re.escape, _MARKERS)))
_RECIPIENT = re.compile(r"to=(?:functions\.)?([^\s<]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
# How a header begins, where a message does not.
_HEADS = (CHANNEL, MESSAGE, START, " to=", "to=")
_LONGEST_HEADER = 256

# Most messages before the call or the final one that a grammar admits.
_MOST_BEFORE = 4


class _Kind(Enum):
    THOUGHT = auto()
    SPEECH = auto()
    CALL = auto()


class GptOssMarkup(BlockMarkup):
    """Channels, and calls in the commentary."""

    name = "gpt-oss"
    markers = (CHANNEL, MESSAGE, START, END, CALL, RETURN, CONSTRAIN)
    frames = True
    opening = f"{CHANNEL}final{MESSAGE}"
    single = True
    instruction = "To call one, answer in just this way:"
    example = f'{CHANNEL}commentary to=functions.function_name {CONSTRAIN}json{MESSAGE}{{"parameter": "value"}}{CALL}'

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return f"{START}assistant".join(
            f"{CHANNEL}commentary to=functions.{call.name} {CONSTRAIN}json{MESSAGE}{call.arguments_json}{CALL}"
            for call in calls
        )

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        mark = binding.marker
        lines = [
            "%llguidance {}",
            f'speaker: {mark(START)} "assistant"',
            f'before: {mark(CHANNEL)} ("analysis" | "commentary") {mark(MESSAGE)} thinking speaker',
            binding.through("thinking", END),
            f'final: {mark(CHANNEL)} "final" {mark(MESSAGE)} answer',
            f"answer: {binding.answer or 'TEXT'}",
            f"start: speaker? before{{0,{_MOST_BEFORE}}} {self._last(binding)}",
        ]
        if binding.answer is None:
            lines.append("TEXT: /(?s:.+)/")
        if binding.tools:
            # Where it is a token it ends the answer by itself.
            end = f"{mark(CALL)}?" if binding.special(CALL) is None else ""
            lines.append(f"call: {one_of(f'call_{index}' for index in range(len(binding.tools)))} {end}")
        for index, tool in enumerate(binding.tools):
            to = f"to=functions.{tool.name}"
            lines += [
                f"call_{index}: to_{index} json? {mark(MESSAGE)} body_{index}",
                f"to_{index}: {mark(CHANNEL)} comment {quoted(f' {to}')} | {quoted(f' {to}')} {mark(CHANNEL)} comment",
                f"body_{index}: {json_rule(arguments_schema(tool, ''))}",
            ]
        if binding.tools:
            lines += ['comment: "commentary"', f'json: " " {mark(CONSTRAIN)}? "json"']
        return "\n".join([*lines, ""])

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        del tools
        return ()

    def parser(self, tools: Sequence[Tool]) -> "HarmonyParser":
        """See Markup."""
        del tools
        return HarmonyParser()

    @staticmethod
    def _last(binding: Binding) -> str:
        if not binding.tools:
            return "final"
        return "call" if binding.required else "(call | final)"


class HarmonyParser:
    """Tells thoughts, speech and calls by the headers of messages; see CallParser.

    An answer without a header is speech.
    """

    def __init__(self) -> None:
        self._held = ""
        # Where what is held back begins.
        self._at = 0
        # None is in a header.
        self._kind: _Kind | None = None
        self._recipient = ""
        # White space before the first word, and after a call, is layout.
        self._trim = True

    def feed(self, text: str) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield what is certain now."""
        self._held += text
        yield from self._advance(ended=False)

    def close(self, *, truncated: bool) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield the rest; a call that was `truncated` by the token limit is not made, nor is a header spoken."""
        if truncated and self._kind is not _Kind.CALL:
            # The beginning of a marker, unless it is too short to tell.
            keep = max(overlap(self._held, marker) for marker in _MARKERS)
            self._held = self._held[: len(self._held) - (keep if keep > 1 or self._trim else 0)]
        elif truncated:
            self._held, self._kind = "", _Kind.SPEECH
        yield from self._advance(ended=True)

    def _advance(self, *, ended: bool) -> Iterator[Text | Reasoning | ToolCall]:
        while self._held or (ended and self._kind is _Kind.CALL):
            before = (len(self._held), self._kind)
            if self._kind is None:
                self._read_header(ended=ended)
            elif self._kind is _Kind.CALL:
                yield from self._read_call(ended=ended)
            else:
                yield from self._read_text(ended=ended)
            if (len(self._held), self._kind) == before:
                return

    def _read_header(self, *, ended: bool) -> None:
        begins = any(self._held.startswith(head) or head.startswith(self._held) for head in _HEADS)
        end = self._held.find(MESSAGE, 0, _LONGEST_HEADER)
        if begins and end >= 0:
            header = self._held[:end]
            channel, recipient = _CHANNEL.search(header), _RECIPIENT.search(header)
            self._drop(end + len(MESSAGE))
            self._recipient = recipient[1] if recipient else ""
            if self._recipient:
                self._kind = _Kind.CALL
            else:
                self._kind = _Kind.THOUGHT if channel and channel[1] == "analysis" else _Kind.SPEECH
        elif not begins or len(self._held) >= _LONGEST_HEADER:
            marker = next((marker for marker in _MARKERS if self._held.startswith(marker)), "")
            self._drop(len(marker))
            self._kind = _Kind.SPEECH
        elif ended:
            # A header and nothing after it, or a word that might have become one.
            if any(marker in self._held for marker in _MARKERS):
                self._drop(len(self._held))
            self._kind = _Kind.SPEECH

    def _read_text(self, *, ended: bool) -> Iterator[Text | Reasoning]:
        found = _MARKER.search(self._held)
        certain = len(self._held)
        if found:
            certain = found.start()
        elif not ended:
            certain -= max(overlap(self._held, marker) for marker in _MARKERS)
        text, at = self._held[:certain], self._at
        self._drop(certain)
        if self._kind is _Kind.THOUGHT:
            if text:
                yield Reasoning(text)
        else:
            said = text.lstrip() if self._trim else text
            if said:
                self._trim = False
                yield Text(said, at=at + len(text) - len(said))
        if found and found.group() in (START, CHANNEL):
            self._kind = None
        elif found:
            self._drop(len(found.group()))
            if found.group() in (END, CALL, RETURN):
                self._kind = None

    def _read_call(self, *, ended: bool) -> Iterator[ToolCall]:
        cursor = Cursor(self._held, ended=ended)
        try:
            cursor.space()
            empty = cursor.done or cursor.sees(CALL) or cursor.sees(END)
            arguments = {} if empty else cursor.value()
        except IncompleteError:
            return
        except MalformedError:
            arguments = None
        if isinstance(arguments, dict):
            self._drop(cursor.at)
            self._trim = True
            yield ToolCall(self._recipient, arguments)
        self._kind = _Kind.SPEECH

    def _drop(self, length: int) -> None:
        self._held = self._held[length:]
        self._at += length
