"""From a conversation to tokens, and which of them are learned: the answers, each with the token that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .rows import Conversation, RowError


@dataclass(frozen=True, slots=True)
class Encoded:
    """The tokens of a conversation.

    Attributes:
        tokens: as the server feeds the model, then as the model answers.
        learned: of each, whether the model is to say it: 0 no, 1 yes, 2 yes and it belongs to a call.
        kind: of the conversation.
        line: where it stands in its file.
    """

    tokens: npt.NDArray[np.int32]
    learned: npt.NDArray[np.int8]
    kind: str = ""
    line: int = 0


@dataclass(slots=True)
class ChatEncoder:
    """Encodes conversations with a model's own tokenizer and chat template.

    Attributes:
        tokenizer: a fast tokenizer of transformers.
        bos: the token that every text begins with, or None; not written twice where the template writes it.
        eos: the token that ends answers where the template writes none, or None.
        prefix_ids: with suffix_ids, mark the assistant's part in the tokens, for templates whose answers cannot be
            found by rendering.
        suffix_ids: see prefix_ids.
    """

    tokenizer: Any
    bos: int | None = None
    eos: int | None = None
    prefix_ids: Sequence[int] = ()
    suffix_ids: Sequence[int] = ()
    _heads: dict[str, list[int]] = field(default_factory=dict)
    _special: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Find the tokens that are special."""
        added = self.tokenizer.added_tokens_decoder
        self._special = frozenset(token for token, what in added.items() if what.special)

    def encode(self, conversation: Conversation) -> Encoded:
        """Return the tokens of a conversation.

        Raises:
            RowError: the template refuses the messages, or does not show an answer as it was given.
        """
        if self.prefix_ids:
            return self._marked(conversation)
        tokens: list[int] = []
        learned: list[int] = []
        done = ""
        answers = [index for index, message in enumerate(conversation.messages) if message["role"] == "assistant"]
        for index in answers:
            asked = self._render(conversation, index, generate=True)
            whole = self._render(conversation, index + 1)
            content = str(conversation.messages[index].get("content") or "")
            if not asked.startswith(done) or not whole.startswith(asked):
                raise RowError(
                    "the chat template does not show an earlier answer as it was given; "
                    "mark the answers with --prefix_ids and --suffix_ids"
                )
            told = self._ids(asked[len(done) :]) if done else self._first(asked, conversation.shared)
            answer = whole[len(asked) :]
            calls = self._ids(content[: content.rfind("\n") + 1])
            said = self._ids(answer)
            if self.eos is not None and index == answers[-1] and not self._special.intersection(said):
                said.append(self.eos)
            end = self._end(said)
            learn = conversation.learn_all or index == answers[-1]
            tokens += told + said[:end]
            learned += [0] * len(told)
            learned += [(2 if at < len(calls) else 1) if learn else 0 for at in range(end)]
            # What follows the end, a newline mostly, belongs to what is said next.
            closing = self.tokenizer.convert_ids_to_tokens(said[end - 1]) if end < len(said) else ""
            done = asked + answer[: answer.index(closing) + len(closing)] if closing else whole
        return _encoded(tokens, learned, conversation)

    def _render(self, conversation: Conversation, count: int, *, generate: bool = False) -> str:
        try:
            text = self.tokenizer.apply_chat_template(
                conversation.messages[:count],
                tools=conversation.tools,
                tokenize=False,
                add_generation_prompt=generate,
            )
        except Exception as error:  # templates raise what they like
            raise RowError(f"the chat template refuses the messages: {error}") from error
        return str(text)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer._tokenizer.encode(text, add_special_tokens=False).ids)  # noqa: SLF001 - twice as fast

    def _first(self, text: str, shared: str = "") -> list[int]:
        """Return the tokens of what begins a conversation.

        Most of it is the prompt of the house, which is tokenized once for all conversations, up to its last line that
        begins with a letter: there begins a new token in every tokenizer that splits text into words first.
        """
        at = text.find(shared) if shared else -1
        cut = at + len(shared)
        while at >= 0:
            cut = text.rfind("\n", at, cut)
            if cut < 0 or text[cut + 1 : cut + 2].isalpha():
                break
        head = text[: cut + 1] if at >= 0 and cut >= 0 else ""
        if head not in self._heads:
            if len(self._heads) >= 8:
                self._heads.clear()
            self._heads[head] = self._ids(head)
        tokens = self._heads[head] + self._ids(text[len(head) :])
        return tokens if self.bos is None or tokens[:1] == [self.bos] else [self.bos, *tokens]

    def _end(self, said: list[int]) -> int:
        """Return where an answer ends: behind its first special token, or behind its last where it has none."""
        return next((at + 1 for at, token in enumerate(said) if token in self._special), len(said))

    def _marked(self, conversation: Conversation) -> Encoded:
        tokens = self._first(self._render(conversation, len(conversation.messages)))
        learned = [0] * len(tokens)
        prefix, suffix = list(self.prefix_ids), list(self.suffix_ids)
        at = 0
        while at < len(tokens):
            if tokens[at : at + len(prefix)] != prefix:
                at += 1
                continue
            at += len(prefix)
            if not conversation.learn_all:
                learned = [0] * len(tokens)
            while at < len(tokens) and tokens[at : at + len(suffix)] != suffix:
                learned[at] = 1
                at += 1
            for last in range(at, min(at + len(suffix), len(tokens))):
                learned[last] = 1
        if not any(learned):
            raise RowError("prefix_ids is nowhere in its tokens")
        return _encoded(tokens, learned, conversation)


def _encoded(tokens: list[int], learned: list[int], conversation: Conversation) -> Encoded:
    return Encoded(np.asarray(tokens, np.int32), np.asarray(learned, np.int8), conversation.kind, conversation.line)
