"""One scan from the disk note before its first put to the curves after its last: everything that needs bluesky."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ophyd_async.core import NotConnectedError

from analysis.scan.branch import Branch
from analysis.scan.curve import Curve
from analysis.scan.devices import SipmChannel, SipmController
from analysis.scan.documents import DocumentFile
from analysis.scan.engine import Ending, Engine, Outcome
from analysis.scan.keeper import Keeper
from analysis.scan.overrides import SetpointMonitor
from analysis.scan.plan import iv_scan
from analysis.scan.preflight import ScanPlan
from analysis.scan.trouble import TakenOver
from sipmdcs import __version__
from sipmdcs.channels import Channels
from sipmdcs.errors import DcsError, ServiceError

_CONNECT_S = 10.0


class Job:
    """A scan that was accepted. All methods block; ``run`` is called in a thread of its own.

    Args:
        uid: of the scan.
        plan: what to do.
        engine: runs it.
        documents: file for the run documents.
        restore: puts the operating point back, given what somebody else took over; does not raise.
        on_point: told how many points are done and how many curves ended early.
        channels: Channel Access, to see what other clients put.
    """

    def __init__(
        self,
        uid: str,
        plan: ScanPlan,
        engine: Engine,
        *,
        documents: Path,
        restore: Callable[[Mapping[str, TakenOver]], None],
        on_point: Callable[[int, int], None],
        channels: Channels,
    ) -> None:
        self.uid = uid
        self.plan = plan
        self.engine = engine
        self.taken_at = datetime.now(UTC)
        self._documents = documents
        self._restore = restore
        self._on_point = on_point
        self._monitor = SetpointMonitor(channels, {course.place.channel: course.held.ours for course in plan.courses})
        self._branches: list[Branch] = []
        self._is_back = False
        self.ending = Ending(Outcome.FAILED)

    @property
    def curves(self) -> dict[str, Curve]:
        """What was measured, by channel."""
        return {branch.name: branch.curve for branch in self._branches}

    def run(self, run_number: int | None) -> Ending:
        """Connect, scan, put back."""
        try:
            with closing(DocumentFile(self._documents)) as file:
                self.engine.wait_for(self._connect(), _CONNECT_S + 5.0)
                plan = iv_scan(
                    self._branches,
                    Keeper([branch.halt for branch in self._branches], self._put_back, self.engine.clear_up),
                    settle_s=self.plan.request.settle_s,
                    on_point=self._point_done,
                    md=self._metadata(run_number),
                )
                self.ending = self.engine.run(plan, file)
        except (ServiceError, NotConnectedError, TimeoutError) as err:
            self.ending = Ending(Outcome.FAILED, err)
        finally:
            if not self._is_back:  # the plan never began, but controllers may have been set already
                self._put_back()
            self._monitor.close()
        return self.ending

    def _put_back(self) -> None:
        self._is_back = True
        self._restore(self.taken)

    def reason(self) -> str:
        """Why it did not complete, in words."""
        taken = [f"{name} {err.what}" for name, err in self.taken.items()]
        if taken:
            return taken[0]
        if self.ending.outcome is Outcome.COMPLETED:
            return ""
        error: BaseException | None = self.ending.error
        while error is not None and error.__cause__ is not None and not isinstance(error, DcsError):
            error = error.__cause__
        if error is None:
            return "aborted"
        said = str(error) if isinstance(error, DcsError) else f"{type(error).__name__}: {error}"
        return said.partition("\n")[0]

    async def _connect(self) -> None:
        controllers = {prefix: SipmController(prefix, _device_name(prefix)) for prefix in self.plan.polls}
        for course in self.plan.courses:
            name, controller = course.place.channel, controllers[course.place.controller]
            samples = self.plan.request.samples
            channel = SipmChannel(name, controller, _device_name(name), samples=samples, overrides=self._monitor)
            self._branches.append(Branch(channel, course))
        for controller in controllers.values():
            await controller.connect(timeout=_CONNECT_S)
            if self.plan.request.poll_s is not None:
                await controller.poll_period.set(self.plan.request.poll_s)
        for branch in self._branches:
            await branch.channel.connect(timeout=_CONNECT_S)

    def _point_done(self, done: int) -> None:
        self._on_point(done, sum(bool(branch.curve.stopped) for branch in self._branches))

    @property
    def taken(self) -> dict[str, TakenOver]:
        """Channels that another client set meanwhile, and what it did."""
        return {branch.name: branch.taken_over for branch in self._branches if branch.taken_over is not None}

    def _metadata(self, run_number: int | None) -> dict[str, Any]:
        request = self.plan.request
        return {
            "plan_name": "iv_scan",
            "scan_uid": self.uid,
            "run_number": run_number,
            "who": request.who,
            "sipmdcs": __version__,
            "request": request.model_dump(mode="json"),
            "ranges_V": {course.place.channel: [course.grid[0], course.grid[-1]] for course in self.plan.courses},
        }


def _device_name(prefix: str) -> str:
    return prefix.lower().replace(":", "-")
