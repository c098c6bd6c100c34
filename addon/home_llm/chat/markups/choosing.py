"""In which markup a model writes calls: what its template shows, and what it was trained on."""

# The markups of fine-tuned models whose template is still that of their base.
_FINE_TUNED = frozenset({"home", "home-block", "home-json", "functioncall"})

# Markup, and what of its markers a template that shows calls holds: all of the first, none of the second. The first row
# that fits counts.
_SIGNS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("gpt-oss", ("<|channel|>", "<|message|>", "functions."), ()),
    ("functiongemma", ("<start_function_call>",), ()),
    ("gemma4", ("<|tool_call>",), ()),
    ("mistral-args", ("[TOOL_CALLS]", "[ARGS]"), ()),
    ("mistral", ("[TOOL_CALLS]",), ()),
    ("lfm2", ("<|tool_call_start|>",), ()),
    ("lfm2", ("<|tool_list_start|>",), ()),
    ("lfm2", ("List of tools: [", "<|im_start|>"), ()),
    ("phi", ("<|tool|>", "<|/tool|>"), ()),
    ("phi", ("<|tool_call|>", "<|/tool_call|>"), ()),
    ("granite", ("<|tool_call|>", "<|start_of_role|>"), ()),
    ("qwen-coder", ("<tool_call>", "<function="), ()),
    ("hermes", ("<tool_call>", '"arguments'), ("<tool_calls>",)),
    ("llama3", ("<|start_header_id|>", '"parameters": '), ()),
)


def shown_markup(template: str) -> str | None:
    """Return the markup that a chat template writes calls in, or None where it writes none that is known.

    Args:
        template: its Jinja source.
    """
    for name, signs, others in _SIGNS:
        if all(sign in template for sign in signs) and not any(sign in template for sign in others):
            return name
    return None


def own_markup(shown: str | None, trained: str | None) -> str:
    """Return the markup of a model.

    Its template is in its own file, and what the prompt shows is what the model writes. Only a model that was trained
    on calls for a house writes them in another way than the template of its base.

    Args:
        shown: by its template, see `shown_markup`.
        trained: by the catalogue; None or `none` where that does not know.
    """
    if trained in _FINE_TUNED:
        return trained
    return shown or (trained if trained and trained != "none" else "any")
