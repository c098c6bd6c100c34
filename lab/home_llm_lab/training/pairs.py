"""Pairs of a right and a wrong answer: those of a dataset, or the right call made to another device of the house."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from .rows import Conversation

# Calls as the home format writes them, and what of a house's prompt can be their target.
_CALL = re.compile(r"^(?P<service>\w+\.\w+)\((?P<target>\w+\.\w+)(?=[,)])", re.MULTILINE)
_DEVICE = re.compile(r"^(?P<id>\w+\.\w+) '(?P<names>.*?)' = ", re.MULTILINE)
_PLACE = re.compile(r"\b(?:area|floor)\.\w+")


def make_pair(conversation: Conversation, seed: int) -> tuple[Conversation, Conversation] | None:
    """Return a conversation with its right last answer and the same with a wrong one, each learned alone.

    The wrong one is the row's own, else the right one with its first call made to another device of the same domain,
    or to another area or floor; None where there is neither.
    """
    wrong = conversation.rejected or wrong_device(conversation, seed)
    if wrong is None:
        return None
    messages = [*conversation.messages[:-1], {"role": "assistant", "content": wrong}]
    return replace(conversation, learn_all=False), replace(conversation, messages=messages, learn_all=False)


def wrong_device(conversation: Conversation, seed: int) -> str | None:
    """Return the last answer with another target of its first call, named so in the sentence; None if there is none."""
    answer = str(conversation.messages[-1].get("content") or "")
    call = _CALL.search(answer)
    if call is None:
        return None
    target, system = call["target"], conversation.system
    domain = target.partition(".")[0]
    names = {found["id"]: found["names"].split(", ") for found in _DEVICE.finditer(system)}
    places = set(_PLACE.findall(system))
    others = sorted(name for name in {*names, *places} - {target} if name.startswith(f"{domain}."))
    if not others:
        return None
    other = random.Random(f"{seed} {conversation.line} {answer}").choice(others)
    wrong = answer[: call.start("target")] + other + answer[call.end("target") :]
    head, newline, sentence = wrong.rpartition("\n")
    spoken = max((name for name in names.get(target, []) if name in sentence), key=len, default=None)
    if spoken is not None and other in names:
        sentence = sentence.replace(spoken, names[other][0])
    return f"{head}{newline}{sentence}"
