"""llama.cpp's own server tests against Home LLM: what has passed once passes.

`reference.txt` has what llama-server itself passes with the substitute model, `floor.txt` what Home LLM passes, and
`exceptions.txt` why it need not pass the rest. `record.py` writes the first two.
"""

from collections.abc import Callable

import pytest

from llama_cpp_sources import llama_cpp_version
from llama_server_tests import read_exceptions, read_ids, run_server_tests

pytestmark = pytest.mark.client("llama.cpp's server tests", llama_cpp_version())


LEFT_OUT = "Left out: "
"""How the reason begins where there is no such thing in Home LLM at all."""


def covers(exceptions: dict[str, str], test: str) -> bool:
    """Return whether a test, or its whole module, is an exception."""
    return bool(reason_of(exceptions, test))


def reason_of(exceptions: dict[str, str], test: str) -> str:
    """Return why a test need not pass, or nothing."""
    return exceptions.get(test) or exceptions.get(test.partition("::")[0], "")


def test_every_test_of_llama_servers_is_accounted_for() -> None:
    """Every test that llama-server passes is on the floor, or an exception with a reason that still holds."""
    reference, floor, exceptions = set(read_ids("reference.txt")), set(read_ids("floor.txt")), read_exceptions()
    assert sorted(test for test in reference - floor if not covers(exceptions, test)) == []
    assert sorted(test for test in floor if covers(exceptions, test)) == []
    used = reference | {test.partition("::")[0] for test in reference}
    assert sorted(set(exceptions) - used) == []
    assert all(exceptions.values())


def test_as_many_as_llama_server(record_property: Callable[[str, object], None]) -> None:
    """Of what there is in Home LLM it passes as many tests as llama-server does."""
    reference, floor, exceptions = read_ids("reference.txt"), read_ids("floor.txt"), read_exceptions()
    there = [test for test in reference if not reason_of(exceptions, test).startswith(LEFT_OUT)]
    record_property(
        "told",
        f"{len(floor)} tests of the parts that Home LLM has, of which llama-server passes {len(there)} "
        f"({len(reference)} with {len(reference) - len(there)} of what Home LLM leaves out)",
    )
    assert len(floor) >= len(there)


@pytest.mark.timeout(600)
def test_the_floor(record_property: Callable[[str, object], None]) -> None:
    """Every test on the floor passes."""
    floor = read_ids("floor.txt")
    outcomes = run_server_tests("home-llm", only=floor)
    passed = sum(outcome.passed for outcome in outcomes.values())
    record_property("told", f"{passed} of {len(floor)} pass in this run")
    missing = {test: "it is not there" for test in floor if test not in outcomes}
    assert missing | {test: outcome.reason for test, outcome in outcomes.items() if not outcome.passed} == {}
