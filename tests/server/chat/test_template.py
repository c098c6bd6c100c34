"""Chat templates."""

import pytest

from home_llm.chat.template import CHATML, ChatTemplate, TemplateError

MESSAGES = [{"role": "user", "content": "Hi"}]


def test_chatml() -> None:
    """The template for models without one is ChatML, up to where the assistant speaks."""
    prompt = ChatTemplate(CHATML).render(MESSAGES, [], {})
    assert prompt == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_helpers() -> None:
    """Templates find the helpers they expect: tojson without HTML escapes, loop controls, dates, tokens."""
    source = (
        "{{ bos_token }}{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m | tojson }}"
        "{% endfor %}{{ strftime_now('%Y') | length }}{{ tools[0].name }}{{ extra }}{{ eos_token }}"
    )
    template = ChatTemplate(source, bos="<s>", eos="</s>")
    assert template.knows_tools
    prompt = template.render([{"role": "user", "content": "<é>"}] * 2, [{"name": "t"}], {"extra": "!"})
    assert prompt == '<s>{"role": "user", "content": "<é>"}4t!</s>'


@pytest.mark.parametrize("source", ["{% if %}", "{{ unclosed"])
def test_broken_templates(source: str) -> None:
    """A template that is not Jinja is refused."""
    with pytest.raises(TemplateError, match="not valid"):
        ChatTemplate(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('Only user and assistant roles are supported!') }}",
        "{{ messages[5].content.missing }}",
        "{{ messages + 1 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    ],
)
def test_refusing_templates(source: str) -> None:
    """A template that refuses the messages, breaks on them or tries to leave the sandbox is an error, not a crash."""
    with pytest.raises(TemplateError, match="refuses"):
        ChatTemplate(source).render(MESSAGES, [], {})
