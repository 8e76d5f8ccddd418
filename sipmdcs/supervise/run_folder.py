"""Where the state of a running site lies."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sipmdcs.errors import ServiceError

SOCKET_LIMIT = 107
"""Longest path of a UNIX socket, bytes (``sun_path`` of Linux less the terminator, unix(7))."""

_PID_SUFFIX = 8
"""supervisord binds to PATH.PID before it renames; a PID has at most seven digits. ``notify_socket`` is no longer than that."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Files of process control, in ``var`` of a site."""

    var: Path

    @classmethod
    def of(cls, folder: Path) -> RunFolder:
        """The run folder of the site in ``folder``, whether its file can be read or not."""
        return cls(folder / "var")

    @property
    def folder(self) -> Path:
        """What is gone after ``down``."""
        return self.var / "run"

    @property
    def configuration(self) -> Path:
        """Configuration of supervisord."""
        return self.var / "supervisor.conf"

    @property
    def lock(self) -> Path:
        """Held while a process starts or stops the site; its text is the process number."""
        return self.folder / "lock"

    @property
    def keeper(self) -> Path:
        """What the keeper knows about restarts."""
        return self.folder / "keeper.json"

    @property
    def logs(self) -> Path:
        """Folder of all logs."""
        return self.var / "log"

    @property
    def supervisor_log(self) -> Path:
        """Log of supervisord itself."""
        return self.logs / "supervisord.log"

    @property
    def socket(self) -> Path:
        """Where supervisord answers; outside the site if its path is too long for a socket."""
        wanted = self.folder / "supervisor.sock"
        if len(os.fsencode(wanted)) + _PID_SUFFIX <= SOCKET_LIMIT:
            return wanted
        digest = hashlib.sha256(os.fsencode(self.var)).hexdigest()[:16]
        # Not tempfile.gettempdir(): up and status must agree whatever TMPDIR says.
        return Path(f"/tmp/sipmdcs-{os.getuid()}/{digest}.sock")  # noqa: S108 - the folder is checked in make()

    @property
    def notify_socket(self) -> Path:
        """Where the keeper hears that processes are alive."""
        return self.socket.with_suffix(".notify")

    def log(self, program: str) -> Path:
        """Log of one program."""
        return self.logs / f"{program}.log"

    def make(self) -> None:
        """Make the folders.

        Raises:
            ServiceError: a folder cannot be made, or somebody else owns the socket's.
        """
        try:
            for folder in (self.folder, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            if self.socket.parent != self.folder:
                self.socket.parent.mkdir(mode=0o700, exist_ok=True)
                found = self.socket.parent.lstat()
                if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
                    raise ServiceError(f"{self.socket.parent} must be a folder that is yours alone (mode 700)")
        except OSError as err:
            raise ServiceError(f"{err.filename}: cannot be made: {err.strerror}") from err
