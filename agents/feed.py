"""What one agent reads: its inputs as they are, and which of them its process does not have yet.

The process keeps its own table and is sent what changed since it was asked last, however often that was: one merged change,
never a queue. A row holds when its value arrived, so that an age needs no message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agents.cache import HotCache
from agents.entry import decode_entry
from agents.inputs import Wiring, lacking
from agents.latest import Latest
from agents.reading import NOTHING, Row, is_valid
from sipmdcs.clock import NS, Clock


class Feed:
    """The inputs of one agent.

    Args:
        wiring: names by group.
        latest: where PVs come from.
        cache: where cached groups come from, if there is one.
        clock: for ages.
    """

    def __init__(self, wiring: Wiring, latest: Latest, cache: HotCache | None, clock: Clock) -> None:
        self.wiring = wiring
        self.rows: dict[str, dict[str, Row]] = {group: dict.fromkeys(names, NOTHING) for group, names in wiring.groups.items()}
        """By group and name, in the order of the names."""
        self._latest = latest
        self._cache = cache
        self._clock = clock
        self._follower = latest.follow(wiring.pvs)
        self._entries: dict[str, bytes] = {}
        """Entries of the hot cache as they were read last."""
        self._invalid: dict[str, set[str]] = {group: set(names) for group, names in wiring.groups.items()}
        self._unsent: dict[str, set[str]] = {}
        self._send_all = True
        self._pv_groups = _groups_by_name(wiring, wiring.groups.keys() - wiring.cached)
        self._key_groups = _groups_by_name(wiring, wiring.cached)

    async def refresh(self) -> dict[str, Row]:
        """Take in what is new; returns the rows that are, by name."""
        read = await self._read() if self._key_groups else {}
        fresh = {name: self._latest.row(name) for name in self._follower.take()}
        self._take(fresh, self._pv_groups)
        self._take(read, self._key_groups)
        return fresh | read

    def request(self) -> dict[str, Any]:
        """What a process is to be sent of the inputs; it is taken to have that from now on."""
        if self._send_all:
            rows: Mapping[str, Mapping[str, Row]] = self.rows
        else:
            rows = {group: {name: self.rows[group][name] for name in names} for group, names in self._unsent.items()}
        request = {"all": self._send_all, "rows": rows, "now": self._clock.monotonic()}
        self._send_all = False
        self._unsent = {}
        return request

    def send_all(self) -> None:
        """The next request is to a process that has nothing yet."""
        self._send_all = True
        self._unsent = {}

    def lacking(self, require: str) -> str:
        """Which inputs there are not, in words; see ``agents.inputs.lacking``."""
        return lacking(require, self.wiring.groups, self._invalid)

    def close(self) -> None:
        """Follow the inputs no longer."""
        self._latest.unfollow(self._follower)

    def _take(self, fresh: Mapping[str, Row], groups: Mapping[str, list[str]]) -> None:
        for name, row in fresh.items():
            for group in groups[name]:
                self.rows[group][name] = row
                (set.discard if is_valid(row) else set.add)(self._invalid[group], name)
                if not self._send_all:
                    self._unsent.setdefault(group, set()).add(name)

    async def _read(self) -> dict[str, Row]:
        """Rows of those entries of the hot cache that are not as they were."""
        keys = self._key_groups.keys()
        found = await self._cache.get(keys) if self._cache is not None else {}
        wall, now = self._clock.time_ns() / NS, self._clock.monotonic()
        fresh: dict[str, Row] = dict.fromkeys(self._entries.keys() - found.keys(), NOTHING)
        for key, data in found.items():
            if self._entries.get(key) != data:
                fresh[key] = decode_entry(data, wall, now)
        self._entries = found
        return fresh


def _groups_by_name(wiring: Wiring, groups: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group in groups:
        for name in wiring.groups[group]:
            found.setdefault(name, []).append(group)
    return found
