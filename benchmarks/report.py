"""The table for the terminal, the page for the documentation, and its plot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.machine import Machine
from benchmarks.samples import Row, Series

BEGIN: Final = "<!-- results: written by script/bench -->"
END: Final = "<!-- end of results -->"

_HEADINGS: Final = ("Measure", "N", "Home LLM", "llama-server", "Ratio", "Goal", "")
# The plot's shape, in pixels.
_WIDTH, _LABELS, _BAR, _GAP, _TOP = 860, 400, 18, 12, 56
_COLOURS: Final = {"met": "#1a7f37", "missed": "#bc4c00", "failed": "#cf222e", "": "#57606a"}


@dataclass(frozen=True, slots=True)
class Results:
    """What one run with one model found.

    Args:
        model: file name of the weights.
        machine: what it ran on.
        date: when, as ISO 8601.
        context_size: tokens of context.
        ours: our version and flags.
        peer: llama-server's.
        rows: the measures.
        remarks: what else to know.
        sampling: whether it was a quick run, or what else was left out.
    """

    model: str
    machine: Machine
    date: str
    context_size: int
    ours: str
    peer: str
    rows: Sequence[Row]
    remarks: Sequence[str] = ()
    sampling: str = ""


def cells(row: Row) -> tuple[str, ...]:
    """Return a line of the table."""
    count = max(len(row.ours.values), len(row.other.values) if row.other else 0)
    other = _series(row.other, row.unit) if row.other else "-"
    if row.other and row.other_name:
        other = f"{other} ({row.other_name})"
    ratio = f"{row.ratio:.3g}" if row.ratio is not None else "-"
    return (row.title, str(count), _series(row.ours, row.unit), other, ratio, goal(row), _verdict(row))


def goal(row: Row) -> str:
    """Return the goal in words."""
    if row.goal is None:
        return "-"
    amount = f"1/{round(1 / row.goal)}" if row.goal < 0.2 else f"{row.goal:g}"
    return f"at least {amount}" if row.higher_is_better else f"at most {amount}"


def table(results: Results) -> str:
    """Return the table for a terminal, with notes and failures under it."""
    lines = [_HEADINGS, *(cells(row) for row in results.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    text = [_about(results), ""]
    for number, line in enumerate(lines):
        text.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            text.append("  ".join("-" * width for width in widths))
    text += ["", *(f"{title}: {note}" for title, note in _notes(results))]
    return "\n".join([*text, *results.remarks])


def page(runs: Sequence[Results], plots: Sequence[str]) -> str:
    """Return the results as Markdown.

    Args:
        runs: a run for each model.
        plots: the plot of each, as a path from the page.
    """
    parts: list[str] = []
    for results, plot in zip(runs, plots, strict=True):
        parts += [f"## {results.model}", "", _about(results), "", f"![Speed beside llama-server]({plot})", ""]
        parts += [_markdown(_HEADINGS), "| --- | --: | --: | --: | --: | --- | --- |"]
        parts += [_markdown(cells(row)) for row in results.rows]
        parts += ["", *(f"- {title}: {note}" for title, note in _notes(results))]
        parts += [*(f"- {remark}" for remark in results.remarks), ""]
    return "\n".join(parts).rstrip()


def write_page(path: Path, text: str) -> None:
    """Put results between the marks of a page, in place of what was there.

    Raises:
        ValueError: the page has no such marks.
    """
    before, begin, rest = path.read_text("utf-8").partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for results: {BEGIN} ... {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def plot(results: Results) -> str:
    """Return an SVG picture: a bar for each measure, as many times better than llama-server, on a logarithmic scale."""
    bars = [(row, advantage) for row in results.rows if not row.other_name and (advantage := row.advantage)]
    low = math.floor(math.log2(min([0.5, *(advantage for _, advantage in bars)])))
    high = math.ceil(math.log2(max([2.0, *(advantage for _, advantage in bars)])))
    height = _TOP + len(bars) * (_BAR + _GAP) + 24

    def place(value: float) -> float:
        return _LABELS + (math.log2(value) - low) / (high - low) * (_WIDTH - _LABELS - 70)

    size = f'width="{_WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_WIDTH} {height}" font-size="13">',
        "<style>text { font-family: sans-serif }</style>",
        f'<rect {size} fill="#ffffff"/>',
        f'<text x="10" y="20" font-size="15" font-weight="bold">{escape(results.model)}</text>',
        '<text x="10" y="40" fill="#57606a">How many times better than llama-server; the blue mark is the goal</text>',
    ]
    for exponent in range(low, high + 1):
        x = place(2.0**exponent)
        colour = "#24292f" if exponent == 0 else "#d0d7de"
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{height - 22}" stroke="{colour}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle" fill="#57606a">{2.0**exponent:g}</text>')
    for number, (row, advantage) in enumerate(bars):
        y = _TOP + 6 + number * (_BAR + _GAP)
        start, end = sorted((place(1), place(advantage)))
        parts.append(f'<text x="{_LABELS - 10}" y="{y + 13}" text-anchor="end">{escape(row.title)}</text>')
        parts.append(
            f'<rect x="{start:.1f}" y="{y}" width="{max(1.0, end - start):.1f}" height="{_BAR}" '
            f'fill="{_COLOURS[row.verdict]}"/>'
        )
        parts.append(f'<text x="{end + 6:.1f}" y="{y + 13}">{advantage:.3g}</text>')
        if row.goal is not None:
            x = place(min(max(row.goal if row.higher_is_better else 1 / row.goal, 2.0**low), 2.0**high))
            parts.append(
                f'<line x1="{x:.1f}" y1="{y - 3}" x2="{x:.1f}" y2="{y + _BAR + 3}" stroke="#0969da" stroke-width="3"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def number(value: float) -> str:
    """Return a value with three figures, and no fewer than it takes to write its whole part."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def _verdict(row: Row) -> str:
    return f"{row.verdict} (disturbed)".strip() if row.disturbed else row.verdict


def _series(series: Series, unit: str) -> str:
    summary = series.summary
    if summary is None:
        return "failed"
    if summary.count == 1:
        return f"{number(summary.median)} {unit}"
    return f"{number(summary.median)} ({number(summary.low)} to {number(summary.high)}) {unit}"


def _notes(results: Results) -> list[tuple[str, str]]:
    notes: list[tuple[str, str]] = []
    for row in results.rows:
        if row.ours.failure:
            notes.append((row.title, f"Home LLM failed: {row.ours.failure}."))
        if row.other and row.other.failure:
            notes.append((row.title, f"{row.other_name or 'llama-server'} failed: {row.other.failure}."))
        if row.disturbed:
            notes.append((row.title, row.disturbed))
        notes.extend((row.title, note) for note in row.notes if note)
    return notes


def _about(results: Results) -> str:
    machine = results.machine
    sampling = f" {results.sampling}" if results.sampling else ""
    return (
        f"{results.model}, context of {results.context_size:,} tokens. {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_gb:.0f} GB, {machine.system}. {results.date}.{sampling} "
        f"Ours: {results.ours}. Peer: {results.peer}. Medians, with the middle half of the N values in brackets."
    )


def _markdown(line: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in line)} |"
