"""LoRA adapters on disk: what a file says of itself, checked before llama.cpp sees it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .errors import GgufError, ModelError
from .gguf import Gguf, read_gguf


@dataclass(frozen=True)
class AdapterFile:
    """A LoRA adapter in a GGUF file.

    Attributes:
        path: the file.
        size: in bytes.
        identity: what tells this content from all other.
        architecture: of the models that it is for, in llama.cpp's words, such as `llama`.
        task_name: what it was made for, where it says so.
        prompt_prefix: what a prompt for it should begin with, where it says so.
        base: the model that it was made from, where it says so.
        base_norms: SHA-256 in hex of that model's norms, where it says so.
    """

    path: Path
    size: int
    identity: str
    architecture: str
    task_name: str
    prompt_prefix: str
    base: str = ""
    base_norms: str = ""

    @property
    def name(self) -> str:
        """The file's name, by which clients know it."""
        return self.path.name


def read_adapter(path: Path, architecture: str) -> AdapterFile:
    """Read the header of a LoRA adapter and check that it is a whole one for models of an architecture.

    llama.cpp checks the tensors against the model's. It also ends the process over a key of another type than it
    expects, so those that it reads are looked at here.

    Raises:
        ModelError: it is not there, not an adapter, cut short, or for another architecture.
    """
    try:
        facts = read_gguf(path)
        identity = file_identity(path)
    except FileNotFoundError:
        raise ModelError(f"There is no adapter {path}. Give the path of a .gguf file that this app can see.") from None
    except OSError as error:
        raise ModelError(f"The adapter {path} cannot be read: {error.strerror}.") from error
    kind = facts.metadata.get("general.type", "model")
    if kind != "adapter":
        what = "a model" if kind == "model" else f"a GGUF file of the type {kind!r}"
        raise GgufError(f"{path.name} is not a LoRA adapter but {what}. Adapters are made by convert_lora_to_gguf.py.")
    if facts.metadata.get("adapter.type") != "lora":
        raise GgufError(f"{path.name} is an adapter of another type than LoRA, the only one that can be applied.")
    if not isinstance(facts.metadata.get("adapter.lora.alpha", 0.0), float):
        raise GgufError(f"{path.name} is damaged: its adapter.lora.alpha is not a number with a fraction.")
    if "adapter.alora.invocation_tokens" in facts.metadata:
        raise GgufError(
            f"{path.name} is an activated LoRA, which works on a part of a prompt only; this is not supported."
        )
    if facts.architecture != architecture:
        raise ModelError(
            f"{path.name} is an adapter for models of the architecture {facts.architecture!r}, and the model's is "
            f"{architecture!r}. Choose an adapter that was made from this model."
        )
    return AdapterFile(
        path,
        facts.size,
        identity,
        architecture,
        task_name=_text(facts, "adapter.lora.task_name"),
        prompt_prefix=_text(facts, "adapter.lora.prompt_prefix"),
        base=_text(facts, "home_llm.base.name"),
        base_norms=_text(facts, "home_llm.base.norms"),
    )


def check_base(adapter: AdapterFile, path: Path, facts: Gguf) -> None:
    """Check that an adapter which tells what it was made from was made from this model, in whichever quant.

    Raises:
        ModelError: it was made from another.
    """
    if not adapter.base_norms or not facts.norms:
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for offset, length in facts.norms:
            file.seek(offset)
            digest.update(file.read(length))
    if digest.hexdigest() != adapter.base_norms:
        raise ModelError(
            f"{adapter.name} is an adapter for {adapter.base or 'another model'}, and {path.name} holds other weights. "
            "Choose the model that it was made from, or leave the adapter out."
        )


def file_identity(path: Path) -> str:
    """Return what tells a file's content from all others: where it is, its size, and when it was written."""
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def _text(facts: Gguf, key: str) -> str:
    value = facts.metadata.get(key)
    return value if isinstance(value, str) else ""
