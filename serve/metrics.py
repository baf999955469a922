"""Counters for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """What the front counts; vLLM's own numbers are told behind them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter("emollm_requests", "Requests by path and status.", ("path", "status"), registry=own)
        self.seconds = Histogram(
            "emollm_request_seconds", "Time of a request.", ("path",), buckets=_SECONDS, registry=own
        )
        self.parts = Histogram(
            "emollm_part_seconds", "Time of a part of an explanation.", ("part",), buckets=_SECONDS, registry=own
        )
        self.inside = Gauge("emollm_requests_inside", "Requests that are worked on.", registry=own)
        self.up = Gauge("emollm_engine_up", "Whether vLLM answers.", registry=own)
        self.starts = Gauge("emollm_engine_starts", "How often vLLM was started.", registry=own)
        self.ended = Gauge("emollm_measurers_ended", "Measuring processes that fell or took too long.", registry=own)

    def text(self) -> str:
        """All of it in Prometheus' form."""
        return generate_latest(self._registry).decode()
