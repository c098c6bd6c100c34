"""The files that the Supervisor and HACS read, checked against the rules that these apply."""

import json
import os
import re
import struct
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from home_llm.settings import LOG_LEVELS, QUANTS, Settings

ROOT = Path(__file__).parents[2]
VERSION = "0.1.0"
LANGUAGES = ("de", "en", "es", "fr", "pl")

# What a missing key means to the Supervisor. Writing such a value out is an error for the app linter.
DEFAULTS: dict[str, Any] = {
    "advanced": False,
    "apparmor": True,
    "audio": False,
    "auth_api": False,
    "backup": "hot",
    "boot": "auto",
    "devicetree": False,
    "docker_api": False,
    "full_access": False,
    "gpio": False,
    "hassio_api": False,
    "hassio_role": "default",
    "homeassistant_api": False,
    "host_dbus": False,
    "host_ipc": False,
    "host_network": False,
    "host_pid": False,
    "host_uts": False,
    "ingress": False,
    "ingress_port": 8099,
    "ingress_stream": False,
    "init": True,
    "journald": False,
    "kernel_modules": False,
    "legacy": False,
    "options": {},
    "panel_admin": True,
    "panel_icon": "mdi:puzzle",
    "realtime": False,
    "schema": {},
    "stage": "stable",
    "startup": "application",
    "stdin": False,
    "timeout": 10,
    "tmpfs": False,
    "uart": False,
    "udev": False,
    "ulimits": {},
    "usb": False,
    "video": False,
}
OTHER_KEYS = {
    "arch",
    "backup_exclude",
    "backup_post",
    "backup_pre",
    "breaking_versions",
    "description",
    "devices",
    "discovery",
    "environment",
    "homeassistant",
    "image",
    "ingress_entry",
    "machine",
    "map",
    "name",
    "panel_title",
    "ports",
    "ports_description",
    "privileged",
    "services",
    "slug",
    "url",
    "version",
}
OPTION_TYPE = re.compile(
    r"(?P<kind>bool|email|url|port|str|password|int|float|match|list|device)(?:\((?P<range>.*)\))?(?P<optional>\?)?"
)


def load(path: str) -> Any:
    """Return what a YAML file of the repository holds."""
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


@pytest.fixture(name="config")
def config_fixture() -> dict[str, Any]:
    """The app's configuration."""
    config: dict[str, Any] = load("config.yaml")
    return config


def accepts(kind: str, value: Any) -> bool:
    """Return whether the Supervisor takes a value for an option of a type, as far as our types go."""
    match = OPTION_TYPE.fullmatch(kind)
    assert match, f"{kind} is not a type of option"
    limits = match["range"]
    if match["kind"] == "list":
        return str(value) in limits.split("|")
    if match["kind"] == "int":
        low, high = (limits or ",").split(",")
        return type(value) is int and (not low or value >= int(low)) and (not high or value <= int(high))
    return isinstance(value, str) and not limits


def files() -> list[str]:
    """Return the paths of all files that git tracks or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


# config.yaml


def test_required_keys(config: dict[str, Any]) -> None:
    """The five keys without which the store does not show an app are there and well formed."""
    assert config["name"] == "Home LLM"
    assert config["version"] == VERSION
    assert re.fullmatch(r"[-_.A-Za-z0-9]+", config["slug"])
    assert config["description"]
    assert sorted(config["arch"]) == ["aarch64", "amd64"]


def test_keys_are_known(config: dict[str, Any]) -> None:
    """There is no key that the linter does not know, nor one that is obsolete or has no use with ingress."""
    assert set(config) <= set(DEFAULTS) | OTHER_KEYS
    assert not {"watchdog", "webui", "auto_uart", "codenotary", "advanced", "image"} & set(config)


def test_no_key_equals_its_default(config: dict[str, Any]) -> None:
    """A key that says what holds anyway is an error for the linter."""
    nothing = object()
    assert not [key for key, value in config.items() if DEFAULTS.get(key, nothing) == value]


def test_breaking_versions_are_versions_of_the_changelog(config: dict[str, Any]) -> None:
    """Every version that is only installed by hand has an entry in the changelog, which says what to do."""
    entries = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert config["breaking_versions"]
    assert set(config["breaking_versions"]) <= set(entries)


def test_graphics_are_let_in_everywhere(config: dict[str, Any]) -> None:
    """The Supervisor hands over the graphics, the profile lets the server use them, and it joins their group."""
    assert config["video"] is True
    profile = (ROOT / "apparmor.txt").read_text("utf-8")
    assert "    /dev/dri/renderD* rw,\n" in profile[profile.index("  profile server ") :]
    assert "/dev/dri/renderD*" in (ROOT / "rootfs/etc/s6-overlay/s6-rc.d/home-llm/run").read_text("utf-8")


def test_s6_is_the_init(config: dict[str, Any]) -> None:
    """s6-overlay cannot work under Docker's own init."""
    assert config["init"] is False


