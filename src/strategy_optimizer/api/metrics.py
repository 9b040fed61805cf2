"""Counts and times for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from strategy_optimizer.errors import StorageError
from strategy_optimizer.storage import STATES, Store

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_AGE = 2.0


class Metrics:
    """What one API process counts.

    Parameters
    ----------
    store : Store
        Asked for its numbers when they are scraped, at most every two seconds.
    """

    def __init__(self, store: Store) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "strategy_optimizer_requests",
            "Requests by route and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "strategy_optimizer_request_seconds",
            "Time until the answer began",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.sockets = Gauge("strategy_optimizer_sockets", "Open websockets", registry=self.registry)
        self.registry.register(_StoreCollector(store))

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.requests.labels(method, route, status).inc()
        self.seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry)


class _StoreCollector(Collector):
    """Numbers of the store: the same whichever API process is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked = float("-inf")
        self._counts: dict[str, int] | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("strategy_optimizer_database_up", "Whether the database answers")
        counts = self._fresh()
        up.add_metric([], 0.0 if counts is None else 1.0)
        yield up
        if counts is None:
            return
        tasks = GaugeMetricFamily("strategy_optimizer_tasks", "Tasks by state", labels=["state"])
        for state in STATES:
            tasks.add_metric([state], counts.get(state, 0))
        yield tasks

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())

    def _fresh(self) -> dict[str, int] | None:
        if time.monotonic() - self._asked > _AGE:
            self._asked = time.monotonic()
            try:
                self._counts = self._store.tasks.count_by_state()
            except StorageError:
                self._counts = None
        return self._counts
