"""Which connections a service keeps when there are too many.

A connection that waits for its client holds a place for nothing: once the places run out, the one that waited longest without
having said anything makes room for the next, before one that was served already. Connections whose request is in work stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from enum import IntEnum
from typing import Generic, Protocol, TypeVar


class Waits(IntEnum):
    """What a connection waits for; the lower ones make room first."""

    FIRST = 0
    """The first byte."""
    HEAD = 1
    """The rest of the head of a request."""
    BODY = 2
    """The rest of a body."""
    READER = 3
    """The client to take more of its reply."""
    LAST_BYTES = 4
    """The end of what a refused client still sends."""
    NEXT = 5
    """A further request on a connection that was served."""
    SERVICE = 6
    """Its request is in work."""


class Connection(Protocol):
    """What the table needs to know of one."""

    @property
    def waiting(self) -> tuple[Waits, float]:
        """What it waits for, and since when."""
        ...


C = TypeVar("C", bound=Connection)


class ConnectionTable(Generic[C]):
    """The connections of one service.

    Args:
        limit: of all of them.
        per_address: of those from one address.
        proxies: addresses behind which are many clients; only ``limit`` holds for them.
    """

    def __init__(self, limit: int, per_address: int, proxies: Collection[str] = ()) -> None:
        self._limit = limit
        self._per_address = per_address
        self._proxies = frozenset(proxies)
        self._addresses: dict[C, str] = {}
        self._count: Counter[str] = Counter()
        """By address, reserved places among them."""
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[C]:
        return iter(list(self._addresses))

    @property
    def is_full(self) -> bool:
        """Whether every place is taken or reserved."""
        return self._total >= self._limit

    def admit(self, address: str) -> tuple[bool, C | None]:
        """Reserve a place for a connection that was just accepted.

        Returns:
            Whether there is one, and the connection that has to be closed for it, which has none any more.
        """
        victim: C | None = None
        crowded = address not in self._proxies and self._count[address] >= self._per_address
        if crowded or self.is_full:
            victim = self.first_to_go(address if crowded else None)
            if victim is None:
                return False, None
            self.remove(victim)
        self._count[address] += 1
        self._total += 1
        return True, victim

    def give_back(self, address: str) -> None:
        """A reserved place is not taken after all."""
        self._total -= 1
        self._count[address] -= 1
        if self._count[address] <= 0:
            del self._count[address]

    def add(self, connection: C, address: str) -> None:
        """A connection takes its reserved place."""
        self._addresses[connection] = address

    def remove(self, connection: C) -> None:
        """A connection is over; it may have been removed before."""
        address = self._addresses.pop(connection, None)
        if address is not None:
            self.give_back(address)

    def first_to_go(self, address: str | None = None) -> C | None:
        """The connection that others can do without, of an address if one is given; ``None`` if all are at work."""
        candidates = [
            (connection.waiting, number, connection)
            for number, (connection, from_) in enumerate(self._addresses.items())
            if address is None or from_ == address
        ]
        waiting, _, connection = min(candidates, default=((Waits.SERVICE, 0.0), 0, None))
        return None if waiting[0] is Waits.SERVICE else connection
