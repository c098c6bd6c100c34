"""Write what a dataset is beside it: stats.json and DATASHEET.md."""

from __future__ import annotations

import json
from typing import Any

from .build import Order
from .errors import DataError
from .stats import Stats


def write_about(order: Order, stats: Stats) -> None:
    """Write stats.json and DATASHEET.md.

    Raises:
        DataError: the folder cannot be written.
    """
    told = {"seed": order.seed, "size": order.size, "format": order.form, "flat": order.flat, **stats.as_dict()}
    try:
        (order.out / "stats.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
        (order.out / "DATASHEET.md").write_text(_datasheet(told), "utf-8")
    except OSError as error:
        raise DataError(f"{order.out} cannot be written: {error.strerror}") from error


def _datasheet(told: dict[str, Any]) -> str:
    return f"# Dataset\n\n{told['conversations']:,} conversations.\n"
