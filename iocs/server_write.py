"""Puts, one at a time per record: put, process, drive the output, tell the client.

A record whose write handler is still busy is active, as one with asynchronous device support is in EPICS Base. A put
without completion then changes the field at once and has the record processed again afterwards; a put that waits for
completion waits for its turn (``dbNotify.c``).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from iocs.records.fields import Field
from iocs.records.put import Data, put
from iocs.records.record import INVALID, LiveRecord
from iocs.server_put_log import PutLog, value_text
from sipmdcs.clock import Clock
from sipmdcs.errors import DcsError, DeviceError, WireError
from sipmdcs.publisher import WriteHandler
from sipmdcs.severity import Status

logger = logging.getLogger(__name__)

Done = Callable[[DcsError | None], None]
"""Called when a put is complete, or refused and why."""

DRIVING = ("VAL", "PROC")
"""Fields whose put drives an output. EPICS Base drives it after a put to any field that processes; here a new alarm limit
must not repeat a command to the hardware (ADR 0104)."""


class Put(NamedTuple):
    """What a client wants to be put."""

    field: Field
    data: Data
    notify: bool
    """The client waits for completion."""
    done: Done
    """Called once, at once or when the device has taken the value."""
    is_wanted: Callable[[], bool]
    """Whether the client is still there; a put whose turn comes too late for it is not carried out."""
    trapped_for: str = ""
    """``user@host`` if the put is to be logged."""


class Writer:
    """Carries out puts on the records of one server."""

    def __init__(self, clock: Clock, changed: Callable[[LiveRecord, Field], None]) -> None:
        self.handlers: dict[LiveRecord, WriteHandler] = {}
        """What drives the output behind a record."""
        self.log = PutLog()
        self._clock = clock
        self._changed = changed
        self._waiting: dict[LiveRecord, deque[Put]] = {}
        self._overtaking: dict[LiveRecord, Any] = {}
        """What was put last while the record was active; its device may have reported another value since."""
        self._tasks: set[asyncio.Task[None]] = set()

    def write(self, record: LiveRecord, request: Put) -> None:
        """Put a value, or have it wait for its turn."""
        field, done = request.field, request.done
        if record.pact and request.notify and field.processes:
            self._waiting.setdefault(record, deque()).append(request)
            return
        before = value_text(record, field) if request.trapped_for else ""
        try:
            must_process = put(record, field, request.data)
        except DcsError as err:
            done(err)
            return
        if request.trapped_for:
            self.log.add(request.trapped_for, f"{record.name}.{field.name}", before, value_text(record, field))
        self._changed(record, field)
        if not must_process:
            done(None)
        elif record.pact:
            record.rpro = 1
            if field.name == "VAL":
                self._overtaking[record] = record.val
            done(None)
        else:
            self._process(record, field.name in DRIVING, done)

    def _process(self, record: LiveRecord, drive: bool, done: Done) -> None:
        if record.is_disabled():
            done(None)
            return
        record.putf = 1
        drives = record.begin(self._clock.time_ns()) or not record.IS_OUTPUT
        handler = self.handlers.get(record)
        if handler is None or not (drive and drives):
            record.finish(self._clock.time_ns())
            self._time_pulse(record)
            done(None)
            return
        record.pact = 1
        record.refused = ""
        task = asyncio.get_running_loop().create_task(self._drive(record, handler, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drive(self, record: LiveRecord, handler: WriteHandler, done: Done) -> None:
        error: DcsError | None = DeviceError(f"{record.name}: interrupted")
        try:
            await handler(record.val)
            error = None
        except DcsError as err:
            error = err
        except Exception as err:  # a fault in a driver must not take the server down with it
            logger.exception("writing %s failed", record.name)
            error = DeviceError(f"{record.name}: {type(err).__name__}: {err}")
        finally:
            if isinstance(error, WireError):  # it did not answer, and may have taken the value
                record.set_alarm(int(Status.COMM), INVALID, str(error))
            elif error is not None:
                record.refused = str(error) or "refused"
            record.time_ns = self._clock.time_ns()  # of completion, as in Base: an older readback knows nothing of this put
            again = record.rpro
            record.rpro = 0
            if record in self._overtaking:
                record.val = self._overtaking.pop(record)
            record.finish(self._clock.time_ns())
            self._time_pulse(record)
            done(error)
        if again:
            self._process(record, True, _ignore)
        if waiting := self._waiting.get(record):
            self._next(record, waiting)

    def _time_pulse(self, record: LiveRecord) -> None:
        if pulse_s := record.pulse_s():
            asyncio.get_running_loop().call_later(pulse_s, self._end_pulse, record)

    def _end_pulse(self, record: LiveRecord) -> None:
        if record.pact:
            self._time_pulse(record)
            return
        record.end_pulse()
        self._process(record, True, _ignore)

    def _next(self, record: LiveRecord, waiting: deque[Put]) -> None:
        while waiting and not record.pact:
            turn = waiting.popleft()
            if turn.is_wanted():
                self.write(record, turn)
        if not waiting:
            self._waiting.pop(record, None)

    async def close(self) -> None:
        """Interrupt what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _ignore(_error: DcsError | None) -> None:
    """Nobody waits for a put without completion."""
