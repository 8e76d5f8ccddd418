"""What leaves an agent: its records, and the same in the hot cache."""

from __future__ import annotations

from collections.abc import Mapping

from agents.cache import HotCache
from agents.declaration import Declaration
from agents.entry import encode_entry, ttl_of
from agents.plugin import OutputValue
from sipmdcs.clock import NS, Clock
from sipmdcs.publisher import Publisher, Value
from sipmdcs.severity import Severity, Status

_STRING_BYTES = 39


class AgentOutputs:
    """Outputs of one agent.

    Args:
        name: of the agent.
        prefix: ``DET:AGENT:NAME``.
        publisher: serves the records.
        cache: if the site has one.
        keep_intervals: time to live in the cache, in intervals of the agent.
        clock: for time stamps.
    """

    def __init__(
        self, name: str, prefix: str, publisher: Publisher, cache: HotCache | None, keep_intervals: int, clock: Clock
    ) -> None:
        self._name = name
        self._prefix = prefix
        self._publisher = publisher
        self._cache = cache
        self._keep = keep_intervals
        self._clock = clock

    def publish(self, declaration: Declaration, interval: float, values: Mapping[str, OutputValue], seq: int) -> None:
        """Give all outputs new values at once; one without a value is INVALID."""
        good: dict[str, Value] = {self._pv(name): _cut(value) for name, value in values.items() if value is not None}
        now = self._clock.time_ns()
        if good:
            self._publisher.post(good, time_ns=now)
        self._publisher.invalidate([self._pv(name) for name, value in values.items() if value is None], Status.UDF)
        self._to_cache(declaration, interval, values, now / NS, seq)

    def invalidate(self, declaration: Declaration, interval: float, status: Status, seq: int) -> None:
        """Say of all outputs that they mean nothing now."""
        self._publisher.invalidate([self._pv(output.name) for output in declaration.outputs], status)
        nothing = dict.fromkeys((output.name for output in declaration.outputs), None)
        self._to_cache(declaration, interval, nothing, self._clock.time_ns() / NS, seq, status)

    def _to_cache(
        self,
        declaration: Declaration,
        interval: float,
        values: Mapping[str, OutputValue],
        time: float,
        seq: int,
        status: Status = Status.UDF,
    ) -> None:
        if self._cache is None:
            return
        ttl = ttl_of(interval, self._keep)
        units = {output.name: output.unit for output in declaration.outputs}
        entries: dict[str, bytes] = {}
        for name, value in values.items():
            alarm = (Severity.INVALID, status) if value is None else self._publisher.alarm(self._pv(name))
            entries[self._pv(name)] = encode_entry(
                value,
                time=time,
                severity=alarm[0].name,
                status=alarm[1].name,
                unit=units[name],
                ttl=ttl,
                source=self._name,
                seq=seq,
            )
        self._cache.put(entries, ttl)

    def _pv(self, output: str) -> str:
        return f"{self._prefix}:{output}"


def _cut(value: float | int | str) -> Value:
    if isinstance(value, str):
        return value.encode()[:_STRING_BYTES].decode(errors="ignore")
    return value


def error_values(prefix: str, short: str, text: str) -> dict[str, Value]:
    """``LAST_ERROR`` and ``ERROR_TEXT``."""
    full = text.encode("ascii", "replace")[:1023] + b"\0"
    return {f"{prefix}:LAST_ERROR": _cut(short), f"{prefix}:ERROR_TEXT": list(full)}


def changed(values: Mapping[str, Value], posted: dict[str, Value]) -> dict[str, Value]:
    """Those of ``values`` that differ from what was posted before, which they become."""
    fresh = {name: value for name, value in values.items() if posted.get(name) != value}
    posted.update(fresh)
    return fresh
