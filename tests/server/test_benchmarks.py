"""The bench's own arithmetic: statistics, verdicts, prompts, streams, the page. Nothing here takes times."""

import json
import random
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import report
from benchmarks.client import BenchError, Stream, ask, stream
from benchmarks.machine import Machine, cores, peak_memory_mb
from benchmarks.measures import MEASURES
from benchmarks.prompts import COMMANDS, House, agents, call_schema, cut, random_tokens
from benchmarks.samples import Row, Series, summarize
from benchmarks.servers import Server
from home_llm.chat.template import ChatTemplate

TOOL = {
    "type": "function",
    "function": {
        "name": "HassTurnOn",
        "description": "Turns on",
        "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "mode": {"type": "string", "enum": ["a", "b"]}},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
}
HOUSE = House(
    version="1",
    entities=2,
    messages=[{"role": "system", "content": "\n".join(f"line {number} of the house" for number in range(200))}],
    tools=[TOOL],
    allowed_values={"name": ["Lamp", "Fan"]},
    compact_messages=[],
    compact_tools=[],
)


def words(text: str) -> int:
    """Count words, as a tokenizer would tokens."""
    return len(text.split())


def row(ours: Sequence[float], other: Sequence[float] | None, **more: Any) -> Row:
    """Return a row with these values."""
    return Row("m", "A measure", "s", Series(tuple(ours)), None if other is None else Series(tuple(other)), **more)


def test_summary_is_the_median_and_the_middle_half() -> None:
    """The quartiles are interpolated between values, whatever their order."""
    summary = summarize([5, 1, 4, 2, 3])
    assert (summary.low, summary.median, summary.high, summary.count) == (2, 3, 4, 5)
    assert summarize([7]) == summarize([7])
    assert summarize([7]).low == summarize([7]).high == 7
    with pytest.raises(ValueError, match="nothing"):
        summarize([])


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50))
def test_summary_lies_within_the_values(values: list[float]) -> None:
    """Quartiles are in order and within the extremes."""
    summary = summarize(values)
    slack = max(values) * 1e-9
    assert min(values) - slack <= summary.low <= summary.median + slack
    assert summary.median <= summary.high + slack <= max(values) + 2 * slack


def test_verdicts_follow_the_direction_of_the_measure() -> None:
    """A rate must reach its goal, a cost must stay below it, and equality is met."""
    assert row([10], [10], higher_is_better=True, goal=1.0).verdict == "met"
    assert row([9.9], [10], higher_is_better=True, goal=1.0).verdict == "missed"
    assert row([6], [10], goal=0.6).verdict == "met"
    assert row([6.1], [10], goal=0.6).verdict == "missed"
    assert row([6.1], [10]).verdict == ""
    assert row([5], [10]).advantage == 2
    assert row([5], [10], higher_is_better=True).advantage == 0.5


def test_failures_are_never_hidden_nor_turned_into_wins() -> None:
    """Our failure fails the row; the other's leaves it without a ratio and a verdict, and the reason is shown."""
    ours_failed = Row("m", "Turn", "s", Series((1.0,), "HTTP 500: no"), Series((2.0,)), goal=0.5)
    theirs_failed = Row("m", "Turn", "s", Series((1.0,)), Series((), "crashed"), goal=0.5)
    assert ours_failed.verdict == "failed"
    assert ours_failed.ratio is None
    assert theirs_failed.verdict == ""
    text = report.table(results([ours_failed, theirs_failed]))
    assert "Home LLM failed: HTTP 500: no." in text
    assert "llama-server failed: crashed." in text
    assert "failed" in report.cells(theirs_failed)[3]


def test_disturbed_measures_are_marked() -> None:
    """A goal met while others used the processor does not look like one that was met in peace."""
    disturbed = row([1], [4], goal=0.5, disturbed="others ran.")
    assert report.cells(disturbed)[-1] == "met (disturbed)"
    assert "others ran." in report.table(results([disturbed]))
    assert report.cells(row([1], [4], goal=0.5))[-1] == "met"


def test_ratio_is_of_the_medians() -> None:
    """One outlier does not move it."""
    assert row([1, 1, 50], [2, 2, 2]).ratio == 0.5


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123456, "0.0123"), (1.5, "1.50"), (41.84, "41.8"), (1613.7, "1,614"), (0, "0"), (999.6, "1,000")],
)
def test_numbers_have_three_figures(value: float, text: str) -> None:
    """Small numbers keep three figures and big ones their whole part."""
    assert report.number(value) == text


def test_goals_are_in_words() -> None:
    """Small goals are fractions."""
    assert report.goal(row([1], [1], goal=1 / 15)) == "at most 1/15"
    assert report.goal(row([1], [1], goal=1.0, higher_is_better=True)) == "at least 1"
    assert report.goal(row([1], [1])) == "-"


def results(rows: Sequence[Row]) -> report.Results:
    """Return results with these rows."""
    return report.Results(
        model="model & weights.gguf",
        machine=Machine("A processor", 2, 8.0, "Linux"),
        date="2026-01-01",
        context_size=8192,
        ours="ours 1",
        peer="theirs 2, -t 2",
        rows=rows,
        remarks=("Quiet.",),
    )


