"""Runs all of llama.cpp's server tests and writes down those that pass; run it when llama.cpp has another version.

usage, from the repository's root, where script/test dialects and script/peer llama-server have been run once:

    PYTHONPATH=tests/helpers .venv-clients/bin/python tests/dialects/llama_cpp_server/record.py llama-server
    PYTHONPATH=tests/helpers .venv-clients/bin/python tests/dialects/llama_cpp_server/record.py home-llm

The first writes reference.txt. The second writes floor.txt: it runs the tests twice, keeps what passes both times, and
tells what llama-server passes and Home LLM does not, and which exceptions hold no more.
"""

import sys
import time

from llama_server_tests import FOLDER, Outcome, Peer, read_exceptions, read_ids, run_server_tests

_LISTS: dict[Peer, tuple[str, int]] = {"llama-server": ("reference.txt", 1), "home-llm": ("floor.txt", 2)}


def main(peer: Peer) -> None:
    """Run the tests and write the list."""
    name, times = _LISTS[peer]
    runs: list[dict[str, Outcome]] = []
    for _ in range(times):
        started = time.monotonic()
        runs.append(run_server_tests(peer))
        counts = [sum(each.outcome == word for each in runs[-1].values()) for word in ("passed", "failed", "skipped")]
        passed, failed, skipped = counts
        print(f"{peer}: {passed} passed, {failed} failed, {skipped} skipped in {time.monotonic() - started:.0f} s")
    known = read_exceptions()
    passing = sorted(
        test
        for test in runs[0]
        if all(test in run and run[test].passed for run in runs)
        and (peer == "llama-server" or not ({test, test.partition("::")[0]} & set(known)))
    )
    (FOLDER / name).write_text("".join(f"{test}\n" for test in passing), "utf-8")
    if peer == "llama-server":
        return
    for test in sorted(set(read_ids("reference.txt")) - set(passing)):
        known_as = {test, test.partition("::")[0]} & set(known)
        reason = next((run[test].reason for run in runs if test in run and not run[test].passed), None)
        if reason is None:
            print(f"EXCEPTED, BUT PASSES {test}" if test in runs[0] else f"OPEN  {test}: not run")
        else:
            print(f"{'known' if known_as else 'OPEN '} {test}: {reason}")


if __name__ == "__main__":
    (wanted,) = (peer for peer in _LISTS if peer == sys.argv[1])
    main(wanted)
