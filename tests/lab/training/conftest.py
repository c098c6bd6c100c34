"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from .tiny import house, write_base, write_rows


@pytest.fixture(name="base", scope="session")
def base_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny base."""
    torch.set_num_threads(1)
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(name="data", scope="session")
def data_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of eight houses."""
    return write_rows(tmp_path_factory.mktemp("data") / "train.jsonl", [house(number) for number in range(8)])


@pytest.fixture(autouse=True)
def _fresh_accelerator() -> Iterator[None]:
    """Let each training of a test say anew what it computes in, as processes do."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
