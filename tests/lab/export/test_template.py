"""The chat template of merged models: what the server shows a Home model, it shows too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import home_llm_lab.export
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

SOURCE = (Path(home_llm_lab.export.__file__).parent / "home.jinja").read_text("utf-8")
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {}}} for name in ("light.turn_on", "light.turn_off")
]
USER = {"role": "user", "content": "lights on, please"}


def render(messages: list[dict[str, Any]], **more: Any) -> str:
    """Return messages as the template shows them."""
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(SOURCE)
    return template.render(messages=messages, **more)


def calls(*made: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return an assistant's message with calls."""
    functions = [{"type": "function", "function": {"name": name, "arguments": given}} for name, given in made]
    return {"role": "assistant", "content": None, "tool_calls": functions}


def test_words_are_plain_chatml() -> None:
    """Without tools and calls it is ChatML and nothing else."""
    messages = [{"role": "system", "content": "Al"}, USER, {"role": "assistant", "content": "Done."}, USER]
    expected = (
        "<|im_start|>system\nAl<|im_end|>\n<|im_start|>user\nlights on, please<|im_end|>\n"
        "<|im_start|>assistant\nDone.<|im_end|>\n<|im_start|>user\nlights on, please<|im_end|>\n"
    )
    assert render(messages) == expected
    assert render(messages, add_generation_prompt=True) == f"{expected}<|im_start|>assistant\n"


def test_calls_and_the_sentence_are_one_turn() -> None:
    """Calls stand one a line with the target first, results that worked are not shown, and the sentence follows."""
    made = calls(
        ("light.turn_on", {"entity_id": "light.a", "brightness": 40}),
        ("light.turn_off", {"entity_id": "all", "except": ["light.a"]}),
        ("assist.start_timer", {"duration": "5 minutes"}),
    )
    done = {"role": "tool", "content": '{"data": {"result": "done"}, "error": false}'}
    said = {"role": "assistant", "content": "Done."}
    lines = (
        'light.turn_on(light.a, brightness=40)\nlight.turn_off(all, except=["light.a"])\n'
        'assist.start_timer(duration="5 minutes")'
    )
    start = "<|im_start|>user\nlights on, please<|im_end|>\n<|im_start|>assistant\n"
    assert render([USER, made, done, said]) == f"{start}{lines}\nDone.<|im_end|>\n"
    assert render([USER, made, done], add_generation_prompt=True) == f"{start}{lines}\n"
    assert render([USER, made]) == f"{start}{lines}<|im_end|>\n"


def test_an_error_is_told_by_the_user() -> None:
    """A failed call ends the turn, and what went wrong is said next."""
    made = calls(("light.turn_on", {"entity_id": "light.a"}))
    failed = {"role": "tool", "content": '{"error": "The lamp is gone"}'}
    assert render([USER, made, failed], add_generation_prompt=True).endswith(
        "<|im_start|>assistant\nlight.turn_on(light.a)<|im_end|>\n"
        '<|im_start|>user\nError: {"error": "The lamp is gone"}<|im_end|>\n<|im_start|>assistant\n'
    )


@pytest.mark.parametrize("system", [True, False])
def test_tools_are_named(system: bool) -> None:
    """Tools are named in the system prompt, which is made where there is none."""
    messages = [{"role": "system", "content": "Al"}, USER] if system else [USER]
    head = "Al\n\n" if system else ""
    assert render(messages, tools=TOOLS).startswith(
        f"<|im_start|>system\n{head}Services: light.turn_on, light.turn_off<|im_end|>\n<|im_start|>user\n"
    )
