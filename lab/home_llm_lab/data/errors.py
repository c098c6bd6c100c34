"""What can be wrong with the making of data, in words that say what to do."""

from __future__ import annotations


class DataError(Exception):
    """Data cannot be made."""
