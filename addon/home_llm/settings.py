"""One frozen Settings, from the options file, the environment and flags."""

import json
import math
import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

ENVIRONMENT_PREFIX = "HOME_LLM_"
QUANTS = ("auto", "Q3_K_M", "Q3_K_L", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16", "none")
CACHE_TYPES = ("auto", "f16", "q8_0/f16", "q8_0", "q4_0")
CacheType = Literal["auto", "f16", "q8_0/f16", "q8_0", "q4_0"]
ON_OFF = ("on", "off")
OnOff = Literal["on", "off"]
POOLINGS = ("auto", "mean", "cls", "last", "none")
Pooling = Literal["auto", "mean", "cls", "last", "none"]
# Whole numbers with an end on either side, and what the lowest one means where that is something else.
_RANGES = (
    ("port", 1, 65535, ""),
    ("ingress_port", 0, 65535, ""),
    # llama.cpp knows 256 sequences, and some are kept for what they have read.
    ("parallel", 1, 64, ""),
    ("seed", -1, 2**32 - 1, " (drawn for each request)"),
)
LOG_LEVELS = ("trace", "debug", "info", "notice", "warning", "error", "fatal")


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names it and says what can."""


def _setting(default: Any, help_text: str, *, choices: tuple[str, ...] | None = None, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": help_text, "choices": choices, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set.

    Each field is a flag (`--context-size`), an environment variable (`HOME_LLM_CONTEXT_SIZE`) and a key of the options
    file (`context_size`). A flag wins over the environment, the environment over the options file.
    """

    # ruff: noqa: RUF009 - _setting is dataclasses.field
    host: str = _setting("127.0.0.1", "address to listen on, or several with commas between")
    port: int = _setting(5000, "port of the API")
    ingress_port: int = _setting(0, "port of the status page for Home Assistant's ingress; 0 is none")
    model: str = _setting("embedded", "embedded, a name of `home-llm models list`, a .gguf file, or owner/repository")
    quant: str = _setting("auto", "quant to download", choices=QUANTS)
    meanwhile: str = _setting("none", "what answers while the model is downloaded", choices=("none", "embedded"))
    repository: str = _setting("", "Hugging Face repository to use instead of the model's")
    file: str = _setting("", "file of the repository to use, when the quant does not tell it")
    context_size: int = _setting(0, "tokens of context; 0 chooses")
    parallel: int = _setting(8, "most requests that are answered at once; more of them wait")
    threads: int = _setting(0, "most threads to compute with; 0 is all this process may use")
    gpu_layers: int = _setting(
        -1, "layers to compute on graphics cards and RPC workers, where there are any; -1 is as many as fit, 0 none"
    )
    rpc_servers: str = _setting("", "machines that run `home-llm rpc-worker`, as HOST:PORT with commas between")
    adapters: str = _setting("", "LoRA adapters for the model: PATH or PATH=SCALE, with commas between")
    idle_unload: float = _setting(0.0, "minutes without requests after which the model is unloaded; 0 is never")
    cache_type: CacheType = _setting(
        "auto", "how keys and values are kept in memory; auto is q8_0/f16 where the keys bear it", choices=CACHE_TYPES
    )
    alias: str = _setting("", "name of the model for clients, in place of its own; more of them with commas between")
    tags: str = _setting("", "words that the list of models has for it, with commas between; they have no effect")
    seed: int = _setting(-1, "seed of the requests that name none; -1 draws one for each")
    router: OnOff = _setting(
        "off",
        "whether requests choose among the models of this machine by their names, and have them loaded",
        choices=ON_OFF,
    )
    pooling: Pooling = _setting(
        "auto",
        "what of a text its vector is: the mean of its tokens, the first (cls) or the last one, or none, which is a "
        "vector of each; auto is what the model was made for",
        choices=POOLINGS,
    )
    api_key: str = _setting(
        "", "key that clients must send; empty is open on the loopback and made for you elsewhere", secret=True
    )
    admin_key: str = _setting("", "key for loading and unloading models; empty is the API key", secret=True)
    slots: OnOff = _setting("on", "whether GET /slots is answered, which tells how many requests run", choices=ON_OFF)
    metrics: OnOff = _setting("on", "whether GET /metrics is answered", choices=ON_OFF)
    slot_folder: str = _setting("", "folder for slots that are saved by name; empty saves none")
    hang_timeout: float = _setting(
        300.0, "seconds without a step of a running request after which the server ends itself; 0 is never"
    )
    hub_token: str = _setting("", "Hugging Face token, for gated repositories", secret=True)
    hub_url: str = _setting("https://huggingface.co", "address of the Hugging Face hub, or of a mirror")
    data_dir: Path = _setting(Path(), "folder for downloaded models and state")
    log_level: str = _setting("info", "how much to log", choices=LOG_LEVELS)

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            SettingsError: one cannot be used.
        """
        for name, least, most, meaning in _RANGES:
            if not least <= getattr(self, name) <= most:
                raise SettingsError(f"{name} must be between {least}{meaning} and {most}, not {getattr(self, name)}")
        if self.ingress_port == self.port:
            raise SettingsError("ingress_port must differ from port")
        if self.context_size < 0 or 0 < self.context_size < 256:
            raise SettingsError(f"context_size must be 0 (chosen for you) or at least 256, not {self.context_size}")
        if not self.hosts:
            raise SettingsError("host must name an address to listen on")
        if self.threads < 0:
            raise SettingsError(f"threads must be 0 (chosen for you) or more, not {self.threads}")
        if not 0 <= self.idle_unload < math.inf:
            raise SettingsError(f"idle_unload must be 0 (never) or a number of minutes, not {self.idle_unload}")
        if self.gpu_layers < -1:
            raise SettingsError(f"gpu_layers must be -1 (as many as fit), 0 (none) or more, not {self.gpu_layers}")
        if not 0 <= self.hang_timeout < math.inf:
            raise SettingsError(f"hang_timeout must be 0 (never) or a number of seconds, not {self.hang_timeout}")
        _read_adapters(self.adapters)
        _read_servers(self.rpc_servers)
        for item in fields(self):
            choices = item.metadata["choices"]
            if choices and getattr(self, item.name) not in choices:
                raise SettingsError(
                    f"{item.name} must be one of {', '.join(choices)}, not {getattr(self, item.name)!r}"
                )
        if self.data_dir == Path():
            object.__setattr__(self, "data_dir", _default_data_dir())

    @property
    def wanted_model(self) -> str:
        """The model to run: the custom repository where one is given."""
        return self.repository or self.model

    @property
    def adapter_list(self) -> tuple[tuple[Path, float], ...]:
        """The adapters as paths and scales."""
        return _read_adapters(self.adapters)

    @property
    def rpc_server_list(self) -> tuple[str, ...]:
        """The RPC workers, each as `HOST:PORT`."""
        return _read_servers(self.rpc_servers)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses to listen on, each once."""
        return _listed(self.host)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the model that were given it; the first one is shown."""
        return _listed(self.alias)

    @property
    def tag_list(self) -> tuple[str, ...]:
        """The words for the model."""
        return _listed(self.tags)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the API."""
        return all(host in {"localhost", "::1", "[::1]"} or host.startswith("127.") for host in self.hosts)


def add_flags(parser: ArgumentParser) -> None:
    """Add a flag for every setting, and `--options`."""
    parser.add_argument("--options", type=Path, metavar="FILE", help="JSON file with settings")
    for item in fields(Settings):
        default = "" if item.default in ("", Path()) else f" (default: {item.default})"
        parser.add_argument(
            _flag(item.name),
            dest=item.name,
            metavar=item.name.rsplit("_", maxsplit=1)[-1].upper(),
            help=item.metadata["help"] + default,
        )


def load(flags: Namespace, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings.

    Args:
        flags: what was parsed with `add_flags`.
        environment: variables.

    Raises:
        SettingsError: a value, or the options file, cannot be used.
    """
    options = flags.options or environment.get(f"{ENVIRONMENT_PREFIX}OPTIONS")
    values: dict[str, Any] = read_options(Path(options)) if options else {}
    for item in fields(Settings):
        raw = getattr(flags, item.name, None)
        if raw is None:
            raw = environment.get(f"{ENVIRONMENT_PREFIX}{item.name.upper()}")
        if raw is not None:
            values[item.name] = raw
    converted = {name: _convert(name, value) for name, value in values.items()}
    return Settings(**converted)


def read_options(path: Path) -> dict[str, Any]:
    """Return the known settings of an options file; unknown keys and empty values are left out.

    Raises:
        SettingsError: the file is missing or broken.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"the options file {path} does not exist") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"the options file {path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"the options file {path} must hold a JSON object")
    known = {item.name for item in fields(Settings)}
    return {name: value for name, value in values.items() if name in known and value is not None}


def _read_adapters(text: str) -> tuple[tuple[Path, float], ...]:
    """Return adapters as paths and scales.

    Raises:
        SettingsError: a scale is no number, a path is missing or given twice.
    """
    adapters: dict[Path, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        path, equals, scale = item.rpartition("=")
        if not equals or scale.endswith(".gguf"):
            # The equals sign is a part of the file's name.
            path, scale = item, "1"
        try:
            value = float(scale)
        except ValueError:
            value = math.nan
        if not path.strip() or not math.isfinite(value):
            raise SettingsError(f"adapters must hold PATH or PATH=SCALE with a number as the scale, not {item!r}")
        file = Path(path.strip()).expanduser()
        if file in adapters:
            raise SettingsError(f"adapters names {file} twice; name it once, with its scale")
        adapters[file] = value
    return tuple(adapters.items())


def _read_servers(text: str) -> tuple[str, ...]:
    """Return RPC workers as `HOST:PORT`, each once.

    Raises:
        SettingsError: one is not written so.
    """
    servers = _listed(text)
    for server in servers:
        match = re.fullmatch(r"(?:[\w.-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})", server)
        if match is None or not 0 < int(match[1]) < 65536:
            raise SettingsError(f"rpc_servers must hold HOST:PORT with commas between, not {server!r}")
    return servers


def _listed(text: str) -> tuple[str, ...]:
    """Return what stands between commas, each once."""
    return tuple(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "home-llm"


def _convert(name: str, value: Any) -> Any:
    kind = next(item.type for item in fields(Settings) if item.name == name)
    if kind is int:
        try:
            if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
                raise ValueError  # noqa: TRY301 - the message below is the same for all
            return int(value)
        except (TypeError, ValueError):
            raise SettingsError(f"{name} must be a whole number, not {value!r}") from None
    if kind is float:
        try:
            return float("" if isinstance(value, bool) else value)
        except (TypeError, ValueError):
            raise SettingsError(f"{name} must be a number, not {value!r}") from None
    if kind is Path:
        return Path(str(value)).expanduser()
    if not isinstance(value, str):
        raise SettingsError(f"{name} must be text, not {value!r}")
    return value.strip()
