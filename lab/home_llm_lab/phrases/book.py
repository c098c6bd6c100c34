"""The phrase books: groups of templates by language, one folder of YAML files each."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from home_llm_lab.grammar import fill_forms

from .template import TemplateError, say, slots, template_key

LANGUAGES = ("en", "de", "fr", "es", "pl")


@dataclass(slots=True)
class Words:
    """What was said so far in an example, and from which templates."""

    book: Book
    rng: random.Random
    # Whether templates of the test split are used, or those of training.
    held_out: bool = False
    used: list[str] = field(default_factory=list)

    def say(self, group: str, **values: str) -> str:
        """Return something of a group, from one of its templates whose slots can be filled.

        Raises:
            TemplateError: the group has none of this split that can be filled.
        """
        fitting = [
            template
            for template in self.book.templates(group, held_out=self.held_out)
            if slots(template) <= set(self._filled(template, values))
        ]
        if not fitting:
            raise TemplateError(f"no template of {self.book.language}/{group} is filled by {', '.join(sorted(values))}")
        template = self.rng.choice(fitting)
        self.used.append(template_key(self.book.language, group, template))
        return say(template, self._filled(template, values), self.rng)

    def answer(self, group: str, **values: str) -> str:
        """Return an answer of the assistant. Answers are few and the same in all splits."""
        templates = [
            template
            for template in self.book.groups.get(group, ())
            if slots(template) <= set(self._filled(template, values))
        ]
        if not templates:
            raise TemplateError(f"no answer {self.book.language}/{group} is filled by {', '.join(sorted(values))}")
        template = self.rng.choice(templates)
        return say(template, self._filled(template, values), self.rng)

    def first(self, group: str, **values: str) -> str:
        """Return the first of a group, which needs no chance.

        Raises:
            TemplateError: there is no such group, or a slot of its first template is not filled.
        """
        templates = self.book.groups.get(group)
        if not templates:
            raise TemplateError(f"there is no {self.book.language}/{group}")
        return say(templates[0], self._filled(templates[0], values), self.rng)

    def _filled(self, template: str, values: Mapping[str, str]) -> Mapping[str, str]:
        """Return the values with the forms that a template asks for, such as {name_acc} of {name}."""
        return fill_forms(self.book.language, slots(template), values)


@dataclass(frozen=True, slots=True)
class Book:
    """All templates of a language."""

    language: str
    groups: Mapping[str, Sequence[str]]

    def templates(self, group: str, *, held_out: bool) -> list[str]:
        """Return the templates of a group in a split; about one in eight of a group of four or more is held out."""
        templates = list(self.groups.get(group, ()))
        if len(templates) < 4:
            return templates
        # By its own text, so that adding one moves no other; the first of all is held out where chance holds out none.
        out = [text for text in templates if int(template_key("", "", text)[-4:], 16) % 8 == 0] or templates[:1]
        return out if held_out else [text for text in templates if text not in out]


@functools.cache
def load_book(language: str) -> Book:
    """Return the phrase book of a language.

    Raises:
        TemplateError: a file is not a mapping of groups to lists of templates, or two files have the same group.
    """
    groups: dict[str, list[str]] = {}
    for path in sorted((Path(__file__).parent / language).glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for group, templates in content.items():
            if (
                group in groups
                or not isinstance(templates, list)
                or not all(isinstance(text, str) for text in templates)
            ):
                raise TemplateError(f"{path.name}: {group} is no list of templates, or there are two of it")
            groups[group] = templates
    return Book(language, groups)
