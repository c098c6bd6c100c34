"""Prometheus metrics, under llama-server's names where they mean the same.

Source: tools/server/README.md of llama.cpp, `GET /metrics`.
"""

import threading
import time
from collections.abc import Iterator

import flask
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from home_llm.api.errors import ApiError
from home_llm.api.openapi import documented
from home_llm.engine import Totals
from home_llm.runtime import Runtime


class _Ledger:
    """The sums of all engines that there have been: those of one end with it, and counters only grow.

    An engine that has come and gone between two looks is not in them.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._past = Totals()
        self._current: tuple[Totals, Totals] | None = None
        self._seen = Totals()
        self._lock = threading.Lock()

    def read(self) -> tuple[Totals | None, tuple[float, float]]:
        """Return the sums, None where there has been no engine, and what was done since the last look.

        The latter is tokens of prompts and tokens of answers, each per second of work on them.
        """
        with self._lock:
            current = self._runtime.totals()
            if current is not None and current is not self._current:
                self._past = self._sums()
                self._current = current
            if self._current is None:
                return None, (0.0, 0.0)
            sums, before = self._sums(), self._seen
            if self._runtime.present() is None:
                sums.running = sums.waiting = 0
            self._seen = sums
        return sums, (
            _rate(sums.prompt_tokens - before.prompt_tokens, sums.prompt_seconds - before.prompt_seconds),
            _rate(sums.predicted_tokens - before.predicted_tokens, sums.predicted_seconds - before.predicted_seconds),
        )

    def _sums(self) -> Totals:
        sums = self._past
        for each in self._current or ():
            sums = sums.plus(each)
        return sums


class _EngineCollector(Collector):
    """Reads the engine's totals when it is asked."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = _Ledger(runtime)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; only whether a model is loaded until one has been."""
        loaded = int(self._runtime.present() is not None)
        yield GaugeMetricFamily("home_llm:model_loaded", "1 when a model can answer.", value=loaded)
        totals, (reading, speaking) = self._ledger.read()
        if totals is None:
            return
        for name, text, value in (
            ("llamacpp:prompt_tokens", "Prompt tokens processed.", totals.prompt_tokens),
            ("llamacpp:prompt_tokens_cached", "Prompt tokens found in the cache.", totals.cached_tokens),
            (
                "llamacpp:prompt_seconds",
                "Seconds from the beginning of prompts to first tokens.",
                totals.prompt_seconds,
            ),
            ("llamacpp:tokens_predicted", "Tokens generated.", totals.predicted_tokens),
            ("llamacpp:tokens_predicted_seconds", "Seconds of generating.", totals.predicted_seconds),
            ("llamacpp:n_decode", "Batches decoded.", totals.decodes),
            ("llamacpp:spec_decode_num_drafts", "Guesses at several tokens.", totals.drafts),
            ("llamacpp:spec_decode_num_draft_tokens", "Tokens that were guessed.", totals.draft_tokens),
            ("llamacpp:spec_decode_num_accepted_tokens", "Guessed tokens that were right.", totals.accepted_tokens),
            ("home_llm:requests", "Requests that ended.", totals.requests),
            ("home_llm:forced_tokens", "Generated tokens that a grammar left no choice about.", totals.forced_tokens),
            ("home_llm:queue_seconds", "Seconds that requests waited.", totals.queue_seconds),
        ):
            yield CounterMetricFamily(name, text, value=value)
        for name, text, value in (
            ("llamacpp:n_tokens_max", "Most tokens that a request had, with its prompt.", totals.most_tokens),
            ("llamacpp:prompt_tokens_seconds", "Prompt tokens per second, since the last look.", reading),
            ("llamacpp:predicted_tokens_seconds", "Generated tokens per second, since the last look.", speaking),
            ("llamacpp:n_busy_slots_per_decode", "Requests in a batch.", _rate(totals.shares, totals.decodes)),
            ("llamacpp:requests_processing", "Requests that run.", totals.running),
            ("llamacpp:requests_deferred", "Requests that wait.", totals.waiting),
        ):
            yield GaugeMetricFamily(name, text, value=value)


def _rate(count: float, per: float) -> float:
    return count / per if per > 0 else 0.0


def create_blueprint(runtime: Runtime) -> flask.Blueprint:
    """Return the route `/metrics`."""
    routes = flask.Blueprint("metrics", __name__)
    # It asks a collector that does not describe itself for its metrics when it is registered.
    registry = CollectorRegistry()
    registry.register(_EngineCollector(runtime))
    started = str(int(time.time()))

    @routes.get("/metrics")
    @documented("Read Prometheus metrics", tag="llama-server", media="text/plain")
    def metrics() -> flask.typing.ResponseReturnValue:
        if runtime.settings.metrics == "off":
            raise ApiError(501, "The metrics are switched off by the setting metrics.")
        # The header is llama-server's, and so is a counter whose name has no ending, which the library does not write.
        text = generate_latest(registry)
        return flask.Response(
            text.replace(b"TYPE llamacpp:n_tokens_max gauge", b"TYPE llamacpp:n_tokens_max counter"),
            headers={"Process-Start-Time-Unix": started},
            content_type=CONTENT_TYPE_LATEST,
        )

    return routes
