"""llama-server's flags as Home LLM's settings, and as fields of the requests where Home LLM has no setting for them."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from home_llm.api.webui_templates import instruction_template
from home_llm.settings import Settings

# How it computes, not what it answers; and formats of the prompt, which are always Jinja here.
_WITHOUT_EFFECT = (
    "--backend_sampling",
    "--cont-batching",
    "--embedding",
    "--jinja",
    "--no-cache-idle-slots",
    "--no-jinja",
    "--no-ui",
    "--offline",
    "--reranking",
    "--swa-full",
)
_VALUE_WITHOUT_EFFECT = (
    "--batch-size",
    "--cache-ram",
    "--model-draft",
    "--reasoning-format",
    "--spec-draft-n-max",
    "--spec-draft-n-min",
    "--spec-type",
    "--ubatch-size",
    "-fa",
)
# What a server may not have for the same to be asked of it: built-in tools, of which Home LLM has none, and pages of
# this machine alone, which are the only ones where there is no key.
_NOT_NEEDED = ("--cors-origins", "--tools")

# llama.cpp's own formats by their names, as the chat templates of models; ChatML is what models without one get.
_NAMED = {"chatml": None, "llama3": "meta-llama-Llama-3.1-8B-Instruct.jinja"}
_NAMED_BY_WEBUI = ("command-r",)
_KNOWN = (*_NAMED, *_NAMED_BY_WEBUI)
_TEMPLATES = Path("../../../models/templates")

# The model that most tests of the router ask for.
_ROUTED = "ggml-org/tinygemma3-GGUF:Q8_0"

_LEAST_CONTEXT = 256

# Where requests are answered with text, and the field for the length of the answer.
_LENGTHS = {
    "/completion": "n_predict",
    "/completions": "n_predict",
    "/infill": "n_predict",
    "/v1/completions": "max_tokens",
    "/chat/completions": "max_tokens",
    "/v1/chat/completions": "max_tokens",
    "/responses": "max_output_tokens",
    "/v1/responses": "max_output_tokens",
}
_SAMPLED = {*_LENGTHS, "/v1/messages"}
_LENGTH_FIELDS = {"n_predict", "max_tokens", "max_completion_tokens", "max_output_tokens"}
_CHATS = {"/chat/completions", "/v1/chat/completions", "/apply-template"}


@dataclass(frozen=True)
class Launch:
    """How a server is started.

    Attributes:
        settings: Home LLM's settings, but for the model and the data folder.
        model: the model file.
        template: a Jinja chat template in place of the model's.
        temperature: of requests that name none.
        length: tokens of the answers to requests that do not say how many; None is no limit.
        thinking: whether the model shall think where requests do not say; None leaves it to the template.
        verbose: whether answers tell their prompt.
    """

    settings: dict[str, Any]
    model: Path
    template: str | None
    temperature: float | None
    length: int | None
    thinking: bool | None
    verbose: bool

    def completed(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a request with what the flags say and it does not."""
        added: dict[str, Any] = {}
        if path in _SAMPLED:
            added |= {"temperature": self.temperature}
        if path in _LENGTHS and not _LENGTH_FIELDS & set(body):
            added[_LENGTHS[path]] = self.length if self.length is not None else -1
        if path in _CHATS:
            added |= {"enable_thinking": self.thinking, "verbose": self.verbose or None}
        return {**{name: value for name, value in added.items() if value is not None}, **body}


def read_flags(arguments: Sequence[str]) -> Launch:
    """Return what llama-server's flags ask for; ends the process where Home LLM has nothing for one of them."""
    parser = argparse.ArgumentParser(prog="llama-server", allow_abbrev=False, add_help=False)
    for name in _WITHOUT_EFFECT:
        parser.add_argument(name, action="store_true")
    for name in (*_VALUE_WITHOUT_EFFECT, *_NOT_NEEDED):
        parser.add_argument(name)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--alias", default="")
    parser.add_argument("--tags", default="")
    parser.add_argument("--metrics", action="store_true")
    parser.add_argument("--slots", action="store_true")
    parser.add_argument("--slot-save-path", default="")
    parser.add_argument("--no-slots", action="store_true")
    parser.add_argument("--chat-template")
    parser.add_argument("--chat-template-file", type=Path)
    parser.add_argument("--ctx-size", type=int, default=0)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--kv-unified", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--api-key", default="")
    parser.add_argument("--lora", action="append", default=[])
    parser.add_argument("--sleep-idle-seconds", type=float, default=0)
    parser.add_argument("-ctk", default="f16")
    parser.add_argument("-ctv", default="f16")
    parser.add_argument("--n-predict", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=-1)
    parser.add_argument("--temp", type=float)
    # Both `on` and `auto` tell templates that the model may think, which they take as unsaid here.
    parser.add_argument("--reasoning", choices=("on", "off", "auto"))
    parser.add_argument("--pooling", choices=("none", "mean", "cls", "last"), default="auto")
    parser.add_argument("--verbose", action="store_true")
    flags = parser.parse_args(arguments)
    # What a slot has room for is what a request has room for here.
    context = flags.ctx_size if flags.kv_unified else flags.ctx_size // flags.parallel
    # A router has no model of its own, and loads those that its requests name. Home LLM always has one.
    routes = flags.model is None
    model = Path(os.environ["SUBSTITUTE"]) if routes else flags.model
    template = flags.chat_template
    if template is not None and "{" not in template and " " not in template and template not in _KNOWN:
        parser.error(f"Home LLM has no template named {template}")
    return Launch(
        settings={
            "host": flags.host,
            "port": flags.port,
            # llama-server keeps the names in the order of the alphabet, and shows the first one.
            "alias": _ROUTED if routes else ",".join(sorted(flags.alias.split(","))),
            "router": "on" if routes else "off",
            "tags": flags.tags,
            "parallel": flags.parallel,
            "seed": flags.seed,
            "slot_folder": flags.slot_save_path,
            "slots": "off" if flags.no_slots else "on",
            "metrics": "on" if flags.metrics else "off",
            "context_size": max(context, _LEAST_CONTEXT) if context else 0,
            "threads": flags.threads,
            "api_key": flags.api_key,
            "adapters": ",".join(flags.lora),
            "idle_unload": flags.sleep_idle_seconds / 60,
            "cache_type": flags.ctk,
            "pooling": flags.pooling,
        },
        model=model,
        template=_template(template, flags.chat_template_file),
        temperature=flags.temp,
        length=None if flags.n_predict < 0 else flags.n_predict,
        thinking={"on": True, "auto": True, "off": False}.get(flags.reasoning),
        verbose=flags.verbose,
    )


def settings_of(launch: Launch, model: Path, data_dir: Path) -> Settings:
    """Return the settings for a model in a file and a data folder."""
    return Settings(**launch.settings, model=str(model), data_dir=data_dir)


def _template(given: str | None, file: Path | None) -> str | None:
    """Return the source of the template that is named, or written, or stands in a file."""
    if given in _NAMED:
        name = _NAMED[given]
        return None if name is None else (_TEMPLATES / name).read_text("utf-8")
    if given in _NAMED_BY_WEBUI:
        return instruction_template(given)
    return given if file is None else file.read_text("utf-8")
