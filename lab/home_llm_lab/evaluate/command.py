"""`home-llm-lab evaluate`: models against data, through the server."""

from __future__ import annotations

import itertools
import json
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

from .client import MAX_TOKENS
from .models import ModelSpec, ModelSpecError, read_spec
from .report import failures, group_tables, table
from .rows import DataError, Task, read_tasks
from .run import Outcome
from .score import Score
from .server import ServerError
from .session import Conditions, evaluate, write_answers

HANDWRITTEN = "handwritten"
HELP = "score models on data, through the server that is shipped"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "data", nargs="?", default="data/test.jsonl", help="a file of houses and conversations, or handwritten"
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[LABEL=]MODEL[+ADAPTER.gguf]",
        help="home-135m, embedded, a .gguf file, or the address of a server; may be given several times",
    )
    parser.add_argument("--limit", type=int, default=0, help="most conversations; 0 is all")
    parser.add_argument("--per-house", type=int, default=0, help="most conversations of a house in a moment")
    parser.add_argument("--kinds", default="", help="only these kinds, with commas between; a star ends a beginning")
    parser.add_argument("--languages", default="", help="only these languages, with commas between")
    parser.add_argument("--parallel", type=int, default=4, help="requests at once (default: 4)")
    parser.add_argument("--max-tokens", type=int, default=MAX_TOKENS, help=f"of an answer (default: {MAX_TOKENS})")
    parser.add_argument("--threads", type=int, default=0, help="of the server; 0 is all")
    parser.add_argument("--context-size", type=int, default=8192, help="of the server (default: 8192)")
    parser.add_argument(
        "--home-assistant", action="store_true", help="the whole way: the integration in a real Home Assistant"
    )
    parser.add_argument(
        "--matcher",
        action="store_true",
        help="as --home-assistant, with its built-in matcher alone and before each model, too",
    )
    parser.add_argument("--command", dest="program", metavar="PROGRAM", help="the home-llm to serve with")
    parser.add_argument("--out", type=Path, help="folder for scores.json, scores.md and answers-MODEL.jsonl")
    parser.add_argument("--failures", type=Path, metavar="FILE", help="write what went wrong, for people to read")
    parser.add_argument("--most-failures", type=int, default=200, help="at most so many (default: 200)")
    parser.add_argument("--by-kind", action="store_true", help="tell each kind and each language, too")


def run_command(arguments: Namespace) -> int:
    """Evaluate, print a table, and return 0; 2 where something is wrong with what was given.

    Ctrl-C and SIGTERM end it with what has been answered.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        specs = [read_spec(text) for text in arguments.model or ([] if arguments.matcher else ["home-135m"])]
        results = list(_results(arguments, specs, _chosen(arguments)))
    except (DataError, ModelSpecError, ServerError) as error:
        print(f"home-llm-lab: {error}", file=sys.stderr)
        return 2
    scores = [result for _, result in results]
    print(table(scores) + (f"\n\n{group_tables(scores)}" if arguments.by_kind else ""))
    if arguments.out:
        _write(arguments.out, results)
    if arguments.failures:
        parts = [f"# {result.label}\n\n{failures(outcomes, arguments.most_failures)}" for outcomes, result in results]
        arguments.failures.write_text("\n".join(parts), "utf-8")
    return 0


def _results(
    arguments: Namespace, specs: Sequence[ModelSpec], tasks: Sequence[Task]
) -> Iterable[tuple[list[Outcome], Score]]:
    conditions = Conditions(
        parallel=arguments.parallel,
        threads=arguments.threads,
        context_size=arguments.context_size,
        max_tokens=arguments.max_tokens,
        program=arguments.program,
    )
    if not (arguments.home_assistant or arguments.matcher):
        yield from (evaluate(spec, tasks, conditions) for spec in specs)
        return
    from .in_house import evaluate_in_house  # noqa: PLC0415 - needs Home Assistant

    data = None if arguments.data == HANDWRITTEN else Path(arguments.data)
    yield from evaluate_in_house(data, tasks, specs, conditions, matcher=arguments.matcher)


def _write(folder: Path, results: Sequence[tuple[list[Outcome], Score]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scores = [result for _, result in results]
    for outcomes, result in results:
        write_answers(folder / f"answers-{_file_name(result.label)}.jsonl", outcomes)
    (folder / "scores.md").write_text(f"{table(scores)}\n\n{group_tables(scores)}\n", "utf-8")
    plain = [result.as_dict for result in scores]
    (folder / "scores.json").write_text(json.dumps(plain, indent=1) + "\n", "utf-8")


def _chosen(arguments: Namespace) -> list[Task]:
    kinds = [kind.strip() for kind in arguments.kinds.split(",") if kind.strip()]
    languages = [language.strip() for language in arguments.languages.split(",") if language.strip()]
    tasks = (
        task
        for task in _read(arguments.data, arguments.per_house)
        if (not kinds or any(_fits(task.kind, kind) for kind in kinds))
        and (not languages or task.language in languages)
    )
    found = list(itertools.islice(tasks, arguments.limit or None))
    if not found:
        raise DataError(f"{arguments.data} has no such conversations.")
    return found


def _read(data: str, per_house: int) -> Iterable[Task]:
    if data == HANDWRITTEN:
        try:
            from .houses import handwritten_houses  # noqa: PLC0415 - needs Home Assistant
        except ModuleNotFoundError as error:
            raise DataError(f"{HANDWRITTEN} needs {error.name}: use the environment with Home Assistant.") from error
        tasks: Iterable[Task] = (task for _, inside in handwritten_houses() for task in inside)
    else:
        tasks = read_tasks(Path(data))
    if not per_house:
        return tasks
    groups = itertools.groupby(tasks, key=lambda task: task.number)
    return (task for _, group in groups for task in itertools.islice(group, per_house))


def _fits(kind: str, wanted: str) -> bool:
    return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted


def _file_name(label: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-." else "_" for sign in label)
