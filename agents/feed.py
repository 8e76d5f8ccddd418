"""What one agent reads: its inputs as they are, and which of them its process does not have yet.

The process keeps its own table and is sent what changed since it was asked last, however often that was: one merged change,
never a queue. A row holds when its value arrived, so that an age needs no message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
        self._latest = latest
        self._cache = cache
        self._clock = clock
        self._watched = {group: latest.select(names) for group, names in wiring.groups.items() if group not in wiring.cached}
        self._cached = dict.fromkeys(wiring.keys, NOTHING)
        """Rows of the cached groups, by key."""
        self._entries: dict[str, bytes] = {}
        """Entries of the hot cache as they were read last."""
        self._unsent: dict[str, dict[str, Row]] = {}
        self._send_all = True

    @property
    def rows(self) -> dict[str, dict[str, Row]]:
        """By group and name, in the order of the names."""
        return {
            group: self._watched[group].rows if group in self._watched else {name: self._cached[name] for name in names}
            for group, names in self.wiring.groups.items()
        }

    async def refresh(self) -> tuple[Mapping[str, Row], Collection[str]]:
        """Take in what is new; returns the rows that are, by name, and which of them stand for nothing that is there now."""
        self._latest.refresh()
        read = await self._read()
        self._cached.update(read)
        fresh: dict[str, Row] = {}
        gone = {key for key, row in read.items() if row[0] is None}
        for group, names in self.wiring.groups.items():
            if group in self._watched:
                news, lost = self._watched[group].news()
                gone.update(lost)
            else:
                news = {name: read[name] for name in names if name in read}
            if group in self._unsent:
                self._unsent[group].update(news)
            elif news and not self._send_all:
                self._unsent[group] = news
            fresh = fresh | news if fresh else news
        return fresh, gone

    def request(self) -> dict[str, Any]:
        """What a process is to be sent of the inputs; it is taken to have that from now on."""
        rows = self.rows if self._send_all else self._unsent
        groups = self.wiring.groups
        request = {
            "all": self._send_all,
            "rows": rows,
            "invalid": {group: self._invalid(group) for group in groups},
            "oldest": {group: self._oldest(group) for group in groups},
            "now": self._clock.monotonic(),
        }
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

    def _invalid(self, group: str) -> Sequence[int]:
        if group in self._watched:
            return self._watched[group].invalid
        return [index for index, key in enumerate(self.wiring.groups[group]) if not is_valid(self._cached[key])]

    def _oldest(self, group: str) -> float | None:
        if group in self._watched:
            return self._watched[group].oldest
        return min(
            (arrived for key in self.wiring.groups[group] if (arrived := self._cached[key][4]) is not None), default=None
        )

    async def _read(self) -> dict[str, Row]:
        """Rows of those entries of the hot cache that are not as they were."""
        if not self.wiring.cached:
            return {}
        found = await self._cache.get(self.wiring.keys) if self._cache is not None else {}
        wall, now = self._clock.time_ns() / NS, self._clock.monotonic()
        fresh: dict[str, Row] = dict.fromkeys(self._entries.keys() - found.keys(), NOTHING)
        for key, data in found.items():
            if self._entries.get(key) != data:
                fresh[key] = decode_entry(data, wall, now)
        self._entries = found
        return fresh
