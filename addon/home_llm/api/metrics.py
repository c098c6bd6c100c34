"""Prometheus metrics, under llama-server's names where they mean the same.

Source: tools/server/README.md of llama.cpp, `GET /metrics`.
"""

import time
from collections.abc import Iterator

import flask
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from home_llm.api.openapi import documented
from home_llm.runtime import Runtime


class _EngineCollector(Collector):
    """Reads the engine's totals when it is asked."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; only whether a model is loaded when none is."""
        totals = self._runtime.totals()
        yield GaugeMetricFamily("home_llm:model_loaded", "1 when a model can answer.", value=int(totals is not None))
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
            ("home_llm:requests", "Requests that ended.", totals.requests),
            ("home_llm:forced_tokens", "Generated tokens that a grammar left no choice about.", totals.forced_tokens),
            ("home_llm:queue_seconds", "Seconds that requests waited.", totals.queue_seconds),
        ):
            yield CounterMetricFamily(name, text, value=value)
        yield GaugeMetricFamily("llamacpp:requests_processing", "Requests that run.", value=totals.running)
        yield GaugeMetricFamily("llamacpp:requests_deferred", "Requests that wait.", value=totals.waiting)


def create_blueprint(runtime: Runtime) -> flask.Blueprint:
    """Return the route `/metrics`."""
    routes = flask.Blueprint("metrics", __name__)
    registry = CollectorRegistry()
    registry.register(_EngineCollector(runtime))
    started = str(int(time.time()))

    @routes.get("/metrics")
    @documented("Read Prometheus metrics", tag="llama-server", media="text/plain")
    def metrics() -> flask.typing.ResponseReturnValue:
        # The header is llama-server's.
        return flask.Response(
            generate_latest(registry),
            headers={"Process-Start-Time-Unix": started},
            content_type=CONTENT_TYPE_LATEST,
        )

    return routes
