"""What one agent reads: its inputs as they are, and which of them its process does not have yet.

The process keeps its own table and is sent what changed since it was asked last, however often that was: one merged change,
never a queue. A row holds when its value arrived, so that an age needs no message.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        self._entries: dict[str, bytes] = {}
        """Entries of the hot cache as they were read last."""
        self._invalid: dict[str, set[str]] = {group: set(names) for group, names in wiring.groups.items()}
        self._unsent: dict[str, dict[str, Row]] = {}
        self._send_all = True

    async def refresh(self) -> dict[str, Row]:
        """Take in what is new; returns the rows that are, by name."""
        self._latest.refresh()
        read = await self._read()
        fresh: dict[str, Row] = {}
        for group, held in self.rows.items():
            if group in self.wiring.cached:
                news = {name: read[name] for name in held.keys() & read.keys()}
            else:
                news = self._latest.news(held)
            self._take(group, news)
            fresh |= news
        return fresh

    def request(self) -> dict[str, Any]:
        """What a process is to be sent of the inputs; it is taken to have that from now on."""
        rows: Mapping[str, Mapping[str, Row]] = self.rows if self._send_all else self._unsent
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

    def _take(self, group: str, news: Mapping[str, Row]) -> None:
        self.rows[group].update(news)
        invalid = self._invalid[group]
        invalid.difference_update(news)
        invalid.update([name for name, row in news.items() if not is_valid(row)])
        if news and not self._send_all:
            self._unsent.setdefault(group, {}).update(news)

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
