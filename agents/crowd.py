"""How many processes a plugin has become: its worker and whatever that has started, which is one process group."""

from __future__ import annotations

import os
from collections import Counter

import psutil

MOST_PROCESSES = 50
"""A plugin that becomes more is ended, before it takes the machine from the others."""


def group_sizes() -> Counter[int]:
    """Processes of this machine by process group."""
    sizes: Counter[int] = Counter()
    for pid in psutil.pids():
        try:
            sizes[os.getpgid(pid)] += 1
        except (ProcessLookupError, PermissionError):  # it has ended, or is nobody's business
            continue
    return sizes