def test_page_replaces_only_what_the_bench_wrote(tmp_path: Path) -> None:
    """Words around the marks stay, older results go, and a second writing changes nothing."""
    page = tmp_path / "page.md"
    page.write_text(f"Before\n{report.BEGIN}\nold\n{report.END}\nAfter\n")
    text = report.page([results([row([1, 2], [2, 3], goal=0.6)])], ["images/plot.svg"])
    report.write_page(page, text)
    once = page.read_text()
    assert once.startswith("Before\n")
    assert once.endswith("\nAfter\n")
    assert "old" not in once
    assert "| A measure | 2 | 1.50 (1.25 to 1.75) s | 2.50 (2.25 to 2.75) s | 0.6 | at most 0.6 | met |" in once
    assert "theirs 2, -t 2" in once
    assert "- Quiet." in once
    report.write_page(page, text)
    assert page.read_text() == once


def test_page_without_marks_is_refused(tmp_path: Path) -> None:
    """Nothing is written over a page that has no place for results."""
    page = tmp_path / "page.md"
    page.write_text("mine")
    with pytest.raises(ValueError, match="no place"):
        report.write_page(page, "results")
    assert page.read_text() == "mine"


def test_committed_page_has_a_place_for_results() -> None:
    """The documentation's page carries both marks, in order."""
    text = (Path(__file__).parents[2] / "docs" / "performance.md").read_text("utf-8")
    assert 0 < text.index(report.BEGIN) < text.index(report.END)


def test_plot_draws_a_bar_for_each_ratio() -> None:
    """Better is right of one and worse is left of it; what has no ratio, or is about ourselves, has no bar."""
    rows = [
        row([1], [4], goal=0.5),
        row([4], [1], goal=0.5),
        row([1], None),
        row([1], [2], other_name="Home LLM, one agent"),
    ]
    picture = ET.fromstring(report.plot(results(rows)))
    name = "{http://www.w3.org/2000/svg}"
    bars = [bar for bar in picture.iter(f"{name}rect") if bar.get("x")]
    texts = [text.text for text in picture.iter(f"{name}text")]
    assert len(bars) == 2
    better, worse = bars
    assert float(worse.get("x", "")) + float(worse.get("width", "")) == pytest.approx(float(better.get("x", "")), abs=1)
    assert "4" in texts
    assert "0.25" in texts
    assert texts[0] == "model & weights.gguf"


def test_plot_of_nothing_is_still_a_picture() -> None:
    """A run in which everything failed draws its axes."""
    assert ET.fromstring(report.plot(results([row([1], None)]))).tag.endswith("svg")


def test_random_prompts_are_new_and_leave_out_the_ends() -> None:
    """Control tokens are at the ends of a vocabulary; two prompts share nothing to cache."""
    generator = random.Random(1)
    first, second = (random_tokens(generator, 512, 49152) for _ in range(2))
    assert len(first) == 512
    assert min(first) >= 983
    assert max(first) < 49152 - 983
    assert first[:8] != second[:8]


@given(st.integers(1, 3000))
def test_texts_are_cut_to_a_percent(tokens: int) -> None:
    """A cut text has at most so many tokens, and at least 98 percent of them and one less; short texts are repeated."""
    text = "the quick brown fox jumps over the lazy dog " * 3
    found = words(cut(text, tokens, words))
    assert tokens * 0.98 - 1 <= found <= tokens


def test_nothing_is_cut_to_nothing() -> None:
    """No tokens are no text, and an empty text cannot be made longer."""
    assert cut("a b c", 0, words) == ""
    assert cut("", 10, words) == ""


def test_agents_have_no_beginning_in_common() -> None:
    """The three prompts are of the same length, differ from the first word on, and are the same in every run."""
    prompts = agents(HOUSE, 300, words)
    assert prompts == agents(HOUSE, 300, words)
    assert len({prompt.split()[0] for prompt in prompts}) == 3
    assert all(290 <= words(prompt) <= 300 for prompt in prompts)


def test_schema_of_a_call_admits_only_tools_and_values_that_exist() -> None:
    """The peer is bound as tightly as we are, and the tools themselves stay as they were."""
    before = json.dumps(TOOL)
    schema = call_schema([TOOL], {"name": ["Lamp", "Fan"], "mode": ["c"]})

    def admits(name: str, arguments: dict[str, Any]) -> bool:
        return jsonschema.Draft202012Validator(schema).is_valid({"name": name, "arguments": arguments})

    assert admits("HassTurnOn", {"name": "Lamp"})
    assert admits("HassTurnOn", {"name": "Lamp", "mode": "b"})
    assert not admits("HassTurnOn", {"name": "Oven"})
    assert not admits("HassTurnOn", {"name": "Lamp", "mode": "c"})
    assert not admits("HassTurnOff", {"name": "Lamp"})
    assert not admits("HassTurnOn", {})
    assert json.dumps(TOOL) == before


