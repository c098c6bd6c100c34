"""Runs what compose.yaml describes with podman, which needs no compose for it."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).parents[2] / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
# What is not of a single container: which image, when it is started, and the ports of this machine. Its own kind of
# health check is left to podman's flag, which turns all of them off.
_ELSEWHERE = {"image", "build", "profiles", "ports", "restart", "healthcheck", "command", "environment"}

_FLAGS: dict[str, Callable[[Any], list[str]]] = {
    "entrypoint": lambda value: ["--entrypoint", *value],
    "init": lambda value: ["--init"] if value else [],
    "user": lambda value: ["--user", value],
    "read_only": lambda value: ["--read-only", "--read-only-tmpfs=false"] if value else [],
    "tmpfs": lambda value: [f"--tmpfs={folder}" for folder in value],
    "cap_drop": lambda value: [f"--cap-drop={name}" for name in value],
    # Docker writes a colon where podman takes none.
    "security_opt": lambda value: [f"--security-opt={option.removesuffix(':true')}" for option in value],
    "volumes": lambda value: [f"--volume={volume.partition(':')[2]}" for volume in value],
}


def compose_arguments(service: str, image: str, variables: Mapping[str, str] | None = None) -> list[str]:
    """Return the arguments of `podman run` for a service: its flags, an image, and its command.

    Args:
        service: its name in compose.yaml.
        image: the image to run.
        variables: what a person would set in `.env`.
    """
    keys: dict[str, Any] = yaml.safe_load(_FILE.read_text("utf-8"))["services"][service]
    unknown = set(keys) - set(_FLAGS) - _ELSEWHERE
    assert not unknown, f"compose.yaml has keys that are not known here: {unknown}"
    flags = [flag for key, make in _FLAGS.items() if key in keys for flag in make(keys[key])]
    environment = keys.get("environment", {})
    flags += [f"--env={name}={_filled(text, variables or {})}" for name, text in environment.items()]
    return [*flags, image, *keys["command"]]


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its variables, each with what is set, or its default."""
    return _VARIABLE.sub(lambda match: values.get(match[1]) or match[2] or "", text)