def test_api_port_is_closed(config: dict[str, Any]) -> None:
    """The API port exists but is published only where the user says so; the ingress port never is."""
    assert config["ports"] == {"5000/tcp": None}


def test_discovery_names_our_integration(config: dict[str, Any]) -> None:
    """The Supervisor lets the app announce the service that the server announces."""
    source = (ROOT / "addon/home_llm/supervisor.py").read_text("utf-8")
    (service,) = re.findall(r'^SERVICE = "(.+)"$', source, re.MULTILINE)
    assert config["discovery"] == [service]
    assert (ROOT / "custom_components" / service).is_dir()


def test_options_fit_the_schema(config: dict[str, Any]) -> None:
    """Every default is valid, and every option without one is optional, or the app would not start."""
    schema, options = config["schema"], config["options"]
    assert set(options) <= set(schema)
    for name, value in options.items():
        assert accepts(schema[name], value), name
    for name in set(schema) - set(options):
        assert schema[name].endswith("?"), name


@pytest.mark.parametrize(
    ("name", "value"),
    [("quant", "Q2_K"), ("quant", ""), ("context_size", -1), ("context_size", "0"), ("log_level", "loud")],
)
def test_schema_refuses(config: dict[str, Any], name: str, value: object) -> None:
    """Values that the server could not use are refused in the form already."""
    assert not accepts(config["schema"][name], value)


def test_options_are_settings(config: dict[str, Any]) -> None:
    """Every option is a setting of the server, with the same default and the same choices."""
    names = {field: getattr(Settings(data_dir=Path("/data")), field) for field in config["schema"]}
    assert {name: names[name] for name in config["options"]} == config["options"]
    assert config["schema"]["quant"] == f"list({'|'.join(QUANTS)})"
    assert config["schema"]["log_level"] == f"list({'|'.join(LOG_LEVELS)})"


def test_secrets_are_password_fields(config: dict[str, Any]) -> None:
    """Whatever is secret in the settings is not shown in the form."""
    secrets = {name for name in config["schema"] if re.search(r"key|token|secret|password", name)}
    assert secrets == {"api_key", "hub_token"}
    assert all(config["schema"][name].startswith("password") for name in secrets)


@pytest.mark.parametrize(
    "path",
    [
        "/data/models",
        "/data/cache",
        "/data/models/owner/name/weights.gguf",
        "/data/other/weights.gguf",
        "/data/x.gguf.part",
    ],
)
def test_backups_leave_weights_out(config: dict[str, Any], path: str) -> None:
    """A backup holds no weights; the Supervisor matches each pattern with the end of the path."""
    assert any(PurePosixPath(path).match(pattern) for pattern in config["backup_exclude"])


@pytest.mark.parametrize("path", ["/data", "/data/api_key", "/data/options.json", "/data/models.json"])
def test_backups_keep_the_rest(config: dict[str, Any], path: str) -> None:
    """The key and the options are in every backup."""
    assert not any(PurePosixPath(path).match(pattern) for pattern in config["backup_exclude"])


