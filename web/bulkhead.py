"""One source behind a bulkhead: few questions at a time, and none to a source that is known to be silent.

What a request may lose to a source is bounded by that source's own permits and deadline; requests to others never notice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import ceil

from sipmdcs.clock import Clock, to_datetime
from web.breaker import Breaker, Circuit
from web.errors import ApiError, source_away
from web.values import iso

_QUEUE_S = 2.0
"""Longest wait for a permit."""
_WATCH_S = 2.0
"""A source that has not been heard of for so long is asked whether it is there."""

OK, AWAY, UNKNOWN = "ok", "away", "not asked yet"


class NoAnswer(Exception):
    """The source is silent, which was verified; the text says how, such as ``does not answer``."""


class Bulkhead:
    """Any thread may ask.

    Args:
        name: of the source, for messages, such as ``the archiver``.
        clock: tells when to ask again.
        permits: questions at a time.
    """

    def __init__(self, name: str, clock: Clock, permits: int) -> None:
        self.name = name
        self.permits = permits
        self._clock = clock
        self._permits = threading.BoundedSemaphore(permits)
        self._lock = threading.Lock()
        self._breaker = Breaker()
        self._what = ""
        self._heard: float | None = None
        self._ending = threading.Event()
        self._watch: threading.Thread | None = None

    @property
    def away(self) -> bool:
        """Whether the last question went without an answer."""
        return self._breaker.circuit is not Circuit.CLOSED

    @property
    def state(self) -> str:
        """``ok``, ``not asked yet``, or ``away since …``; waits for nothing."""
        since_ns = self._breaker.since_ns
        if since_ns is not None:
            return f"{AWAY} since {_shown(since_ns)}"
        return UNKNOWN if self._heard is None else OK

    @contextmanager
    def question(self) -> Iterator[None]:
        """Around one question; it tells by ``NoAnswer`` that the source is silent.

        Raises:
            ApiError: 503 with the time of the next try: the source is silent, or busy with other questions.
        """
        self._refuse_if_open()
        if not self._permits.acquire(timeout=_QUEUE_S):
            raise source_away(f"{self.name} is busy with {self.permits} other questions of this service; try again", 1)
        try:
            with self._reported():
                yield
        finally:
            self._permits.release()

    @contextmanager
    def _reported(self) -> Iterator[None]:
        with self._lock:
            admitted = self._breaker.admit(self._clock.monotonic())
            if admitted is None:
                raise self._refusal()
            self._breaker = admitted
        try:
            yield
        except NoAnswer as err:
            self._unanswered(str(err))
            raise self._refusal() from err
        except Exception:
            self._answered()
            raise
        self._answered()

    def watch(self, probe: Callable[[], None]) -> None:
        """Ask in a thread of its own until ``close``, whenever nothing was heard of the source for some seconds.

        So that ``state`` is about now, and no request has to be the one that finds out.

        Args:
            probe: a small question, with a deadline; raises ``NoAnswer``.
        """
        self._watch = threading.Thread(target=self._follow, args=(probe,), name=f"watch {self.name}", daemon=True)
        self._watch.start()

    def close(self) -> None:
        """End the watch; one that is waiting for an answer ends with it."""
        self._ending.set()

    def _follow(self, probe: Callable[[], None]) -> None:
        while not self._ending.is_set():
            with suppress(ApiError), self._reported():  # needs no permit: silent questions may hold them all
                probe()
            while not self._ending.wait(min(self._quiet_for(), _WATCH_S)) and self._quiet_for() > 0.0:
                pass

    def _quiet_for(self) -> float:
        """Seconds until the source has to be asked."""
        now = self._clock.monotonic()
        with self._lock:
            if self._breaker.circuit is not Circuit.CLOSED:
                return self._breaker.retry_in(now)
            return 0.0 if self._heard is None else max(self._heard + _WATCH_S - now, 0.0)

    def _refuse_if_open(self) -> None:
        with self._lock:
            if self._breaker.admit(self._clock.monotonic()) is None:
                raise self._refusal()

    def _answered(self) -> None:
        with self._lock:
            self._breaker = self._breaker.answered()
            self._heard = self._clock.monotonic()

    def _unanswered(self, what: str) -> None:
        with self._lock:
            self._breaker = self._breaker.unanswered(self._clock.monotonic(), self._clock.time_ns())
            self._what = what

    def _refusal(self) -> ApiError:
        breaker = self._breaker
        seconds = max(ceil(breaker.retry_in(self._clock.monotonic())), 1)
        since = f" since {_shown(breaker.since_ns)}" if breaker.since_ns is not None else ""
        return source_away(f"{self.name} {self._what}{since}; it is asked again in {seconds} s", seconds)


def _shown(time_ns: int) -> str:
    return iso(to_datetime(time_ns).replace(microsecond=0))
