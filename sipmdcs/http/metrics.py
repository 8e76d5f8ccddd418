"""Metrics of one service for Prometheus, and the same numbers for its PVs.

Labels are bounded: routes by their templates, methods and statuses by those of HTTP. A path that a client makes up never
becomes one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPMethod

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from sipmdcs import __version__

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
UNMATCHED = "unmatched"
"""Route of a request that none serves."""
REFUSED = "refused"
"""Route of a request that did not come as far as the routes."""
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset(HTTPMethod)

_log = logging.getLogger(__name__)


class Metrics:
    """Counts of one service. Everything is called in its event loop."""

    def __init__(self, service: str) -> None:
        self.requests = 0
        """Answered so far."""
        self.active = 0
        """In work or waiting for their turn."""
        self.refused = 0
        """Answered with 4xx."""
        self.failed = 0
        """Answered with 5xx."""
        self._longest_s = 0.0
        self._registry = registry = CollectorRegistry()
        Info("sipmdcs", "Program and service", registry=registry).info({"version": __version__, "service": service})
        self._requests = Counter("sipmdcs_http_requests", "Requests answered", ["method", "route", "status"], registry=registry)
        self._seconds = Histogram(
            "sipmdcs_http_request_seconds", "From the head of a request to the end of its reply", ["route"],
            buckets=_BUCKETS, registry=registry,
        )  # fmt: skip
        self._received = Counter("sipmdcs_http_received_bytes", "Bytes received from clients", registry=registry)
        self._sent = Counter("sipmdcs_http_sent_bytes", "Bytes of bodies sent to clients", registry=registry)
        self._accepted = Counter("sipmdcs_http_connections_accepted", "Connections accepted", registry=registry)
        self._closed = Counter(
            "sipmdcs_http_connections_closed", "Connections closed by the service, by reason", ["reason"], registry=registry
        )
        self._watch("sipmdcs_http_requests_in_progress", "Requests in work or waiting", lambda: self.active)
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Show how many connections are open."""
        self._watch("sipmdcs_http_connections_open", "Connections open", count)

    def watch_waiting(self, count: Callable[[], int]) -> None:
        """Show how many requests wait for their turn."""
        self._watch("sipmdcs_http_requests_waiting", "Requests that wait for their turn", count)

    def _watch(self, name: str, documentation: str, count: Callable[[], int]) -> None:
        Gauge(name, documentation, registry=self._registry).set_function(count)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request is over.

        Args:
            method: as the client has it.
            route: template of the route, ``UNMATCHED`` or ``REFUSED``.
            status: of the reply.
            seconds: from its head to the end of the reply.
        """
        self.requests += 1
        self.refused += 400 <= status < 500
        self.failed += status >= 500
        self._longest_s = max(self._longest_s, seconds)
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def received(self, size: int) -> None:
        """Bytes came in."""
        self._received.inc(size)

    def sent(self, size: int) -> None:
        """Bytes of a body went out."""
        self._sent.inc(size)

    def accepted(self) -> None:
        """A connection was accepted."""
        self._accepted.inc()

    def closed(self, reason: str) -> None:
        """The service closed a connection, or did not take it."""
        self._closed.labels(reason).inc()

    def take_longest_s(self) -> float:
        """The longest time a request took since the last call, seconds."""
        longest, self._longest_s = self._longest_s, 0.0
        return longest

    def text(self) -> bytes:
        """All of it in Prometheus' text format. What the machine does not tell now is left out."""
        try:
            process = generate_latest(self._process)
        except (OSError, ValueError) as err:  # no descriptor is left, say
            _log.debug("no metrics of the process: %s", err)
            process = b""
        return generate_latest(self._registry) + process
