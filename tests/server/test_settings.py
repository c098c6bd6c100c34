"""Settings: flags over environment over options file, and what cannot be used."""

import json
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path

import pytest

from home_llm.settings import Settings, SettingsError, add_flags, load


def settings(*flags: str, **environment: str) -> Settings:
    """Return the settings for flags and HOME_LLM_ variables."""
    parser = ArgumentParser()
    add_flags(parser)
    return load(parser.parse_args(flags), {f"HOME_LLM_{name}": value for name, value in environment.items()})


def test_every_setting_is_a_flag_and_a_variable(tmp_path: Path) -> None:
    """Each field can be given either way."""
    values = {
        "port": "5001",
        "ingress_port": "8099",
        "context_size": "512",
        "threads": "2",
        "quant": "Q8_0",
        "cache_type": "q8_0",
        "log_level": "debug",
        "idle_unload": "2.5",
        "gpu_layers": "12",
        "rpc_servers": "neighbour:50052",
        "hang_timeout": "60.0",
        "meanwhile": "embedded",
        "pooling": "last",
        "parallel": "3",
        "seed": "42",
        "router": "on",
        "slots": "off",
        "metrics": "off",
    }
    for item in fields(Settings):
        value = values.get(item.name, f"/tmp/{item.name}" if item.name == "data_dir" else f"a-{item.name}")
        by_flag = getattr(settings("--" + item.name.replace("_", "-"), value), item.name)
        by_variable = getattr(settings(**{item.name.upper(): value}), item.name)
        assert str(by_flag) == str(by_variable) == value


def test_precedence(tmp_path: Path) -> None:
    """A flag wins over a variable, a variable over the options file, the file over the default."""
    options = tmp_path / "options.json"
    options.write_text(json.dumps({"port": 1, "context_size": 1024, "quant": "Q6_K", "unknown": 1, "model": None}))
    got = settings("--options", str(options), "--port", "3", PORT="2", CONTEXT_SIZE="2048")
    assert (got.port, got.context_size, got.quant, got.model) == (3, 2048, "Q6_K", "embedded")
    assert settings(OPTIONS=str(options)).quant == "Q6_K"


def test_a_custom_repository_wins() -> None:
    """A repository is used in place of the model."""
    assert settings("--repository", "owner/name").wanted_model == "owner/name"
    assert settings("--model", "qwen").wanted_model == "qwen"


def test_secrets_are_not_shown() -> None:
    """Keys and tokens are not in the text of the settings."""
    text = repr(settings("--api-key", "hunter2", "--admin-key", "hunter3", "--hub-token", "hunter4"))
    assert "hunter" not in text


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--port", "x"], "port"),
        (["--port", "70000"], "port"),
        (["--port", "0"], "port"),
        (["--ingress-port", "5000"], "ingress_port"),
        (["--context-size", "-1"], "context_size"),
        (["--context-size", "10"], "context_size"),
        (["--threads", "-1"], "threads"),
        (["--idle-unload", "-1"], "idle_unload"),
        (["--idle-unload", "nan"], "idle_unload"),
        (["--idle-unload", "soon"], "idle_unload"),
        (["--adapters", "a.gguf=strong"], "adapters"),
        (["--adapters", "=1"], "adapters"),
        (["--adapters", "a.gguf=inf"], "adapters"),
        (["--adapters", "a.gguf, b.gguf, a.gguf=2"], "twice"),
        (["--gpu-layers", "-2"], "gpu_layers"),
        (["--hang-timeout", "-1"], "hang_timeout"),
        (["--rpc-servers", "neighbour"], "rpc_servers"),
        (["--rpc-servers", "neighbour:0"], "rpc_servers"),
        (["--rpc-servers", "neighbour:50052, http://other:1"], "rpc_servers"),
        (["--meanwhile", "qwen"], "meanwhile"),
        (["--quant", "Q9"], "quant"),
        (["--pooling", "rank"], "pooling"),
        (["--parallel", "0"], "parallel"),
        (["--seed", "-2"], "seed"),
        (["--slots", "maybe"], "slots"),
        (["--host", " , "], "host"),
        (["--log-level", "loud"], "log_level"),
        (["--options", "/nowhere/options.json"], "/nowhere/options.json"),
    ],
)
def test_values_that_cannot_be_used(flags: list[str], named: str) -> None:
    """Each is refused with its name."""
    with pytest.raises(SettingsError, match=named):
        settings(*flags)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"x"',
        '{"port": "many"}',
        '{"model": 5}',
        '{"port": true}',
        "\x00",
        '{"idle_unload": true}',
        '{"adapters": ["a.gguf"]}',
    ],
)
def test_broken_options(tmp_path: Path, text: str) -> None:
    """A broken options file is refused in a sentence."""
    options = tmp_path / "options.json"
    options.write_text(text)
    with pytest.raises(SettingsError, match=r"\w+ \w+"):
        settings("--options", str(options))


def test_adapters() -> None:
    """Adapters are paths with or without a scale; an equals sign may be in a name, and blanks around."""
    assert settings().adapter_list == ()
    assert settings("--adapters", "/a/b.gguf, c=0.5 ,d=x.gguf,,e=f.gguf=-2").adapter_list == (
        (Path("/a/b.gguf"), 1.0),
        (Path("c"), 0.5),
        (Path("d=x.gguf"), 1.0),
        (Path("e=f.gguf"), -2.0),
    )


def test_rpc_servers() -> None:
    """Workers are hosts with ports; blanks and repetitions do not matter, and an IPv6 address has its brackets."""
    assert settings().rpc_server_list == ()
    text = "nuc.local:50052, 192.168.1.5:1 ,nuc.local:50052,,[fe80::1]:50052"
    assert settings("--rpc-servers", text).rpc_server_list == ("nuc.local:50052", "192.168.1.5:1", "[fe80::1]:50052")


def test_lists() -> None:
    """Addresses, names and tags stand between commas, each once."""
    got = settings("--host", "127.0.0.1, ::1,127.0.0.1", "--alias", "hal,,home", "--tags", "small , ")
    assert got.hosts == ("127.0.0.1", "::1")
    assert got.names == ("hal", "home")
    assert got.tag_list == ("small",)
    assert got.on_loopback
    assert not settings("--host", "127.0.0.1,192.168.1.5").on_loopback


def test_where_others_can_reach_it() -> None:
    """Only loopback addresses are this machine's own."""
    assert settings().on_loopback
    assert settings("--host", "127.0.0.5").on_loopback
    assert not settings("--host", "0.0.0.0").on_loopback
