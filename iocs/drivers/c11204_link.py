"""The serial line of a C11204: one request, one reply, resynchronised after any garbage. Blocking, one thread."""

from __future__ import annotations

import termios
import time

import serial

from iocs.drivers.c11204_codec import Command
from iocs.drivers.c11204_frame import BadFrame, Frame, scan_frames
from iocs.drivers.driver import Endpoint
from sipmdcs.errors import WireError

BAUD = 38_400
REPLY_S = 0.3
"""How long a reply may take: 10 to 100 ms are usual, the longest frame needs 15 ms on the line."""

STORE_S = 1.5
"""How long the module may be busy writing its non-volatile memory."""

ATTEMPTS = 2

_NO_RETRY = frozenset({Command.SET_COMPENSATION})
"""Wears the non-volatile memory, so a lost reply is an error at once."""

_MAX_REPLY = 256
"""Bytes; the longest reply has 51."""


class SerialLine:
    """An open line. Every byte that is no part of an awaited reply is counted in ``flaws``."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Open the line: 38400 baud, 8 data bits, even parity, 1 stop bit, no handshake.

        Raises:
            WireError: there is no such line, or another program holds it.
        """
        self.flaws: list[str] = []
        url = endpoint["tty"] if "tty" in endpoint else f"socket://{endpoint['telnet']}"
        # A pseudo-terminal has no parity, and Linux refuses to set one.
        parity = serial.PARITY_NONE if url.startswith("/dev/pts/") else serial.PARITY_EVEN
        # A network socket knows neither line speed nor locking; the adapter at its other end does.
        line = {"baudrate": BAUD, "parity": parity, "exclusive": True} if "tty" in endpoint else {}
        try:
            self._line = serial.serial_for_url(url, timeout=REPLY_S, write_timeout=REPLY_S, **line)
        except (OSError, ValueError, termios.error) as err:
            raise WireError(f"{url} cannot be opened") from err
        self._rest = b""

    def ask(self, command: Command, request: bytes) -> str:
        """Send a request and return the text of the frame that comes back, asking again once.

        Raises:
            WireError: no whole frame came in time, or the line is dead.
        """
        attempts = 1 if command in _NO_RETRY else ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                return self._ask_once(command, request)
            except WireError as err:
                if attempt == attempts:
                    raise
                self.flaws.append(str(err))
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the line."""
        self._line.close()

    def _ask_once(self, command: Command, request: bytes) -> str:
        self._drop_stale()
        try:
            self._line.write(request)
        except OSError as err:
            raise WireError(f"{command}: line is dead") from err
        deadline = time.monotonic() + (STORE_S if command is Command.SET_COMPENSATION else REPLY_S)
        flaw = ""
        garbage = 0
        is_over = False
        while not flaw and not is_over:
            remaining = deadline - time.monotonic()
            is_over = remaining <= 0  # a last look: if this process was held up, the answer is there all the same
            scan = scan_frames(self._rest + (self._receive(command, remaining) if not is_over else self._waiting(command)))
            self._rest = scan.rest
            garbage += scan.skipped
            for found in scan.found:
                if isinstance(found, Frame) and _answers(found, command):
                    self._note_garbage(garbage)
                    return found.text
                flaw = found.flaw.value if isinstance(found, BadFrame) else f"answered by {found.text[:3]}"
        if not flaw:
            flaw = f"{garbage} bytes of garbage" if garbage else "cut short" if self._rest else "no reply"
        raise WireError(f"{command}: {flaw}")

    def _note_garbage(self, count: int) -> None:
        if count:
            self.flaws.append(f"{count} bytes of garbage skipped")

    def _receive(self, command: Command, timeout: float) -> bytes:
        self._line.timeout = timeout
        try:
            first = self._line.read(1)
            return first + self._line.read(self._line.in_waiting) if first else b""
        except OSError as err:
            raise WireError(f"{command}: line is dead") from err

    def _waiting(self, command: Command) -> bytes:
        """What lies there already; of a line that floods us no more than any reply needs."""
        data = b""
        try:
            while len(data) < _MAX_REPLY and (count := self._line.in_waiting):
                data += self._line.read(count)
        except OSError as err:
            raise WireError(f"{command}: line is dead") from err
        return data

    def _drop_stale(self) -> None:
        """Throw away what came late, so that the next frame is the answer to the next request."""
        try:
            waiting = self._line.in_waiting
            stale = len(self._rest) + len(self._line.read(waiting) if waiting else b"")
        except OSError as err:
            raise WireError("line is dead") from err
        self._rest = b""
        if stale:
            self.flaws.append(f"{stale} stale bytes dropped")


def _answers(frame: Frame, command: Command) -> bool:
    return frame.text[:3] in (command.lower(), "hxx")
