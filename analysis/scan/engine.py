"""A RunEngine in a thread, steered from outside: run, pause, resume, abort."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from bluesky.run_engine import RunEngine
from bluesky.utils import DuringTask, MsgGenerator, RunEngineInterrupted, TransitionError  # pyright: ignore[reportPrivateImportUsage]

from sipmdcs.errors import BadInput

T = TypeVar("T")

_SOON_S = 0.05


class Outcome(StrEnum):
    """How a plan ended."""

    COMPLETED = "completed"
    ABORTED = "aborted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a plan ended, and why if it was not by itself."""

    outcome: Outcome
    error: BaseException | None = None


class _Decision(StrEnum):
    RESUME = "resume"
    ABORT = "abort"


class Engine:
    """One plan at a time. ``run`` blocks in its caller's thread; the others are called from any other.

    Args:
        on_pause: called when the plan has come to rest.
    """

    def __init__(self, on_pause: Callable[[], None]) -> None:
        # Without context managers: signals are the service's business, and this is no main thread.
        self._engine = RunEngine({}, context_managers=[], during_task=DuringTask())
        self._on_pause = on_pause
        self._decisions: queue.SimpleQueue[_Decision] = queue.SimpleQueue()
        self._aborting = threading.Event()
        self._over = threading.Event()
        self._clearing_up = threading.Event()

    def wait_for(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run a coroutine in the loop of the devices."""
        return asyncio.run_coroutine_threadsafe(work, self._engine.loop).result(timeout)

    def run(self, plan: MsgGenerator[Any], on_document: Callable[[str, Any], None]) -> Ending:
        """Run a plan to its end, its clean-up included, or not at all if it was aborted; never raises what the plan raises."""
        if self._aborting.is_set():
            return Ending(Outcome.ABORTED)
        step: Callable[[], object] = lambda: self._engine(plan, on_document)  # noqa: E731
        try:
            while True:
                try:
                    step()
                except RunEngineInterrupted:
                    if self._engine.state != "paused":
                        return Ending(Outcome.ABORTED)
                    if self._clearing_up.is_set():  # the pause came too late
                        step = self._engine.resume
                        continue
                    self._on_pause()
                    step = self._decided()
                else:
                    return Ending(Outcome.ABORTED if self._aborting.is_set() else Outcome.COMPLETED)
        except Exception as err:  # noqa: BLE001 - whatever a plan raises is how it ended
            return Ending(Outcome.ABORTED if self._aborting.is_set() else Outcome.FAILED, err)

    def prepare(self) -> None:
        """A new plan is on its way: from now on ``abort`` means that one."""
        self._decisions = queue.SimpleQueue()
        self._aborting.clear()
        self._over.clear()
        self._clearing_up.clear()

    def finish(self) -> None:
        """It is over, or will never be run: nothing is left that ``abort`` could wait for."""
        self._over.set()

    def clear_up(self) -> None:
        """The plan has begun to clear up, which no pause may hold up; one that was just asked for is over at once."""
        self._clearing_up.set()
        self._decisions.put(_Decision.RESUME)

    def aborted(self, within_s: float) -> bool:
        """Whether ``abort`` was called for the plan that is on its way; waits so many seconds for that."""
        return self._aborting.wait(within_s)

    def _decided(self) -> Callable[[], object]:
        return self._engine.abort if self._decisions.get() is _Decision.ABORT else self._engine.resume

    def pause(self) -> None:
        """Come to rest now.

        Raises:
            BadInput: nothing runs that could.
        """
        if self._clearing_up.is_set():
            raise BadInput("nothing can be paused, the scan is over and is being cleared up after")
        try:
            self._engine.request_pause()
        except TransitionError as err:
            raise BadInput("nothing runs that could be paused") from err

    def resume(self) -> None:
        """Go on after a pause."""
        self._decisions.put(_Decision.RESUME)

    def abort(self) -> None:
        """End the plan and have it clean up; returns when that has begun. The second time does nothing."""
        if self._aborting.is_set():
            return
        self._aborting.set()
        while not self._over.wait(_SOON_S):
            if self._engine.state == "paused":
                self._decisions.put(_Decision.ABORT)
                return
            try:
                self._engine.abort()
            except TransitionError:
                continue  # it has not started yet, or is just over
            return
