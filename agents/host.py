"""The host: looks every tick what is due, notices changed files, answers START, STOP and TICK."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from agents.agentsfile import AgentsFile, agents_path
from agents.cache import CacheState, HotCache
from agents.carried import Carried
from agents.crowd import group_sizes
from agents.declaring import Hanging
from agents.discovery import FOLDER
from agents.entry import heartbeat_key
from agents.following import Change, Refused, changes
from agents.hanging import memory_path
from agents.hosted import HostedAgent
from agents.inputs import Wiring
from agents.latest import Latest
from agents.leftovers import clear, clear_after_others, workers_folder
from agents.outputs import changed
from agents.problem import Problem
from agents.records import servable
from agents.roster import Member, Roster, muster
from agents.surroundings import Surroundings
from sipmdcs.channels import Channels
from sipmdcs.clock import NS
from sipmdcs.collector import kept_for_good
from sipmdcs.errors import BadInput, DcsError
from sipmdcs.publisher import Value
from sipmdcs.service import Service

_SHOW_S = 1.0
"""Period of figures."""
_LOOK_S = 1.0
"""Period of looking for changed files."""
_HEARTBEAT_TTL_S = 5

_log = logging.getLogger(__name__)


class Host:
    """All agents of a site.

    Args:
        service: the soft IOC that serves the records of ``roster``.
        roster: the agents.
        channels: Channel Access; stays open.
        before: what the host before this one leaves.
    """

    def __init__(self, service: Service, roster: Roster, channels: Channels, before: Carried | None = None) -> None:
        self._service = service
        self._roster = roster
        self._before = before
        self.successors: Roster | None = None
        """The agents for which the service must begin anew."""
        self._clock = service.clock
        address = service.site.file.memcached
        self._cache = HotCache(address.interface, address.port, self._clock) if _uses_cache(service, roster) else None
        self._latest = Latest(channels, self._clock)
        self._around = Surroundings(service.site, roster.file, service.publisher, self._clock, self._latest, self._cache)
        self._tick_s = roster.file.tick_s
        self._running = before is None or before.running
        if before is not None and before.file_tick_s == roster.file.tick_s:
            self._tick_s = before.tick_s
        self._beats = 0
        self._agents: dict[str, HostedAgent] = {}
        self._posted: dict[str, Value] = {}
        self._told: dict[str, str] = {}
        self._signature = _signature(service)

    async def run(self) -> None:
        """Run agents until cancelled; returns when the settings of the host have changed and the service must begin anew."""
        await asyncio.to_thread(clear_after_others, self._service.site)
        with kept_for_good():
            await asyncio.to_thread(self._around.load_records)
            start = self._clock.monotonic()
            before = self._before.agents if self._before is not None else {}
            for name, member in self._roster.members.items():
                problem = self._around.wiring_problem(member)
                fit = member if problem is None else replace(member, declaration=None, problem=problem)
                wiring = self._around.wiring(fit)
                self._agents[name] = HostedAgent(fit, wiring, self._around, start, before.get(name), running=self._running)
        await self._latest.watch(pv for agent in self._agents.values() for pv in agent.wiring.pvs)
        self._offer()
        try:
            async with asyncio.TaskGroup() as group:
                side = [group.create_task(self._latest.run(), name="inputs"), group.create_task(self._show(), name="figures")]
                side.append(group.create_task(self._keep_time(), name="time"))
                if self._cache is not None:
                    side.append(group.create_task(self._cache.run(), name="cache"))
                self._service.ready()
                await self._watch_files()
                for task in side:
                    task.cancel()
        finally:
            await asyncio.gather(*(agent.close() for agent in self._agents.values()))
            await asyncio.to_thread(clear, workers_folder(self._service.site))

    async def _keep_time(self) -> None:
        while True:
            now = self._clock.monotonic()
            for agent in self._agents.values():
                agent.tick(now)
            # The next multiple of the tick, whatever the work took.
            await asyncio.sleep(self._tick_s - self._clock.monotonic() % self._tick_s)

    @property
    def carried(self) -> Carried:
        """For the host after this one."""
        agents = {name: agent.carried for name, agent in self._agents.items()}
        return Carried(self._running, self._tick_s, self._roster.file.tick_s, agents)

    # -- files ---------------------------------------------------------------------------------------------------------------

    async def _watch_files(self) -> None:
        """Returns when the settings of the host itself have changed."""
        again = any(isinstance(member.problem, Hanging) for member in self._roster.members.values())
        while True:
            await asyncio.sleep(_LOOK_S)
            signature = await asyncio.to_thread(_signature, self._service)
            if signature == self._signature and not again:
                continue
            self._signature = signature
            try:
                roster = await asyncio.to_thread(muster, self._service.site, again=again)
            except BadInput as err:
                _log.error("%s; the settings before go on", err)
                continue
            finally:
                again = False
            if await self._follow(roster):
                _log.warning("there are other settings of the host than before: it begins anew")
                return

    async def _follow(self, roster: Roster) -> bool:
        """Take over what changed, agent by agent; whether the host must begin anew for it."""
        old, site = self._roster, self._service.site
        if _of_the_host(roster) != _of_the_host(old):
            self.successors = await asyncio.to_thread(servable, site, roster)
            return True
        self._around.file = roster.file
        found = await asyncio.to_thread(lambda: list(changes(site, old.members, roster.members, self._around.wiring_problem)))
        todo = [change for change in found if isinstance(change, Change)]
        wirings = await asyncio.to_thread(self._wire_again, todo)
        for refused in found:
            if isinstance(refused, Refused):
                self._refuse(refused.member, refused.problem)
        members = dict(old.members)
        for change in todo:
            try:
                await self._apply(change, wirings)
            except DcsError as err:
                _log.error("agent %s: its records cannot be served: %s", change.name, err)
                if change.member is not None:
                    self._refuse(change.member, Problem(str(err), str(change.member.found.path), 1))
                continue
            members.pop(change.name, None)
            if change.member is not None:
                members[change.name] = change.member
        self._roster = Roster(roster.file, members)
        for name in wirings.keys() - {change.name for change in todo}:
            if (agent := self._agents.get(name)) is not None:
                await agent.rewire(wirings[name])
        return False

    def _wire_again(self, todo: Sequence[Change]) -> dict[str, Wiring]:
        """Inputs of the agents that change, and of others that read what these make and now read something else."""
        added = [record for change in todo for record in change.added]
        removed = [name for change in todo for name in change.removed]
        self._around.change_records(added, removed)
        names = {record.name for record in added}.symmetric_difference(removed)
        wirings = {change.name: self._around.wiring(change.member) for change in todo if change.member is not None}
        for name, agent in list(self._agents.items()):
            if name not in wirings and self._around.is_read(names, agent.member):
                wiring = self._around.wiring(agent.member)
                if wiring != agent.wiring:
                    wirings[name] = wiring
        return wirings

    async def _apply(self, change: Change, wirings: Mapping[str, Wiring]) -> None:
        async def serve() -> None:
            if change.added or change.removed:
                await self._service.publisher.change(change.added, change.removed)

        agent, member = self._agents.get(change.name), change.member
        if member is None:
            self._agents.pop(change.name, None)
            if agent is not None:
                await agent.retire()
            await serve()
            _log.info("agent %s is removed", change.name)
        elif agent is not None:
            await agent.replace(member, wirings[change.name], self._clock.monotonic(), serve)
        else:
            await serve()
            wiring = wirings[change.name]
            await self._latest.watch(wiring.pvs)
            start = self._clock.monotonic()
            self._agents[change.name] = HostedAgent(member, wiring, self._around, start, running=self._running)
            _log.info("agent %s is added", change.name)

    def _refuse(self, member: Member, problem: Problem) -> None:
        agent, said = self._agents.get(member.name), f"{member.version} {problem}"
        if agent is not None and self._told.get(member.name) != said:
            self._told[member.name] = said
            agent.refuse(problem)

    # -- PVs ------------------------------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        publisher, pv = self._service.publisher, self._service.pv
        publisher.on_write(pv("START"), self._write_start)
        publisher.on_write(pv("STOP"), self._write_stop)
        publisher.on_write(pv("TICK"), self._write_tick)

    async def _write_start(self, value: Value) -> None:
        self._posted.pop(self._service.pv("START"), None)
        if value:
            self._running = True
            start = self._clock.monotonic()
            for agent in self._agents.values():
                agent.start(start)

    async def _write_stop(self, value: Value) -> None:
        self._posted.pop(self._service.pv("STOP"), None)
        if value:
            self._running = False
            await asyncio.gather(*(agent.stop() for agent in self._agents.values()))

    async def _write_tick(self, value: Value) -> None:
        self._posted.pop(self._service.pv("TICK"), None)
        if not isinstance(value, int | float) or not 0.01 <= value <= 1:
            raise BadInput(f"tick {value!r}, expected 0.01 to 1 s")
        self._tick_s = float(value)

    async def _show(self) -> None:
        due = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            for agent in self._agents.values():
                agent.show(now)
            if now >= due:
                self._beat()
                self._restrain()
                due += _SHOW_S
            values = {self._service.pv(suffix): value for suffix, value in self._figures()}
            if fresh := changed(values, self._posted):
                self._service.publisher.post(fresh)
            await asyncio.sleep(0.1)

    def _figures(self) -> Iterator[tuple[str, Value]]:
        yield "START", 0
        yield "STOP", 0
        yield "RUNNING", int(self._running)
        yield "TICK", self._tick_s
        yield "AGENTS", len(self._roster.members)
        yield "THREADS", sum(agent.child is not None for agent in self._agents.values())
        yield "FAILED", sum(agent.troubled for agent in self._agents.values())
        yield "INPUTS", self._latest.size
        yield "DISCONNECTED", self._latest.disconnected
        yield "CACHE", int(CacheState.NOT_USED if self._cache is None else self._cache.state)
        yield "CACHE_WRITES", 0 if self._cache is None else self._cache.writes

    def _beat(self) -> None:
        if self._cache is not None:
            self._beats += 1
            beat = {"time": self._clock.time_ns() / NS, "seq": self._beats, "agents": len(self._agents)}
            key = heartbeat_key(self._service.site.file.prefix)
            self._cache.put({key: json.dumps(beat).encode()}, _HEARTBEAT_TTL_S)

    def _restrain(self) -> None:
        sizes = group_sizes()
        for agent in self._agents.values():
            if agent.child is not None:
                agent.restrain(sizes[agent.child.pid])


def _of_the_host(roster: Roster) -> AgentsFile:
    """The settings that are not those of one agent."""
    return roster.file.model_copy(update={"agents": {}})


def _uses_cache(service: Service, roster: Roster) -> bool:
    wanted = roster.file.cache
    return "memcached" in service.site.file.services if wanted is None else wanted


def _signature(service: Service) -> list[tuple[str, int, int]]:
    """Changes when a plugin or the settings do."""
    site = service.site
    found: list[tuple[str, int, int]] = []
    for path in (*sorted((site.folder / FOLDER).glob("*.py")), agents_path(site), memory_path(site)):
        try:
            stat = path.stat()
        except OSError:  # gone between listing and looking: the next look tells
            continue
        found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return found
