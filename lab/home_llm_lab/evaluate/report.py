"""Tables of scores in Markdown, and what went wrong as a list that people can work from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .intervals import Share
from .run import Outcome
from .score import MEASURES, Score

_OF_KINDS = ("right", "wrong device", "unsafe")
_MEGABYTE = 1_000_000


def table(scores: Sequence[Score]) -> str:
    """Return all scores in one table, a column a model."""
    rows = [["", *(score.label for score in scores)]]
    for name in MEASURES:
        told = [score.overall.get(name) for score in scores]
        if any(told):
            count = max(item.count for item in told if item)
            rows.append([f"{name} (N={count})", *(str(item) if item else "" for item in told)])
    costs = [score.cost for score in scores]
    # The whole way through Home Assistant tells no tokens.
    if any(cost.prompt_tokens for cost in costs):
        rows += [
            ["prompt tokens, median", *(f"{cost.prompt_tokens:.0f}" for cost in costs)],
            ["of them read before", *(f"{cost.cached:.0%}" for cost in costs)],
            ["answer tokens, median", *(f"{cost.completion_tokens:.0f}" for cost in costs)],
            ["first word, p50 / p95", *(f"{cost.first_p50:.2f} s / {cost.first_p95:.2f} s" for cost in costs)],
        ]
    rows += [
        ["whole answer, p50 / p95", *(f"{cost.total_p50:.2f} s / {cost.total_p95:.2f} s" for cost in costs)],
        [
            "peak memory",
            *(f"{cost.peak_memory / _MEGABYTE:.0f} MB" if cost.peak_memory else "not known" for cost in costs),
        ],
    ]
    if any(score.errors for score in scores):
        rows.append(["failed requests", *(str(score.errors) for score in scores)])
    return markdown(rows)


def group_tables(scores: Sequence[Score]) -> str:
    """Return a table of kinds and one of languages."""
    parts = []
    for title, groups in (
        ("kind", [score.kinds for score in scores]),
        ("language", [score.languages for score in scores]),
    ):
        names = sorted({name for group in groups for name in group})
        rows = [[title, "N", *(f"{score.label}: {name}" for score in scores for name in _OF_KINDS)]]
        for name in names:
            told = [group.get(name, {}) for group in groups]
            count = max(item["right"].count for item in told if item)
            rows.append([name, str(count), *(_short(item.get(measure)) for item in told for measure in _OF_KINDS)])
        parts.append(markdown(rows))
    return "\n\n".join(parts)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table, the first row of which is its head."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def failures(outcomes: Iterable[Outcome], limit: int) -> str:
    """Return what went wrong: how often which way in which kind, then one after the other.

    The first ones of each kind come first, so that a short list shows every fault.
    """
    wrong = [item for item in outcomes if not item.verdict.right]
    counts = Counter((item.task.kind, item.verdict.why) for item in wrong)
    lines = [f"# {len(wrong)} wrong answers", ""]
    lines += [markdown([["kind", "what is wrong", "how often"], *([*key, str(n)] for key, n in counts.most_common())])]
    for item in _spread(wrong)[:limit]:
        lines += ["", *_failure(item)]
    return "\n".join(lines) + "\n"


def _spread(wrong: Sequence[Outcome]) -> list[Outcome]:
    seen: Counter[tuple[str, str]] = Counter()
    ranked = []
    for number, item in enumerate(wrong):
        key = (item.task.kind, item.verdict.why)
        ranked.append((not item.verdict.unsafe, not item.verdict.wrong_device, seen[key], number, item))
        seen[key] += 1
    return [item for *_, item in sorted(ranked, key=lambda entry: (entry[2], *entry[:2], entry[3]))]


def _failure(item: Outcome) -> list[str]:
    task, answer = item.task, item.answer
    lines = [f"## {task.kind}: {item.verdict.why}", ""]
    lines += [f"    {message['role']}: {_flat(message['content'])}" for message in task.messages]
    expected = "\n".join([*map(str, task.expected), task.reply]).strip()
    got = "\n".join([*map(str, answer.calls), answer.text]).strip() or answer.error or "nothing"
    lines += [f"    EXPECTED: {_flat(expected)}", *(f"    OR: {_flat(_calls(calls))}" for calls in task.alternatives)]
    if task.says or task.never:
        lines.append(f"    SAYS: {' + '.join(task.says)}{' NEVER: ' if task.never else ''}{' '.join(task.never)}")
    lines += [f"    GOT: {_flat(got)}", "", f"House {task.number}, {task.language}, {task.cluster}", ""]
    return [*lines, *(f"    {line}" for line in _excerpt(item))]


def _excerpt(item: Outcome) -> list[str]:
    """Return the lines of the prompt that matter: of the devices meant and called, and those that sound like it."""
    task = item.task
    called = {str(value) for call in (*task.expected, *item.answer.calls) for value in _targets(call.arguments)}
    words = {word for word in _flat(task.said).casefold().split() if len(word) > 3}
    told = []
    for line in task.system.splitlines():
        entity = line.partition(" ")[0]
        if (
            entity in called
            or line.startswith(("Areas:", "Floors:", "The user is"))
            or (line.count("'") > 1 and any(word.strip(".,?!") in line.casefold() for word in words))
        ):
            told.append(line if len(line) < 240 else line[:239] + "\u2026")
    return told[:14]


def _targets(arguments: object) -> list[object]:
    values = list(arguments.values()) if isinstance(arguments, dict) else []
    return [part for value in values for part in (value if isinstance(value, list) else [value])]


def _calls(calls: Iterable[object]) -> str:
    return "\n".join(map(str, calls)) or "no call"


def _flat(text: str) -> str:
    return " \u23ce ".join(line.strip() for line in text.splitlines() if line.strip())


def _short(share: Share | None) -> str:
    return f"{share.value:.0%}" if share else ""
