"""The hot cache: memcached, written in batches and never waited for.

Whoever has something to write leaves it here; one task sends what has gathered. While memcached is away the newest of each key
is kept until it would have expired, so that the cache is full again as soon as it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from enum import IntEnum
from math import ceil

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
"""Entries that are sent before memcached is asked whether it has taken them."""

_log = logging.getLogger(__name__)


class CacheState(IntEnum):
    """Value of ``DET:SYS:AGENTS:CACHE``."""

    NOT_USED = 0
    CONNECTED = 1
    LOST = 2


_Pending = tuple[bytes, float]
"""An entry and when it expires, monotonic seconds."""


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
        self._pending: dict[str, _Pending] = {}
        self._writing: dict[str, _Pending] = {}
        self._dropped: set[str] = set()
        self._uncachable: set[str] = set()
        self.state = CacheState.LOST
        self.connections = 0
        """How often it began to answer; whatever lay there before may be gone with each."""
        self.writes = 0
        """Entries that memcached has taken."""

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return len(self._pending.keys() | self._writing)

    def put(self, entries: Mapping[str, bytes], ttl: int) -> None:
        """Leave entries to be written, each to be gone ``ttl`` seconds from now."""
        expires = self._clock.monotonic() + ttl
        fitting = {key: (data, expires) for key, data in entries.items() if len(data) <= LARGEST_VALUE and is_key(key)}
        self._pending.update(fitting)
        if self._dropped:
            self._dropped.difference_update(fitting)
        for key in entries.keys() - fitting.keys() - self._uncachable if len(fitting) < len(entries) else ():
            self._uncachable.add(key)  # not again at every run
            _log.error("%s cannot be cached: %d bytes under a key of %d", key[:60], len(entries[key]), len(key))

    def drop(self, keys: Iterable[str]) -> None:
        """Let entries be gone before their time."""
        for key in filter(is_key, keys):
            self._pending.pop(key, None)
            self._dropped.add(key)

    async def get(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Entries that are there; none while memcached does not answer."""
        wanted = [key for key in keys if is_key(key)]
        if not wanted or self.state is CacheState.LOST:
            return {}
        try:
            found = await asyncio.to_thread(self._client.get_many, wanted)
        except (OSError, MemcacheError) as err:
            self._lost(err)
            return {}
        return {str(key): data for key, data in found.items()}

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
            await asyncio.to_thread(self._client.delete_many, gone, noreply=False)
            self._dropped.difference_update(gone)
        if not self._pending:
            if self.state is not CacheState.CONNECTED:
                await asyncio.to_thread(self._client.version)
            return
        self._writing, self._pending = self._pending, {}
        try:
            self.writes += await asyncio.to_thread(self._store, self._writing)
        except (OSError, MemcacheError):
            now = self._clock.monotonic()
            again = {key: one for key, one in self._writing.items() if one[1] > now and key not in self._dropped}
            self._pending = again | self._pending
            raise
        finally:
            self._writing = {}

    def _store(self, entries: Mapping[str, _Pending]) -> int:
        """Write those that have not expired; how many they are."""
        now = self._clock.monotonic()
        commands = [
            b"set %b 0 %d %d noreply\r\n%b\r\n" % (key.encode(), ceil(expires - now), len(data), data)
            for key, (data, expires) in entries.items()
            if expires > now
        ]
        for start in range(0, len(commands), _BATCH):
            # One answer for all; an error that memcached tells nevertheless comes before it, and is raised.
            self._client.raw_command(b"".join(commands[start : start + _BATCH]) + b"version")
        return len(commands)
