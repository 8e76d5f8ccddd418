"""A client context of libca: entered by any thread for the length of a call, its messages sent to the log."""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sipmdcs import libca
from sipmdcs.channels_ca_repeater import ensure_repeater
from sipmdcs.channels_ca_search import BulkSearch
from sipmdcs.errors import NotConnected, ServiceError
from sipmdcs.libca import Eca, ExceptionArgs, ExceptionHandler, PrintfHandler

log = logging.getLogger(__name__)


class CaContext:
    """One preemptive context: its own circuits, threads and callbacks."""

    def __init__(self) -> None:
        self._ca = libca.load()
        ensure_repeater()
        self._idle = threading.Condition()
        self._users = 0
        self._closed = False
        self.search = BulkSearch()
        with self._detached(), self.search.listed(), _lazy_timers():
            status = self._ca.ca_context_create(libca.CA_PREEMPTIVE)
            if status != Eca.NORMAL:
                raise ServiceError(f"no Channel Access client context: {libca.message(status)}")
            self._context: int = self._ca.ca_current_context()
            self._ca.ca_add_exception_event(libca.address(_on_exception), None)
            self._ca.ca_replace_printf_handler(libca.address(_on_printf))
            # With its first channel libca looks up where to search.
            self._ca.ca_clear_channel(create_channel(self._ca, "nothing", 0, 0))
            self._ca.ca_detach_context()

    @contextmanager
    def attached(self) -> Iterator[ctypes.CDLL]:
        """Make this the calling thread's context.

        Raises:
            ServiceError: the context is closed.
        """
        with self._idle:
            if self._closed:
                raise ServiceError("this Channel Access client is closed")
            self._users += 1
        try:
            with self._detached():
                self._ca.ca_attach_context(self._context)
                try:
                    yield self._ca
                finally:
                    self._ca.ca_detach_context()
        finally:
            with self._idle:
                self._users -= 1
                self._idle.notify_all()

    def close(self) -> None:
        """Destroy the context once no thread is inside any more; no callback runs afterwards."""
        with self._idle:
            if self._closed:
                return
            self._closed = True
            self._idle.wait_for(lambda: self._users == 0)
        with self._detached():
            self._ca.ca_attach_context(self._context)
            self._ca.ca_context_destroy()
        self.search.close()

    @contextmanager
    def _detached(self) -> Iterator[None]:
        """Lay aside whatever context the thread has, and take it up again afterwards."""
        other = self._ca.ca_current_context()
        if other:
            self._ca.ca_detach_context()
        try:
            yield
        finally:
            if other:
                self._ca.ca_attach_context(other)


@contextmanager
def _lazy_timers() -> Iterator[None]:
    """Let threads that are started meanwhile wake up to 50 ms late, so that Linux may wake them once for many timers.

    The search timers of libca fire 62 times a second even when there is nothing to search for. That costs as much as
    receiving 15,000 events a second.
    """
    if sys.platform != "linux":
        yield
        return
    prctl = ctypes.CDLL(None).prctl
    before = prctl(_PR_GET_TIMERSLACK)
    prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(_TIMER_SLACK_NS))
    try:
        yield
    finally:
        prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(before))


_PR_SET_TIMERSLACK = 29
_PR_GET_TIMERSLACK = 30
_TIMER_SLACK_NS = 50_000_000


def create_channel(ca: ctypes.CDLL, name: str, handler: int, user: int, priority: int = 0) -> int:
    """Start looking for a PV in the context that the thread is attached to.

    Raises:
        NotConnected: no PV can have this name.
    """
    chid = ctypes.c_void_p()
    status = ca.ca_create_channel(name.encode(), handler, user, priority, ctypes.byref(chid))
    if status != Eca.NORMAL or chid.value is None:
        raise impossible_name(name, status)
    return chid.value


def impossible_name(name: str, status: int) -> NotConnected:
    """What to raise where libca makes no channel."""
    return NotConnected(name, f"no possible PV name: {libca.message(status)}")


@ExceptionHandler
def _on_exception(args: ExceptionArgs) -> None:
    what = libca.message(args.stat)
    context = (args.ctx or b"").decode("latin-1")
    if args.chid:
        log.warning("%s: %s (%s)", libca.load().ca_name(args.chid).decode("latin-1"), what, context)
    else:
        log.info("%s (%s)", what, context)


@PrintfHandler
def _on_printf(format_: bytes, arguments: int) -> int:
    buffer = ctypes.create_string_buffer(1024)
    length = ctypes.CDLL(None).vsnprintf(buffer, ctypes.c_size_t(len(buffer)), format_, ctypes.c_void_p(arguments))
    log.info("%s", buffer.value.decode("latin-1").strip())
    return length
