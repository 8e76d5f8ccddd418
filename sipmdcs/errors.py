"""Every error a user can meet.

    DcsError                    one line, says what, where and what was expected
    ├── BadInput                a file, line, key or value somebody wrote is wrong
    │   └── NotRendered         the records of an IOC are not made yet
    ├── ChannelError            a PV did something else than it was asked to
    │   ├── NotConnected
    │   ├── PutRefused
    │   └── ChannelTimeout
    ├── DeviceError             a controller, or the wire to it
    │   ├── WireError           bytes that do not make sense, or none at all
    │   └── DeviceRefused       the device understood and said no
    └── ServiceError            a process, port, file or database we depend on

The command line prints ``str(error)`` and exits with status 1; nothing else about an error reaches a user.
"""

from __future__ import annotations

from pathlib import Path

from sipmdcs.redaction import redact


class DcsError(Exception):
    """Something a user is told about in one line. Passwords and tokens in the text are hidden."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


class BadInput(DcsError):
    """Input written by a person cannot be used.

    The text reads ``file:line: key: what is wrong, what was expected``, parts that do not apply left out.
    """

    def __init__(
        self, message: str, *, file: str | Path | None = None, line: int | None = None, key: str | None = None
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.line = line
        self.key = key
        place = "" if self.file is None else self.file if line is None else f"{self.file}:{line}"
        super().__init__(": ".join(part for part in (place, key, message) if part))


class NotRendered(BadInput):
    """The records of an IOC are not made yet."""


class ChannelError(DcsError):
    """A process variable could not be read, written or watched."""

    def __init__(self, pv: str, message: str) -> None:
        self.pv = pv
        super().__init__(f"{pv}: {message}")


class NotConnected(ChannelError):
    """No server answers for this PV."""


class PutRefused(ChannelError):
    """The server said no: access rights, wrong type, unknown enumeration string, disabled record.

    Args:
        pv: that was written.
        message: why.
        carried_out: the server had it, so that the alarm of the record, if it is of this put, says why it failed.
    """

    def __init__(self, pv: str, message: str, *, carried_out: bool = False) -> None:
        self.carried_out = carried_out
        super().__init__(pv, message)


class ChannelTimeout(ChannelError):
    """The server did not answer in time."""


class DeviceError(DcsError):
    """A controller does not do what it should."""


class WireError(DeviceError):
    """Bytes that do not make sense, or none at all, where a reply was due."""


class DeviceRefused(DeviceError):
    """The device understood the command and refused it."""


class ServiceError(DcsError):
    """A process, port, file or database that is needed is not there."""
