"""The kind of talk that comes from a file in alpaca form, where one is given."""

from __future__ import annotations

import os
from pathlib import Path

from home_llm_lab.example import Example
from home_llm_lab.kinds.alpaca import VARIABLE, load_alpaca
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import talk, turn
from home_llm_lab.phrases.template import template_key


def talk_alpaca(scene: Scene) -> Example | None:
    """Ask something of the file; about one question in eight is kept for tests."""
    if scene.words.book.language != "en":
        return None
    said, answer = scene.rng.choice(load_alpaca(Path(os.environ[VARIABLE])))
    key = template_key("en", "alpaca", said)
    if (int(key[-4:], 16) % 8 == 0) != scene.words.held_out:
        return None
    scene.words.used.append(key)
    return talk(scene, "talk_alpaca", turn(scene, said, answer, "talk"))


if os.environ.get(VARIABLE):
    kind("talk_alpaca", 6)(talk_alpaca)
