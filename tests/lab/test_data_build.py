"""Whole datasets: the same for the same seed, disjoint splits, described, and refused where they cannot be made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from home_llm_lab.cli import main
from home_llm_lab.data import splits
from home_llm_lab.data.making import Plan
from home_llm_lab.data.stats import names_in
from home_llm_lab.data.write import Writer
from home_llm_lab.homes.vocabulary import load_vocabulary

SIZE = 150
FILES = ("train.jsonl", "valid.jsonl", "test.jsonl")


@pytest.fixture(name="folder", scope="module")
def folder_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a small dataset."""
    folder = tmp_path_factory.mktemp("data")
    assert _build(folder, "--processes", "2") == 0
    return folder


def test_the_number_of_processes_changes_nothing(folder: Path, tmp_path: Path):
    """One process and two write the same bytes."""
    assert _build(tmp_path, "--processes", "1") == 0
    for name in FILES:
        assert _digest(tmp_path / name) == _digest(folder / name), name


def test_splits_have_as_many_examples_as_they_should(folder: Path):
    """All splits together are of the size that was asked for."""
    counts = {name: len(_conversations(folder / name)) for name in FILES}
    assert counts == {f"{split}.jsonl": count for split, count in splits.targets(SIZE).items()}
    assert sum(counts.values()) == SIZE


def test_splits_are_disjoint(folder: Path):
    """No house, no device name and no wording of the test split is in training."""
    train, test = _lines(folder / "train.jsonl"), _lines(folder / "test.jsonl")
    assert not {line["house"] for line in train} & {line["house"] for line in test}
    assert not _names(train) & _names(test)
    assert not _wordings(train) & _wordings(test)


def test_templates_of_the_test_split_are_held_out(folder: Path):
    """Words of the test come from templates that training does not use, but for groups that are too small."""
    train = {key for item in _conversations(folder / "train.jsonl") for key in item["templates"]}
    test = {key for item in _conversations(folder / "test.jsonl") for key in item["templates"]}
    assert len(test - train) > len(test & train)


