"""Templates of what people say: `[please] (turn|switch) {on_off} {the_name}`.

Alternatives stand in round brackets, optional parts in square ones, slots in curly ones. A template is known by its
own text, so that splits can be disjoint by template, and its wording by the choices that were made in it.
"""

from __future__ import annotations

import functools
import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

_Node: TypeAlias = "str | _Choice | _Slot"

_MARK = re.compile(r"[()\[\]|]|\{[a-z_0-9]+\}|[^()\[\]|{}]+")


class TemplateError(ValueError):
    """A template is not well formed, or a slot is not filled."""


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[tuple[_Node, ...], ...]
    optional: bool


def slots(template: str) -> frozenset[str]:
    """Return the names of the slots of a template."""
    return frozenset(re.findall(r"\{([a-z_0-9]+)\}", template))


def template_key(language: str, group: str, template: str) -> str:
    """Return what a template is known by in splits."""
    digest = hashlib.blake2b(template.encode(), digest_size=6).hexdigest()
    return f"{language}/{group}/{digest}"


def say(template: str, values: Mapping[str, str], rng: random.Random) -> str:
    """Return one of the things that a template says.

    Raises:
        TemplateError: the template is not well formed, or a slot is not filled.
    """
    return " ".join("".join(_walk(_parse(template), values, rng)).split())


def _walk(nodes: tuple[_Node, ...], values: Mapping[str, str], rng: random.Random) -> list[str]:
    said: list[str] = []
    for node in nodes:
        match node:
            case str():
                said.append(node)
            case _Slot(name):
                if name not in values:
                    raise TemplateError(f"nothing fills {{{name}}}; there are {', '.join(sorted(values))}")
                said.append(values[name])
            case _Choice(options, optional):
                if not optional or rng.random() < 0.4:
                    said.extend(_walk(rng.choice(options), values, rng))
    return said


@functools.cache
def _parse(template: str) -> tuple[_Node, ...]:
    marks = _MARK.findall(template)
    if "".join(marks) != template:
        raise TemplateError(f"cannot read {template!r}")
    nodes, rest = _sequence(marks, template)
    if rest:
        raise TemplateError(f"a bracket closes that was never opened in {template!r}")
    return nodes


def _sequence(marks: list[str], template: str) -> tuple[tuple[_Node, ...], list[str]]:
    nodes: list[_Node] = []
    while marks and marks[0] not in (")", "]", "|"):
        mark, marks = marks[0], marks[1:]
        if mark in ("(", "["):
            closing = ")" if mark == "(" else "]"
            options: list[tuple[_Node, ...]] = []
            while True:
                option, marks = _sequence(marks, template)
                options.append(option)
                if not marks:
                    raise TemplateError(f"a bracket is left open in {template!r}")
                mark, marks = marks[0], marks[1:]
                if mark == closing:
                    break
                if mark != "|":
                    raise TemplateError(f"brackets do not match in {template!r}")
            nodes.append(_Choice(tuple(options), closing == "]"))
        elif mark.startswith("{"):
            nodes.append(_Slot(mark[1:-1]))
        else:
            nodes.append(mark)
    return tuple(nodes), marks