def test_template_for_the_peer_says_the_tools_once() -> None:
    """With and without a system message the tools are in the first turn, and calls and results are written."""
    source = (Path(report.__file__).with_name("tools.jinja")).read_text("utf-8")
    template = ChatTemplate(source)
    assert template.knows_tools
    user = {"role": "user", "content": "turn on the lamp"}
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}
    turns: list[dict[str, Any]] = [user, call, {"role": "tool", "content": "done"}]
    for messages in ([{"role": "system", "content": "S"}, *turns], turns):
        text = template.render(messages, [TOOL], {})
        first, _, rest = text.partition("<|im_end|>\n")
        assert first.startswith("<|im_start|>system\n")
        assert json.dumps(TOOL) in first
        assert "HassTurnOn" not in rest
        assert '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>' in rest
        assert "<tool_response>\ndone\n</tool_response>" in rest
        assert text.endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert "tool_call" not in template.render([user], [], {})


def chunk(delta: dict[str, Any]) -> dict[str, Any]:
    """Return a chunk of a stream."""
    return {"choices": [{"delta": delta}]}


def call_delta(**function: str) -> dict[str, Any]:
    """Return a delta with a piece of a call."""
    return {"tool_calls": [{"index": 0, "function": function}]}


def test_call_is_complete_when_its_arguments_are() -> None:
    """Pieces are joined; neither the role nor half a call counts, and a wrong name never does."""
    answer = Stream(
        0.0,
        [
            (1.0, chunk({"role": "assistant", "content": None})),
            (2.0, chunk(call_delta(name="HassTurnOn", arguments=""))),
            (3.0, chunk(call_delta(arguments='{"name": {"a": 1}'))),
            (4.0, chunk(call_delta(arguments="}"))),
            (5.0, {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}),
            (6.0, {"choices": [], "usage": {"completion_tokens": 9, "prompt_tokens": 3}}),
        ],
    )
    assert answer.complete_call(frozenset({"HassTurnOn"})) == 4.0
    assert answer.complete_call(frozenset({"Other"})) is None
    assert (answer.first, answer.last, answer.completion_tokens) == (2.0, 5.0, 9)


def test_empty_streams_have_no_times() -> None:
    """An answer without a word, or without a count, is an error and not a fast answer."""
    answer = Stream(0.0, [(1.0, chunk({"role": "assistant", "content": None}))])
    with pytest.raises(BenchError, match="empty"):
        _ = answer.first
    with pytest.raises(BenchError, match="count"):
        _ = answer.usage


class Scripted(BaseHTTPRequestHandler):
    """Answers with what the path names."""

    answers: dict[str, tuple[int, bytes]] = {  # noqa: RUF012 - read only
        "/good": (200, b'data: {"choices": [{"text": "a"}]}\n\n: comment\n\ndata: [DONE]\n\n'),
        "/cut": (200, b'data: {"choices": [{"text": "a"}]}\n\n'),
        "/broken": (200, b'data: {"error": {"message": "it broke"}}\n\n'),
        "/busy": (429, b'{"error": {"message": "too many"}}'),
        "/whole": (200, b'{"usage": {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}}'),
    }

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        code, body = self.answers[self.path]
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(name="port", scope="module")
def port_fixture() -> Iterator[int]:
    """Serve the scripted answers."""
    with HTTPServer(("127.0.0.1", 0), Scripted) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_client_tells_good_answers_from_bad_ones(port: int) -> None:
    """Errors, broken streams and streams that end too soon are failures with their reason."""
    assert len(stream(port, "/good", {}).chunks) == 1
    for path, reason in (("/cut", "cut off"), ("/broken", "it broke"), ("/busy", "429: too many")):
        with pytest.raises(BenchError, match=reason):
            stream(port, path, {})
    reply = ask(port, "/whole", {})
    assert (reply.prompt_tokens, reply.cached_tokens) == (5, 4)
    assert reply.seconds > 0


def test_server_that_ends_at_once_is_a_failure_with_its_last_words(tmp_path: Path) -> None:
    """The reason is what it printed last, and nothing is left running."""
    server = Server("Test", [sys.executable, "-c", "raise SystemExit('no such model')"], tmp_path / "log")
    with pytest.raises(BenchError, match="no such model"):
        server.start()
    assert server.pid == 0


def test_measures_have_names_of_their_own() -> None:
    """`--only` can name each, and there are commands enough for a full run without repeating one."""
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    assert len(set(COMMANDS)) >= 10


def test_unknown_measure_is_refused() -> None:
    """The command says which there are, and starts nothing."""
    command = [sys.executable, "-m", "benchmarks", "--only", "decoed"]
    result = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert "decoed" in result.stderr
    assert "decode" in result.stderr


def test_machine_is_read() -> None:
    """There is at least one core, and this process holds some memory."""
    assert cores() >= 1
    assert peak_memory_mb(int(Path("/proc/self").readlink().name)) > 5
