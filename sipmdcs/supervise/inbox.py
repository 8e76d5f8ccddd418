"""Where a supervisor hears the words of ``sipmdcs.notify``, with the process that spoke as the kernel names it."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

_LENGTH = 256
"""Bytes; what is longer is cut."""
_AT_ONCE = 1000
"""Words taken in one go; the rest follows in the next."""
_CREDENTIALS = struct.Struct("3i")
"""PID, UID, GID: ``struct ucred`` of unix(7)."""


class Inbox:
    """A datagram socket in the file system, for this user alone since its folder is."""

    def __init__(self, path: Path) -> None:
        """Listen at ``path``, in place of whatever listened there before.

        Raises:
            OSError: it cannot be made.
        """
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(path))

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def take(self) -> list[tuple[int, bytes]]:
        """PID and words of what came, oldest first."""
        found: list[tuple[int, bytes]] = []
        try:
            while len(found) < _AT_ONCE:
                words, ancillary, _, _ = self._socket.recvmsg(_LENGTH, socket.CMSG_SPACE(_CREDENTIALS.size))
                found += [
                    (_CREDENTIALS.unpack(data)[0], words)
                    for level, kind, data in ancillary
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
                ]
        except BlockingIOError:
            pass
        return found