def test_rows_are_as_the_trainer_and_the_evaluation_read_them(folder: Path):
    """Each line has a house with its prompt and tools, and conversations that end with the assistant."""
    for line in [line for name in FILES for line in _lines(folder / name)]:
        assert line["prompt"].partition("\n")[2].startswith("Services: ")
        assert {tool["type"] for tool in line["tools"]} == {"function"}
        for item in line["conversations"]:
            roles = [message["role"] for message in item["messages"]]
            assert roles == ["user", "assistant"] * (len(roles) // 2)
            assert item["act"] in ("act", "tell", "ask", "refuse", "talk")
            assert (item["act"] == "act") is (
                "(" in item["messages"][-1]["content"].partition("\n")[0]
                and bool(item["messages"][-1]["content"].count("\n"))
            )


def test_statistics_and_datasheet_tell_what_was_written(folder: Path):
    """The files are described with counts, digests, and what was thrown away."""
    stats = json.loads((folder / "stats.json").read_text())
    assert stats["conversations"] == SIZE
    assert stats["sha256"] == {name.removesuffix(".jsonl"): _digest(folder / name) for name in FILES}
    assert stats["shared_with_train"]["test"]["names"] == 0
    assert sum(kind["kept"] for kind in stats["kinds"].values()) >= SIZE
    sheet = (folder / "DATASHEET.md").read_text()
    assert f"{SIZE} conversations" in sheet
    assert stats["sha256"]["train"] in sheet


def test_flat_rows_are_written_in_another_format(tmp_path: Path):
    """A format of one conversation a row is written as messages."""
    assert _build(tmp_path, "--format", "hermes", "--tools", "reduced") == 0
    rows = _lines(tmp_path / "train.jsonl")
    assert len(rows) == splits.targets(SIZE)["train"]
    assert any("<tool_call>" in message["content"] for row in rows for message in row["messages"])


def test_houses_of_splits_and_seeds_are_others():
    """No two splits and no two seeds share a house."""
    seeds: list[int] = []
    for seed in (1, 2):
        for split in splits.SPLITS:
            plans = splits.plans(split, seed, ["en"], conversations=25, kind=None)
            seeds += [plan.seed for plan, _ in zip(plans, range(50), strict=False)]
    assert len(set(seeds)) == len(seeds)


def test_languages_come_as_often_as_they_should():
    """About as many houses speak a language as it is meant to have."""
    plans = splits.plans("train", 1, list(splits.LANGUAGES), conversations=25, kind=None)
    found = [plan.language for plan, _ in zip(plans, range(2000), strict=False)]
    assert 0.55 < found.count("en") / len(found) < 0.65
    assert set(found) == set(splits.LANGUAGES)


def test_a_plan_is_plain_data():
    """Plans go to other processes, and are equal where they mean the same."""
    assert Plan(1, "test", "en") == Plan(1, "test", "en", 25)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "huge"], "There is no size 'huge'. Sizes are small, medium, full, or a number from 25 on."),
        (["--size", "3"], "no size '3'"),
        (["--languages", "xx"], "xx.yaml"),
        (["--languages", ","], "at least one language"),
        (["--kind", "act_nothing"], "There is no kind 'act_nothing'. There are: act_"),
        (["--show", "nothing"], "There is no kind 'nothing'"),
        (["--processes", "0"], "one process"),
        (["--out", "/proc/nothing/here"], "/proc/nothing/here cannot be written"),
    ],
)
def test_bad_input_says_what_to_do(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]):
    """What cannot be made is refused with a sentence, and status 2."""
    assert main(["data", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.startswith("home-llm-lab: ")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A file is no folder to write to."""
    file = tmp_path / "data"
    file.write_text("something else")
    assert main(["data", "--out", str(file)]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert file.read_text() == "something else"


def test_an_interrupted_build_leaves_what_was_there(tmp_path: Path):
    """A file is only replaced by one that is complete."""
    path = tmp_path / "train.jsonl"
    path.write_text("before\n")
    with pytest.raises(KeyboardInterrupt):
        _write_half(path)
    assert path.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [path]
    with Writer(path) as writer:
        writer.write({"house": 1})
    assert path.read_text() == '{"house":1}\n'


def test_an_unknown_command_lists_those_there_are(capsys: pytest.CaptureFixture[str]):
    """The command names its commands."""
    with pytest.raises(SystemExit):
        main(["dance"])
    assert "evaluate" in capsys.readouterr().err


def test_devices_are_found_in_a_prompt():
    """Names and aliases are read from the lines of devices, not from areas, and the sun is left out."""
    prompt = (
        "You.\nServices: a\nAreas: area.x 'Den'\nDevices:\n"
        "light.a 'Big Lamp, Sunny' = on\nscene.b 'Relax'\nsun.sun 'Sun' = above_horizon"
    )
    assert names_in(prompt) == {"big lamp", "sunny", "relax"}


def test_the_first_words_of_each_list_are_for_everybody():
    """What people say most is never kept from training."""
    words = load_vocabulary("en")
    for kind in words.words["things"]:
        group = words.list("things", kind)
        assert not any(words.unseen(word, group) for word in group[:2])


def _write_half(path: Path) -> None:
    """Write a line, and be interrupted."""
    with Writer(path) as writer:
        writer.write({"house": 1})
        raise KeyboardInterrupt


def _build(folder: Path, *more: str) -> int:
    """Build a small English dataset."""
    return main(["data", "--size", str(SIZE), "--seed", "5", "--languages", "en", "--out", str(folder), *more])


def _lines(path: Path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _conversations(path: Path):
    return [item for line in _lines(path) for item in line["conversations"]]


def _names(lines):
    return {name for line in lines for name in names_in(line["prompt"])}


def _wordings(lines):
    return {
        tuple(message["content"].casefold() for message in item["messages"] if message["role"] == "user")
        for line in lines
        for item in line["conversations"]
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
