"""One agent in the host: its process, its slots, what it shows of itself."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from agents.carried import CarriedAgent
from agents.child import Child, Died, Hung
from agents.crowd import MOST_PROCESSES
from agents.declaration import Declaration
from agents.inputs import Wiring
from agents.leftovers import workers_folder
from agents.outputs import AgentOutputs
from agents.problem import Problem
from agents.roster import Member
from agents.schedule import Schedule
from agents.shown import Shown, check_times, number_from
from agents.state import AgentState
from agents.surroundings import Surroundings
from sipmdcs.clock import NS
from sipmdcs.errors import BadInput
from sipmdcs.publisher import Value
from sipmdcs.severity import Status
from sipmdcs.supervise.backoff import Backoff

_BACKOFF = Backoff(first_s=0.5, cap_s=60.0)
_JITTER = 0.25
"""Share by which a delay is longer or shorter, so that agents that died together do not start together for ever."""
_LONG_RUN_S = 0.3
"""A run shows as RUNNING from then on."""

_log = logging.getLogger(__name__)


class HostedAgent:
    """An agent that is run; all times are monotonic seconds.

    Args:
        member: what the agent is.
        wiring: its inputs.
        around: what all agents of the host share.
        start: zero of the slots of all agents.
        before: the same agent in the host before, if there was one.
        running: whether it is to run at once.
    """

    def __init__(
        self,
        member: Member,
        wiring: Wiring,
        around: Surroundings,
        start: float,
        before: CarriedAgent | None = None,
        *,
        running: bool = True,
    ) -> None:
        self.member = member
        self.prefix = around.prefix(member.name)
        self.child: Child | None = None
        self.state = AgentState.STARTING
        self._around = around
        self._shown = Shown(member.name, self.prefix, around.publisher)
        self._outputs = AgentOutputs(
            member.name, self.prefix, around.publisher, around.cache, around.keep_intervals, around.clock
        )
        self._enabled, interval, offset = (
            (member.entry.enable, member.interval, member.offset) if before is None else before.settings(member)
        )
        self._schedule = Schedule(start, offset, interval, missed=before.missed if before else 0)
        self._feed = around.feed(wiring)
        self._mirror = around.mirror(member)
        self._task: asyncio.Task[None] | None = None
        self._stopped = not running
        self._changing = False
        """While another version takes over: a process that is started then would run the text of the one before."""
        self._run_asked = False
        self._run_began = 0.0
        self._good = self._begin = around.clock.monotonic()
        self._valid = False
        self._failures = 0
        self._restart_due = 0.0
        self._latency_s: float | None = None
        self._runs = self._errors = self._restarts = self._seq = 0
        if before is not None:
            self._runs, self._errors, self._restarts, self._seq = before.runs, before.errors, before.restarts, before.seq
        self._offer()
        if member.problem is not None:
            self._fail(member.problem.short, str(member.problem), AgentState.FAILED)
        if not self._enabled or self._stopped:
            self.state = AgentState.STOPPED if self._enabled else AgentState.DISABLED

    # -- what the host calls ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.member.declaration is None or self._stopped or not self._enabled or self._changing:
            return
        busy = self._task is not None and not self._task.done()
        if self.child is None and not busy and now >= self._restart_due:
            self._task = asyncio.create_task(self._guarded(self._start_child()), name=f"start {self.member.name}")
            return
        if self.state is not AgentState.STARTING:  # while it loads for the first time no slot is missed
            self._schedule, go = self._schedule.tick(now, free=self.child is not None and not busy)
            if go or (self._run_asked and self.child is not None and not busy):
                self._run_asked = False
                self._run_began = now
                self._task = asyncio.create_task(self._guarded(self._run()), name=f"run {self.member.name}")
            elif busy and self.child is not None and now - self._run_began > _LONG_RUN_S:
                self.state = AgentState.RUNNING
        if self._valid and now - self._good > self._around.keep_intervals * self._schedule.interval:
            self._invalidate(Status.TIMEOUT)

    def show(self, now: float) -> None:
        """Post what changed of its state and counts."""
        values: dict[str, Value] = {
            "STATE": int(self.state),
            "ENABLE": int(self._enabled),
            "INTERVAL": self._schedule.interval,
            "OFFSET": self._schedule.offset,
            "RUN": int(self._run_asked),
            "RUNS": self._runs,
            "ERRORS": self._errors,
            "OVERRUNS": self._schedule.missed,
            "RESTARTS": self._restarts,
            "AGE": float(int(now - self._good)) if self._active else 0.0,
            "VERSION": self.member.version,
        }
        if self._latency_s is not None:
            values["LATENCY"] = self._latency_s * 1e3
        self._shown.post(values)

    async def stop(self) -> None:
        """End its process and let its outputs be INVALID, until ``start``."""
        self._stopped = True
        await self._end_child()
        self.state = AgentState.STOPPED if self._enabled else AgentState.DISABLED
        self._invalidate(Status.DISABLE)

    def start(self, start: float) -> None:
        """Run again, slots counted from ``start``."""
        if self._stopped:
            self._stopped = False
            self._begin_again(start)

    async def replace(self, member: Member, wiring: Wiring, start: float, serve: Callable[[], Awaitable[None]]) -> None:
        """Go on with another version of the plugin or other settings; the process is a new one.

        Counts are kept, and what was set by PV unless the new version or settings differ in just that.

        Args:
            member: what it is from now on.
            wiring: its inputs from now on.
            start: zero of its slots.
            serve: changes its records.

        Raises:
            BadInput: its records cannot be served; the version before goes on.
        """
        before = self.carried
        self._changing = True
        try:
            await self._end_child()
            await serve()
            self.member = member
            self._offer()
            await self.rewire(wiring)
        finally:
            self._changing = False
        self._enabled, interval, offset = before.settings(member)
        self._schedule = self._schedule.again(start, interval, offset)
        self._failures = 0
        if self._enabled:
            self._begin_again(start)
        else:
            self.state = AgentState.DISABLED
            self._invalidate(Status.DISABLE)
        _log.warning("agent %s: version %s is running now", member.name, member.version)

    async def rewire(self, wiring: Wiring) -> None:
        """Read other inputs from the next run on."""
        self._feed = self._around.feed(wiring)
        if self._mirror is not None:
            declared = self.member.declaration
            self._mirror.keep(wiring.pvs | wiring.keys if declared is not None and declared.mirror else ())
        await self._around.latest.watch(wiring.pvs)

    def refuse(self, problem: Problem) -> None:
        """A change of the plugin cannot be used: say so; what runs goes on."""
        self._errors += 1
        if self.member.declaration is None:
            self.member = replace(self.member, problem=problem)
            self._shown.say(problem.short, str(problem))
        else:
            self._shown.say(problem.short, f"{problem}; the version before goes on")

    def restrain(self, processes: int) -> None:
        """End its process and all that this has started if they are too many."""
        child = self.child
        if child is None or processes <= MOST_PROCESSES:
            return
        task, problem = self._task, Problem(f"{processes} processes, more than {MOST_PROCESSES}")
        self._task = asyncio.create_task(self._guarded(self._give_up(child, problem, AgentState.FAILED, Status.SOFT)))
        if task is not None:
            task.cancel()

    @property
    def carried(self) -> CarriedAgent:
        """For the host after this one."""
        schedule = self._schedule
        return CarriedAgent(
            self.member, self._enabled, schedule.interval, schedule.offset, schedule.missed,
            runs=self._runs, errors=self._errors, restarts=self._restarts, seq=self._seq,
        )  # fmt: skip

    async def close(self) -> None:
        """End its process; the host clears up after all of them."""
        await self._end_child(clear_up=False)

    async def retire(self) -> None:
        """The agent is removed."""
        await self._end_child()
        if self._mirror is not None:
            self._mirror.drop()

    @property
    def wiring(self) -> Wiring:
        """Its inputs."""
        return self._feed.wiring

    @property
    def troubled(self) -> bool:
        """Whether it fails or hangs."""
        return self.state in (AgentState.FAILED, AgentState.HUNG)

    # -- what clients write --------------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        settings = {"ENABLE": self._write_enable, "INTERVAL": self._write_interval, "OFFSET": self._write_offset}
        self._shown.offer({**settings, "RUN": self._write_run})

    async def _write_enable(self, value: Value) -> None:
        wanted = bool(value)
        if wanted == self._enabled:
            return
        self._enabled = wanted
        if wanted:
            self._begin_again(self._around.clock.monotonic())
        else:
            await self._end_child()
            self.state = AgentState.DISABLED
            self._invalidate(Status.DISABLE)

    async def _write_interval(self, value: Value) -> None:
        interval = number_from(value)
        await self._reschedule(interval, self._schedule.offset % interval if interval > 0 else 0.0)

    async def _write_offset(self, value: Value) -> None:
        await self._reschedule(self._schedule.interval, number_from(value))

    async def _reschedule(self, interval: float, offset: float) -> None:
        check_times(interval, offset)
        self._schedule = self._schedule.again(self._around.clock.monotonic(), interval, offset)

    async def _write_run(self, value: Value) -> None:
        if not value:
            return
        if self.child is None:
            raise BadInput(f"agent {self.member.name} cannot run now, it is {self.state.name}")
        self._run_asked = True

    # -- its process --------------------------------------------------------------------------------------------------------

    @property
    def _active(self) -> bool:
        return self._enabled and not self._stopped

    def _begin_again(self, start: float) -> None:
        self._schedule = self._schedule.again(start, self._schedule.interval, self._schedule.offset)
        self._restart_due, self._failures = 0.0, 0
        self._good = self._around.clock.monotonic()
        if self.member.declaration is None:
            self.state = AgentState.FAILED
        elif self._enabled:
            self.state = AgentState.STOPPED if self._stopped else AgentState.STARTING

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A mistake of ours concerns this agent alone."""
        try:
            await work
        except OSError as err:  # the machine lacks something for another process
            await self._give_up(self.child, err, AgentState.FAILED, Status.SOFT)
        except Exception as err:  # noqa: BLE001 - the top of a task
            _log.error("agent %s", self.member.name, exc_info=err)
            await self._give_up(self.child, err, AgentState.FAILED, Status.SOFT)

    async def _start_child(self) -> None:
        child = self.child = await Child.start(workers_folder(self._around.site))
        self._feed.send_all()
        try:
            await child.load(self._around.load_request(self.member))
        except (Problem, Died, Hung) as err:
            await self._give_up(child, err, AgentState.FAILED, Status.SOFT)
            return
        self._restarts += self._seq > 0 or self._failures > 0
        if self.state is AgentState.STARTING:
            self.state = AgentState.IDLE

    async def _give_up(self, child: Child | None, err: Exception, state: AgentState, status: Status) -> None:
        """The process is of no use any more: end it, and start another one after a while."""
        self.child = None
        if child is not None:
            await child.kill()
        self._failures += 1
        delay = _BACKOFF.delay(self._failures) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        self._restart_due = self._around.clock.monotonic() + delay
        short = err.short if isinstance(err, Problem) else str(err)
        self._fail(short, f"{err}; starts again in {delay:.1f} s", state)
        self._invalidate(status)

    async def _end_child(self, *, clear_up: bool = True) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        child, self.child = self.child, None
        if child is not None:
            await child.kill(clear_up=clear_up)
        self._run_asked = False

    # -- one run ------------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        child, declaration = self.child, self.member.declaration
        if child is None or declaration is None:
            return
        self._seq += 1
        interval, clock = self._schedule.interval, self._around.clock
        feed = self._feed
        fresh, gone = await feed.refresh()
        if self._mirror is not None and declaration.mirror:
            self._mirror.note(fresh, gone)
        if reason := feed.lacking(declaration.require):
            self.state = AgentState.NO_INPUT
            self._shown.say(reason, reason)
            self._invalidate(Status.LINK)
            return
        if self._mirror is not None and declaration.mirror:
            self._mirror.write(self._around.units, interval, self._seq)
        request = {**feed.request(), "time": clock.time_ns() / NS}
        try:
            answer = await child.ask({"run": request}, declaration.timeout_s(interval))
        except Hung as err:
            await self._give_up(child, err, AgentState.HUNG, Status.TIMEOUT)
        except Died as err:
            await self._give_up(child, err, AgentState.FAILED, Status.COMM)
        else:
            await self._take(child, declaration, interval, answer)

    async def _take(self, child: Child, declaration: Declaration, interval: float, answer: Mapping[str, Any]) -> None:
        if "problem" in answer:
            problem = Problem(**answer["problem"])
            if answer["exhausted"]:  # what it keeps, it will not give back
                await self._give_up(child, problem, AgentState.FAILED, Status.SOFT)
                return
            self._fail(problem.short, str(problem), AgentState.FAILED)
            self._invalidate(Status.SOFT)
            return
        self._outputs.publish(declaration, interval, answer["outputs"], self._seq)
        self._valid = True
        self._good = self._around.clock.monotonic()
        self._latency_s = float(answer["seconds"])
        self._runs += 1
        self._failures = 0
        self.state = AgentState.IDLE
        if answer["excess"]:  # its outputs are good; the next run gets a process that holds nothing yet
            self.child = None
            self._errors += 1
            self._shown.say(answer["excess"], f"{answer['excess']}: its process is replaced")
            self._restart_due = self._around.clock.monotonic() + _BACKOFF.delay(1)
            await child.kill()

    def _invalidate(self, status: Status) -> None:
        self._valid = False
        if self.member.declaration is not None:
            self._outputs.invalidate(self.member.declaration, self._schedule.interval, status, self._seq)
        if self._mirror is not None:
            self._mirror.drop()

    def _fail(self, short: str, text: str, state: AgentState) -> None:
        self._errors += 1
        self.state = state
        self._shown.say(short, text)
