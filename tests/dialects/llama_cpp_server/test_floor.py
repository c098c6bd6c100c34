"""llama.cpp's own server tests against Home LLM: what has passed once passes.

`reference.txt` has what llama-server itself passes with the substitute model, `floor.txt` what Home LLM passes, and
`exceptions.txt` why it need not pass the rest. `record.py` writes the first two.
"""

import sys

import pytest

from llama_cpp_sources import llama_cpp_version
from llama_server_tests import read_exceptions, read_ids, run_server_tests

pytestmark = pytest.mark.client("llama.cpp's server tests", llama_cpp_version())


def covers(exceptions: dict[str, str], test: str) -> bool:
    """Return whether a test, or its whole module, is an exception."""
    return test in exceptions or test.partition("::")[0] in exceptions


def test_no_less_than_llama_server() -> None:
    """Every test that llama-server passes is on the floor, or an exception with a reason that still holds."""
    reference, floor, exceptions = set(read_ids("reference.txt")), set(read_ids("floor.txt")), read_exceptions()
    assert sorted(test for test in reference - floor if not covers(exceptions, test)) == []
    assert sorted(test for test in floor if covers(exceptions, test)) == []
    used = reference | {test.partition("::")[0] for test in reference}
    assert sorted(set(exceptions) - used) == []
    assert all(exceptions.values())


@pytest.mark.timeout(600)
def test_the_floor(capsys: pytest.CaptureFixture[str]) -> None:
    """Every test on the floor passes."""
    floor = read_ids("floor.txt")
    outcomes = run_server_tests("home-llm", only=floor)
    with capsys.disabled():
        passed = sum(outcome.passed for outcome in outcomes.values())
        reference = set(read_ids("reference.txt"))
        sys.stdout.write(
            f"\nllama.cpp's server tests: {passed} of {len(floor)} pass. Of the {len(reference)} that llama-server "
            f"passes, {len(reference - set(floor))} are exceptions.\n"
        )
    missing = {test: "it is not there" for test in floor if test not in outcomes}
    assert missing | {test: outcome.reason for test, outcome in outcomes.items() if not outcome.passed} == {}
