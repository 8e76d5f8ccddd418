"""How much memory and how many connections clients may take; whoever asks for more is refused, the rest goes on."""

from __future__ import annotations

import os
import resource

CIRCUIT_BYTES = 16_384
CHANNEL_BYTES = 640
SUBSCRIPTION_BYTES = 1_024
PUT_BYTES = 1_024
WITHDRAWN_BYTES = 64
"""What a connection, a channel, a subscription, a put that waits and a channel that was withdrawn cost besides their
data; measured, rounded up."""

MEMORY_SHARE = 8
MAX_BYTES = 1 << 30
SPARE_DESCRIPTORS = 64
"""Files and sockets that the process needs besides its clients."""
MAX_CIRCUITS = 832
"""A serial line that is opened again needs a descriptor below 1,024: pyserial waits with select(2), which knows no other."""


class Budget:
    """Bytes that clients make the server keep, in all.

    One client may take as much as it leaves to the others, so that none alone can use everything up.

    Args:
        total: bytes, by default an eighth of the memory of the machine or of what the process may use, at most 1 GiB.
    """

    def __init__(self, total: int | None = None) -> None:
        self.total = _default_total() if total is None else total
        self.used = 0

    def account(self) -> Account:
        """For a new client."""
        return Account(self)


class Account:
    """Bytes that one client makes the server keep."""

    __slots__ = ("_budget", "used")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.used = 0

    def take(self, size: int) -> bool:
        """Whether ``size`` more bytes may be kept for this client; if so, they are its own from now on."""
        budget = self._budget
        if self.used + size > budget.total - budget.used:
            return False
        self.used += size
        budget.used += size
        return True

    def give_back(self, size: int) -> None:
        """``size`` bytes are kept no longer; what comes after ``close`` was given back with it."""
        size = min(size, self.used)
        self.used -= size
        self._budget.used -= size

    def close(self) -> None:
        """The client is gone; what it had is free."""
        self.give_back(self.used)


def _default_total() -> int:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        memory = min(memory, limit)
    return min(memory // MEMORY_SHARE, MAX_BYTES)


def max_circuits() -> int:
    """Connections that leave the process half of the descriptors it may have, for everything else that it does."""
    return min(max((resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS) // 2, 1), MAX_CIRCUITS)
