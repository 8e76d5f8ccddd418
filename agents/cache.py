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
from typing import NamedTuple

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

_log = logging.getLogger(__name__)


class CacheState(IntEnum):
    """Value of ``DET:SYS:AGENTS:CACHE``."""

    NOT_USED = 0
    CONNECTED = 1
    LOST = 2


class _Pending(NamedTuple):
    data: bytes
    expires: float
    """Monotonic seconds."""


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
        return len(self._pending)

    def put(self, entries: Mapping[str, bytes], ttl: int) -> None:
        """Leave entries to be written, each to be gone ``ttl`` seconds from now."""
        expires = self._clock.monotonic() + ttl
        for key, data in entries.items():
            if is_key(key) and len(data) <= LARGEST_VALUE:
                self._pending[key] = _Pending(data, expires)
                if self._dropped:
                    self._dropped.discard(key)
            elif key not in self._uncachable:  # not again at every run
                self._uncachable.add(key)
                _log.error("%s cannot be cached: %d bytes under a key of %d", key[:60], len(data), len(key))

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
        now = self._clock.monotonic()
        self._pending = {key: one for key, one in self._pending.items() if one.expires > now}
        batch = dict(self._pending)
        by_ttl: dict[int, dict[str, bytes]] = {}
        for key, one in batch.items():
            by_ttl.setdefault(ceil(one.expires - now), {})[key] = one.data
        if gone := list(self._dropped):
            await asyncio.to_thread(self._client.delete_many, gone, noreply=False)
            self._dropped.difference_update(gone)
        if not by_ttl and self.state is not CacheState.CONNECTED:
            await asyncio.to_thread(self._client.version)
        for ttl, entries in by_ttl.items():
            refused = await asyncio.to_thread(self._client.set_many, entries, expire=ttl, noreply=False)
            self.writes += len(entries) - len(refused)
            for key in entries:
                if self._pending.get(key) is batch[key]:  # not replaced meanwhile
                    del self._pending[key]
