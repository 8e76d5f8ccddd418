"""Threads in which mails are handed over."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from alarms.notifyfile import NotifyFile
from sipmdcs.threads import started_pool


class MailThreads:
    """Some threads for each channel: a server that hangs takes neither those of another one nor those of the service."""

    def __init__(self, file: NotifyFile, name: str, most: int) -> None:
        """At most ``most`` mails are under way at once through each channel of ``file``; ``name`` is for lists of threads."""
        self._channel = {name: receiver.channel for name, receiver in file.receivers.items()}
        receivers = Counter(self._channel.values())
        self._pools = {channel: started_pool(min(count, most), name) for channel, count in receivers.items()}

    def of(self, receiver: str) -> ThreadPoolExecutor:
        """Those for mails to a receiver."""
        return self._pools[self._channel[receiver]]

    def shutdown(self) -> None:
        """Begin nothing more; nobody waits for what is under way."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
