"""The catalogue's data and how a name is found in it."""

import re

import pytest

from home_llm.models.catalogue import MARKUPS, catalogue, find_entry, parse_catalogue, unknown_model
from home_llm.models.quants import parse_quant


def test_entries_are_complete() -> None:
    """Every entry has what a person needs to choose, in one sentence, and a repository or a reason."""
    for entry in catalogue():
        assert entry.title, entry.id
        assert entry.licence, entry.id
        assert entry.languages, entry.id
        assert entry.markup in MARKUPS, entry.id
        assert entry.good_for.endswith("."), entry.id
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.repository) or entry.note, entry.id
        assert all(re.fullmatch(r"[a-z]{2}", language) for language in entry.languages), entry.id


def test_home_models_of_every_generation() -> None:
    """All generations of Home models are there."""
    repositories = {entry.repository for entry in catalogue()}
    sizes = [f"acon96/Home-{size}-v{number}-GGUF" for size in ("1B", "3B") for number in (1, 2, 3)]
    assert repositories >= {*sizes, "acon96/Home-Llama-3.2-3B", "acon96/Home-FunctionGemma-270m"}
    generations = {entry.generation for entry in catalogue() if "home" in entry.id}
    assert generations >= {"v1", "v2", "v3", "3.2", "functiongemma"}
    assert find_entry("home-dolphin-mistral-7b")


def test_no_quant_or_size_is_written_down() -> None:
    """No repository in the catalogue is tied to a quant."""
    assert not [entry.id for entry in catalogue() if parse_quant(f"{entry.repository}.gguf")]


def test_find_by_id_and_repository() -> None:
    """An entry is found by id or repository in any case, and nothing by an empty name."""
    entry = find_entry("HOME-3b-v3")
    assert entry
    assert find_entry("ACON96/home-3b-v3-gguf") == entry
    assert find_entry("") is None
    assert find_entry("home-3b-v9") is None


def test_unknown_model_suggests() -> None:
    """A misspelt name gets the close ones suggested; a strange one gets the list."""
    assert "Did you mean home-3b-v3" in str(unknown_model("home-3b-v33"))
    assert "Known are: embedded, " in str(unknown_model("zzzz"))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"markup": "xml"}, "unknown markup"), ({"id": "UPPER"}, "lower case")],
)
def test_faulty_data(change: dict[str, str], message: str) -> None:
    """Data at fault names its entry."""
    item = {
        "id": "a", "title": "A", "repository": "o/a", "family": "f", "licence": "l",
        "languages": ["en"], "markup": "none", "good_for": "Tests.",
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        list(parse_catalogue([item]))
