"""The rules of hassfest and HACS that files can break."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from custom_components.home_llm.problems import KINDS
from custom_components.home_llm.sensor import SENSORS

ROOT = Path(__file__).parents[2]
INTEGRATION = ROOT / "custom_components" / "home_llm"
LANGUAGES = ("de", "en", "es", "fr", "pl")


def load(name: str) -> Any:
    """Return a JSON file of the integration."""
    return json.loads((INTEGRATION / name).read_text(encoding="utf-8"))


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every translation."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}/{key}")
    else:
        yield path, tree


def test_manifest() -> None:
    """The keys are in hassfest's order, and those that HACS needs are there."""
    manifest = load("manifest.json")
    keys = list(manifest)
    assert keys == ["domain", "name", *sorted(set(keys) - {"domain", "name"})]
    assert {"codeowners", "documentation", "issue_tracker", "version"} <= set(keys)
    assert manifest["domain"] == INTEGRATION.name
    assert manifest["integration_type"] == "service"
    assert manifest["iot_class"] == "local_polling"
    assert manifest["dependencies"] == ["conversation"]
    assert manifest["after_dependencies"] == ["assist_pipeline", "hassio", "intent"]
    assert "requirements" not in manifest


def test_there_is_one_integration() -> None:
    """HACS takes a repository with exactly one integration."""
    folders = [path.name for path in INTEGRATION.parent.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert folders == ["home_llm"]


def test_icon() -> None:
    """The brand icon is a square of 256 pixels."""
    header = (INTEGRATION / "brand" / "icon.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:24]) == (256, 256)


def test_languages() -> None:
    """There are five languages, and the integration speaks exactly these."""
    assert sorted(path.stem for path in (INTEGRATION / "translations").iterdir()) == list(LANGUAGES)
    const = (INTEGRATION / "const.py").read_text(encoding="utf-8")
    spoken = re.search(r"^LANGUAGES = \((.*)\)$", const, re.MULTILINE)
    assert spoken is not None
    assert sorted(re.findall(r'"(\w+)"', spoken[1])) == list(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations(language: str) -> None:
    """Every language has the keys and placeholders of English, written out, without addresses or markup."""
    english = dict(leaves(load("translations/en.json")))
    texts = dict(leaves(load(f"translations/{language}.json")))
    assert list(texts) == list(english)
    for path, text in texts.items():
        assert text.strip() == text != "", path
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", english[path])), path
        assert not re.search(r"\[%key|https?://|<\w+|'{", text), path
    if language != "en":
        same = [path for path, text in texts.items() if text == english[path] and len(text) > 12]
        assert same == []


@pytest.mark.parametrize(
    "section",
    [
        "config",
        "config_subentries/conversation",
        "config_subentries/ai_task_data",
        "issues/model_missing/fix_flow",
        "issues/server_gone/fix_flow",
    ],
)
def test_steps(section: str) -> None:
    """Descriptions of fields belong to fields, and every field has one."""
    tree = load("translations/en.json")
    for key in section.split("/"):
        tree = tree[key]
    for name, step in tree["step"].items():
        for fields in (step, *step.get("sections", {}).values()):
            assert set(fields.get("data_description", {})) == set(fields.get("data", {})), name


def test_subentries() -> None:
    """Each kind of subentry has a name and a button."""
    kinds = load("translations/en.json")["config_subentries"]
    assert set(kinds) == {"ai_task_data", "conversation"}
    for kind in kinds.values():
        assert kind["entry_type"]
        assert kind["initiate_flow"]["user"]


def test_issues() -> None:
    """An issue has either a description or a flow that fixes it, as the code says."""
    texts = load("translations/en.json")["issues"]
    assert set(texts) == set(KINDS)
    for name, text in texts.items():
        fixable = KINDS[name].fixable
        assert text["title"]
        assert ("fix_flow" in text) is fixable, name
        assert ("description" in text) is not fixable, name


def test_services() -> None:
    """Every action and every field of it has a name and a description, and every action an icon."""
    services = yaml.safe_load((INTEGRATION / "services.yaml").read_text(encoding="utf-8"))
    texts = load("translations/en.json")["services"]
    assert set(services) == set(texts) == set(load("icons.json")["services"])
    for name, service in services.items():
        assert texts[name]["name"], name
        assert texts[name]["description"], name
        assert set(service["fields"]) == set(texts[name]["fields"]), name
        for field in texts[name]["fields"].values():
            assert field["name"]
            assert field["description"]


def test_every_message_is_translated_and_used() -> None:
    """Error keys in the code are the error keys of the translations."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in INTEGRATION.glob("*.py"))
    english = load("translations/en.json")
    assert set(re.findall(r'AgentError\(\s*"(\w+)"', code)) <= set(english["exceptions"])
    for key in [*english["exceptions"], *english["config"]["error"], *english["issues"]]:
        assert f'"{key}"' in code, key


def test_quality_scale() -> None:
    """Every rule is done, or exempt for a reason."""
    rules = yaml.safe_load((INTEGRATION / "quality_scale.yaml").read_text(encoding="utf-8"))["rules"]
    assert len(rules) == 54
    for name, rule in rules.items():
        assert rule == "done" or (rule["status"] == "exempt" and rule["comment"]), name


def test_icons() -> None:
    """Icons belong to translation keys of entities."""
    entities = load("icons.json")["entity"]
    assert set(entities["ai_task"]) == {"ai_task_data"}
    assert set(entities["conversation"]) == {"conversation"}
    assert set(entities["sensor"]) == {sensor.translation_key for sensor in SENSORS}
    assert set(load("translations/en.json")["entity"]["sensor"]) == set(entities["sensor"])
    for platform in entities.values():
        assert all(icon["default"].startswith("mdi:") for icon in platform.values())
