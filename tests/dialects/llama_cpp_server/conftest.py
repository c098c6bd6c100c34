"""The mark of tests of clients, for running these tests alone."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the mark."""
    config.addinivalue_line("markers", "client(name, version): the client that a test is a check of")