def test_predicted_security_rating(config: dict[str, Any]) -> None:
    """The Supervisor's arithmetic gives 8 of 8 after installation."""
    assert not config.get("full_access")
    assert not config.get("docker_api")
    rating = 5
    if not config.get("apparmor", True):
        rating -= 1
    elif (ROOT / "apparmor.txt").is_file():
        rating += 1
    rating += 2 if config.get("ingress") else int(bool(config.get("auth_api")))
    risky = {
        "BPF",
        "DAC_READ_SEARCH",
        "NET_ADMIN",
        "NET_RAW",
        "PERFMON",
        "SYS_ADMIN",
        "SYS_MODULE",
        "SYS_PTRACE",
    }
    rating -= bool(set(config.get("privileged", [])) & risky) or bool(config.get("kernel_modules"))
    rating -= {"manager": 1, "admin": 2}.get(config.get("hassio_role", "default"), 0)
    rating -= int(bool(config.get("host_network"))) + 2 * int(bool(config.get("host_pid")))
    rating -= int(bool(config.get("host_uts") and "SYS_ADMIN" in config.get("privileged", [])))
    assert max(min(rating, 8), 1) == 8


# Translations


def test_five_languages() -> None:
    """Nothing but the five languages lies in the folder, which the Supervisor reads whole."""
    assert sorted(path.name for path in (ROOT / "translations").iterdir()) == [f"{code}.yaml" for code in LANGUAGES]


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_complete(config: dict[str, Any], language: str) -> None:
    """Each option has a name and a description, the port has one, and nothing else is there."""
    texts = load(f"translations/{language}.yaml")
    assert set(texts) == {"configuration", "network"}
    assert set(texts["configuration"]) == set(config["schema"])
    assert set(texts["network"]) == set(config["ports"])
    for entry in texts["configuration"].values():
        assert set(entry) == {"name", "description"}
        assert all(isinstance(text, str) and text.strip() == text and text for text in entry.values())


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_translations_are_translated(language: str) -> None:
    """No description is left in English."""
    english = load("translations/en.yaml")["configuration"]
    other = load(f"translations/{language}.yaml")["configuration"]
    assert not [name for name in english if english[name]["description"] == other[name]["description"]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_values(language: str) -> None:
    """The values that a user types or chooses are named as they are in every language."""
    texts = load(f"translations/{language}.yaml")["configuration"]
    for option, value in [
        ("model", "embedded"),
        ("quant", "auto"),
        ("quant", "none"),
        ("log_level", "debug"),
    ]:
        assert value in texts[option]["description"], (option, value)


# Everything around


def test_repository_file() -> None:
    """The store reads name, address and maintainer."""
    repository = load("repository.yaml")
    assert set(repository) == {"name", "url", "maintainer"}
    assert repository["url"] == load("config.yaml")["url"]


def test_no_stray_files() -> None:
    """No other file has a name that the Supervisor's globs take for an app's, a build's or a repository's."""
    wanted = {"config.yaml", "build.yaml", "repository.yaml"}
    stray = re.compile(r"(?:config|build|repository)\.(?:yaml|yml|json)")
    assert {name for name in files() if stray.fullmatch(Path(name).name)} <= wanted
    assert all((ROOT / name).is_file() for name in wanted)


@pytest.mark.parametrize(("name", "size"), [("icon.png", (128, 128)), ("logo.png", (250, 100))])
def test_pictures(name: str, size: tuple[int, int]) -> None:
    """Icon and logo are PNG files of the sizes that the app store shows."""
    head = (ROOT / name).read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == size


def test_versions_agree() -> None:
    """App, server, integration and the newest entry of the changelog have one version."""
    project = tomllib.loads((ROOT / "addon/pyproject.toml").read_text("utf-8"))["project"]
    manifest = json.loads((ROOT / "custom_components/home_llm/manifest.json").read_text("utf-8"))
    changelog = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert {load("config.yaml")["version"], project["version"], manifest["version"], changelog[0]} == {VERSION}


def test_wheel_takes_in_the_adapters() -> None:
    """Weights are ignored by git, and so left out of a wheel, but for the catalogue's own adapters."""
    taken = tomllib.loads((ROOT / "addon/pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["artifacts"]
    folder = "home_llm/models/adapters"
    assert f"{folder}/*.gguf" in taken
    ignored = ["git", "check-ignore", "--no-index", f"addon/{folder}/new.gguf"]
    assert subprocess.run(ignored, cwd=ROOT, check=False, capture_output=True).returncode == 1


def test_minimum_home_assistant_agrees() -> None:
    """HACS and the Supervisor ask for the same Home Assistant."""
    hacs = json.loads((ROOT / "hacs.json").read_text("utf-8"))
    assert hacs["homeassistant"] == load("config.yaml")["homeassistant"]
    assert hacs["name"] == load("config.yaml")["name"]


def test_documentation_names_every_option(config: dict[str, Any]) -> None:
    """DOCS.md explains each option and each quant."""
    text = (ROOT / "DOCS.md").read_text("utf-8")
    assert not [name for name in config["schema"] if f"`{name}`" not in text]
    assert not [quant for quant in QUANTS if f"`{quant}`" not in text]


def test_documentation_names_every_model() -> None:
    """The table of models in DOCS.md has a row for each entry of the catalogue and no other."""
    text = (ROOT / "DOCS.md").read_text("utf-8")
    table = text[text.index("### Models") : text.index("## Connecting")]
    catalogue = load("addon/home_llm/models/catalogue.yaml")
    assert re.findall(r"^\| `([^`]+)` \| [^ |]", table, re.MULTILINE) == [entry["id"] for entry in catalogue]


def test_workflow_runs_our_one_command() -> None:
    """The workflow calls .ci/run, which the repository holds, and pins its actions."""
    workflow = load(".github/workflows/checks.yaml")
    steps = workflow["jobs"]["checks"]["steps"]
    assert steps[-1]["run"] == "./.ci/run"
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert all(re.search(r"@v\d+$", step["uses"]) for step in steps if "uses" in step)
    assert workflow["permissions"] == {"contents": "read"}


def test_release_publishes_for_every_architecture(config: dict[str, Any]) -> None:
    """The workflow builds what config.yaml lists, natively, with the version and the flags of the Dockerfile."""
    text = (ROOT / ".github/workflows/release.yaml").read_text("utf-8")
    workflow = load(".github/workflows/release.yaml")
    assert sorted(json.loads(workflow["env"]["ARCHITECTURES"])) == sorted(config["arch"])
    uses = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    builder = [name for name in uses if name.startswith("home-assistant/builder/")]
    assert {name.split("@")[1] for name in builder} == {"2026.06.0"}
    assert {name.split("@")[0].rsplit("/", 1)[1] for name in builder} == {
        "prepare-multi-arch-matrix",
        "build-image",
        "publish-multi-arch-manifest",
    }
    (arguments,) = re.findall(r'CMAKE_ARGS="([^"]+)"', (ROOT / "Dockerfile").read_text("utf-8"))
    assert f'CMAKE_ARGS="{arguments}"' in text
    assert workflow["permissions"] == {"contents": "read"}


def test_compose_runs_the_image_as_its_user() -> None:
    """compose.yaml uses the image's user, commands that the server has, and settings that it knows."""
    services = load("compose.yaml")["services"]
    (uid,) = re.findall(r"useradd --system --uid (\d+)", (ROOT / "Dockerfile").read_text("utf-8"))
    known = {f"HOME_LLM_{item.name.upper()}" for item in fields(Settings)}
    for service in services.values():
        assert service["user"] == f"{uid}:{uid}"
        assert service["command"][0] in {"serve", "rpc-worker"}
        assert set(service.get("environment", {})) <= known
    # The image's check asks the port of the server.
    assert services["worker"]["healthcheck"] == {"disable": True}
    assert "healthcheck" not in services["server"]
    names = set(re.findall(r"\$\{(HOME_LLM_\w+)", (ROOT / "compose.yaml").read_text("utf-8")))
    assert names <= known | {"HOME_LLM_VERSION"}
