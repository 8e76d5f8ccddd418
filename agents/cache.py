"""The hot cache: memcached, written in batches and never waited for.

Whoever has something to write leaves it here; one task sends what has gathered. While memcached is away the newest of each key
is kept until it would have expired, so that the cache is full again as soon as it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import ceil
from typing import TypeVar

from pymemcache.client.base import PooledClient
from pymemcache.exceptions import MemcacheError

from agents.entry import LARGEST_VALUE, is_key
from sipmdcs.clock import Clock

_GATHER_S = 0.1
"""Pause between batches."""
_TIMEOUT_S = 0.5
"""Longest wait for memcached, connecting or answering."""
_RETRY_S = 1.0
"""Pause after it did not answer."""
_BATCH = 2000
"""Entries in one question, so that the time-out is that of a few however many there are."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


class CacheState(IntEnum):
    """Value of ``DET:SYS:AGENTS:CACHE``."""

    NOT_USED = 0
    CONNECTED = 1
    LOST = 2


@dataclass
class _Pending:
    """Entries by key, and when each expires, monotonic seconds."""

    data: dict[str, bytes] = field(default_factory=dict[str, bytes])
    expires: dict[str, float] = field(default_factory=dict[str, float])


class HotCache:
    """A memcached at one address.

    Args:
        host: IP address.
        port: TCP port.
        clock: for expiry.
    """

    def __init__(self, host: str, port: int, clock: Clock) -> None:
        # Only PooledClient may be used by several threads at once (pymemcache issue 269).
        self._client = PooledClient(
            (host, port), connect_timeout=_TIMEOUT_S, timeout=_TIMEOUT_S, no_delay=True, max_pool_size=4
        )
        self._place = f"memcached at {host}:{port}"
        self._clock = clock
        self._pending = _Pending()
        self._writing = _Pending()
        self._dropped: set[str] = set()
        self._keys: set[str] = set()
        """What was found to be a key; as many as there are PVs."""
        self._uncachable: set[str] = set()
        self.state = CacheState.LOST
        self.connections = 0
        """How often it began to answer; whatever lay there before may be gone with each."""
        self.writes = 0
        """Entries that memcached has taken."""

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return len(self._pending.data.keys() | self._writing.data)

    def put(self, entries: Mapping[str, bytes], ttl: int) -> None:
        """Leave entries to be written, each to be gone ``ttl`` seconds from now."""
        expires = self._clock.monotonic() + ttl
        if not entries.keys() <= self._keys:
            self._keys.update(filter(is_key, entries))
        fitting = entries
        if not entries.keys() <= self._keys or max(map(len, entries.values()), default=0) > LARGEST_VALUE:
            fitting = {key: data for key, data in entries.items() if len(data) <= LARGEST_VALUE and key in self._keys}
        self._pending.data.update(fitting)
        self._pending.expires.update(dict.fromkeys(fitting, expires))
        if self._dropped:
            self._dropped.difference_update(fitting)
        for key in entries.keys() - fitting.keys() - self._uncachable if len(fitting) < len(entries) else ():
            self._uncachable.add(key)  # not again at every run
            _log.error("%s cannot be cached: %d bytes under a key of %d", key[:60], len(entries[key]), len(key))

    def drop(self, keys: Iterable[str]) -> None:
        """Let entries be gone before their time."""
        for key in filter(is_key, keys):
            self._pending.data.pop(key, None)
            self._pending.expires.pop(key, None)
            self._keys.discard(key)
            self._dropped.add(key)

    async def get(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Entries that are there; none while memcached does not answer."""
        wanted = [key for key in keys if is_key(key)]
        if not wanted or self.state is CacheState.LOST:
            return {}
        try:
            return await asyncio.to_thread(self._fetch, wanted)
        except (OSError, MemcacheError) as err:
            self._lost(err)
            return {}

    async def run(self) -> None:
        """Write what gathers until cancelled."""
        try:
            while True:
                try:
                    await self._write()
                    if self.state is not CacheState.CONNECTED:
                        _log.info("%s answers", self._place)
                        self.connections += 1
                    self.state = CacheState.CONNECTED
                except (OSError, MemcacheError) as err:
                    self._lost(err)
                    await asyncio.sleep(_RETRY_S)
                await asyncio.sleep(_GATHER_S)
        finally:
            self._client.close()

    def _lost(self, err: Exception) -> None:
        if self.state is not CacheState.LOST:
            _log.warning("%s does not answer: %s", self._place, err or type(err).__name__)
        self.state = CacheState.LOST

    async def _write(self) -> None:
        if gone := list(self._dropped):
            await asyncio.to_thread(self._delete, gone)
            self._dropped.difference_update(gone)
        if not self._pending.data:
            if self.state is not CacheState.CONNECTED:
                await asyncio.to_thread(self._client.version)
            return
        writing = self._writing = self._pending
        self._pending = _Pending()
        try:
            self.writes += await asyncio.to_thread(self._store, writing)
        except (OSError, MemcacheError):
            now, newer = self._clock.monotonic(), self._pending
            kept = [key for key, expires in writing.expires.items() if expires > now and key not in self._dropped]
            self._pending = _Pending(
                {key: writing.data[key] for key in kept} | newer.data,
                {key: writing.expires[key] for key in kept} | newer.expires,
            )
            raise
        finally:
            self._writing = _Pending()

    def _store(self, pending: _Pending) -> int:
        """Write those that have not expired; how many they are."""
        now = self._clock.monotonic()
        commands = [
            b"set %b 0 %d %d noreply\r\n%b\r\n" % (key.encode(), ceil(expires - now), len(data), data)
            for key, data in pending.data.items()
            if (expires := pending.expires[key]) > now
        ]
        for batch in _batches(commands):
            # One answer for all; an error that memcached tells nevertheless comes before it, and is raised.
            self._client.raw_command(b"".join(batch) + b"version")
        return len(commands)

    def _fetch(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {str(key): data for batch in _batches(keys) for key, data in self._client.get_many(batch).items()}

    def _delete(self, keys: Sequence[str]) -> None:
        for batch in _batches(keys):
            self._client.delete_many(batch, noreply=False)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
