"""What every service says about itself once a second: heartbeat, uptime, errors, processor time, memory.

All of it is decoration: what cannot be measured or posted is left out and logged once, and the work goes on. Nothing here opens
a file after the start, so a process without a free descriptor keeps its heartbeat.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable

from sipmdcs import __version__
from sipmdcs.clock import Clock
from sipmdcs.logs import ErrorCounter
from sipmdcs.publisher import Publisher, Value

HEARTBEAT_PERIOD_S = 1.0
RATE_WINDOW_S = 60
"""``ERROR_RATE`` counts the errors of so many seconds."""

_STRING_BYTES = 39
"""What a ``stringin`` holds besides its terminator (``MAX_STRING_SIZE`` of EPICS Base)."""

_log = logging.getLogger(__name__)


class VitalSigns:
    """The PVs of ``service.template``, kept up to date.

    Args:
        publisher: serves them.
        pv: full name of one of them from its last part.
        clock: what time it is.
        errors: what has been logged.
    """

    def __init__(self, publisher: Publisher, pv: Callable[[str], str], clock: Clock, errors: ErrorCounter) -> None:
        self._publisher = publisher
        self._pv = pv
        self._errors = errors
        self._failing: set[str] = set()
        self._start = clock.monotonic()
        self._beat = 0
        self._counts: deque[int] = deque([0], maxlen=RATE_WINDOW_S)
        self._constant: dict[str, Callable[[], Value]] = {"VERSION": lambda: __version__, "PID": os.getpid}
        self._measure: dict[str, Callable[[], Value]] = {
            "UPTIME": lambda: clock.monotonic() - self._start,
            "ERRORS": lambda: errors.count,
            "ERROR_RATE": lambda: errors.count - self._counts[0],
            "LAST_ERROR": lambda: errors.last.encode()[:_STRING_BYTES].decode(errors="ignore"),
            "CPU": _ProcessorTime(),
        }

    async def run(self) -> None:
        """Post until cancelled."""
        memory = _ResidentMemory()
        self._measure["MEMORY"] = memory
        try:
            while True:
                self.post()
                await asyncio.sleep(HEARTBEAT_PERIOD_S)
        finally:
            memory.close()

    def post(self) -> None:
        """Post all once; each by itself, whatever becomes of the others."""
        self._post("HEARTBEAT", lambda: self._beat)
        self._constant = {suffix: measure for suffix, measure in self._constant.items() if not self._post(suffix, measure)}
        for suffix, measure in self._measure.items():
            self._post(suffix, measure)
        self._counts.append(self._errors.count)
        self._beat += 1

    def _post(self, suffix: str, measure: Callable[[], Value]) -> bool:
        name = self._pv(suffix)
        try:
            self._publisher.post({name: measure()})
        except Exception as err:  # noqa: BLE001 - whatever it is, decoration must not end the work
            if name not in self._failing:
                self._failing.add(name)
                _log.error("%s is not up to date: %s: %s", name, type(err).__name__, err)
            return False
        if name in self._failing:
            self._failing.discard(name)
            _log.warning("%s is up to date again", name)
        return True


class _ProcessorTime:
    """Percentage of one core since the last call."""

    def __init__(self) -> None:
        self._last = (time.monotonic(), time.process_time())

    def __call__(self) -> float:
        now, used = time.monotonic(), time.process_time()
        (then, used_then), self._last = self._last, (now, used)
        return 100.0 * (used - used_then) / (now - then) if now > then else 0.0


class _ResidentMemory:
    """Megabytes in memory (``/proc/self/statm``, held open once it could be opened)."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._page_mb = os.sysconf("SC_PAGE_SIZE") / 1e6

    def __call__(self) -> float:
        if self._file is None:
            self._file = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        return int(os.pread(self._file, 256, 0).split()[1]) * self._page_mb

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
