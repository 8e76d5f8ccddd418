"""The two wires of a PADME-NIM module: its telnet console and its web pages. Blocking, one thread."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import time
from typing import Any

from iocs.drivers.driver import Endpoint
from iocs.drivers.padme_nim_console import Prompt, reply_text, scan_prompts, scan_telnet
from iocs.drivers.port import host_and_port
from sipmdcs.errors import WireError

CONNECT_S = 2.0
REPLY_S = 1.0
"""How long the module may take for one command or page."""

PAGE_S = 2.0
"""For a whole page, however it trickles in: commands wait for the poll."""

MAX_PAGE = 1_000_000
"""Bytes; a page of 16 channels has 4,000."""

_CHUNK = 65_536

_PRINTABLE = frozenset("\r\n\t" + "".join(map(chr, range(0x20, 0x7F))))


class Console:
    """A telnet session, logged in while it is open."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect and log in.

        Raises:
            WireError: nobody listens there, or it does not behave like the console of such a module.
        """
        self.flaws: list[str] = []
        self._raw = b""
        self._text = ""
        where = host_and_port(endpoint["telnet"])
        try:
            self._socket = socket.create_connection(where, CONNECT_S)
        except OSError as err:
            raise WireError(f"console: {err.strerror or err}") from err
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._log_in(endpoint.get("user", ""), endpoint.get("password", ""))
        except WireError:
            self.close()
            raise

    def _log_in(self, user: str, password: str) -> None:
        prompt = self._listen()[1]
        for expected, answer in ((Prompt.USERNAME, user), (Prompt.PASSWORD, password)):
            if prompt is expected:
                self._send(answer)
                prompt = self._listen()[1]
        if prompt is not Prompt.COMMAND:
            raise WireError("console: login refused")

    def command(self, line: str) -> str:
        """Do one command and return what the module answers.

        Raises:
            DeviceRefused: the module says no.
            WireError: no answer in time, or the line is dead; the console must be opened again.
        """
        self._drop_stale()
        self._send(line)
        before, prompt = self._listen()
        if prompt is not Prompt.COMMAND:
            raise WireError("console: logged out")
        if not _PRINTABLE.issuperset(before):
            self.flaws.append("console: garbage in reply")
            before = "".join(c for c in before if c in _PRINTABLE)
        return reply_text(line, before)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _send(self, line: str) -> None:
        try:
            self._socket.settimeout(REPLY_S)
            self._socket.sendall(line.encode("ascii") + b"\r\n")
        except OSError as err:
            raise WireError(f"console: {err.strerror or err}") from err

    def _listen(self) -> tuple[str, Prompt]:
        """Text up to the next prompt, and the prompt."""
        deadline = time.monotonic() + REPLY_S
        is_over = False
        while True:
            listening = scan_prompts(self._text)
            if listening.heard:
                first = listening.heard[0]
                self._text = self._text[len(first.before) + len(first.prompt) :]
                return first.before, first.prompt
            if is_over:
                raise WireError("console: no reply")
            remaining = deadline - time.monotonic()
            is_over = remaining <= 0  # a last look: if this process was held up, the answer is there all the same
            with contextlib.suppress(BlockingIOError):
                self._receive(max(remaining, 0.0))

    def _drop_stale(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._receive(0)
        if self._text.strip():
            self.flaws.append("console: unexpected text")
        self._text = ""

    def _receive(self, timeout: float) -> None:
        self._socket.settimeout(timeout)
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            raise
        except TimeoutError as err:
            raise WireError("console: no reply") from err
        except OSError as err:
            raise WireError(f"console: {err.strerror or err}") from err
        if not data:
            raise WireError("console: connection closed")
        scan = scan_telnet(self._raw + data)
        self._raw = scan.rest
        # Latin-1 gives every byte a character, so garbage cannot stop the search for the next prompt.
        self._text += scan.text.decode("latin-1")
        if scan.answers:
            self._socket.sendall(scan.answers)


class Pages:
    """The module's web pages, over one connection as long as the module keeps it."""

    def __init__(self, endpoint: Endpoint) -> None:
        host, port = host_and_port(endpoint["http"])
        self._connection = http.client.HTTPConnection(host, port, timeout=REPLY_S)
        self._connection.response_class = _Reply

    def get(self, page: str) -> bytes:
        """One page.

        Raises:
            WireError: no answer in time, or none that is HTTP with status 200.
        """
        fresh = self._connection.sock is None
        try:
            return self._get(page)
        except ConnectionError:
            # A module may close a connection that was idle; that is no fault unless the connection was new.
            if fresh:
                raise
        return self._get(page)

    def _get(self, page: str) -> bytes:
        try:
            self._connection.request("GET", page)
            reply = self._connection.getresponse()
            body = _whole(reply)
        except ConnectionResetError as err:
            self.close()
            raise _Dropped(f"{page}: connection closed") from err
        except TimeoutError as err:
            self.close()
            raise WireError(f"{page}: no reply") from err
        except OSError as err:
            self.close()
            raise WireError(f"{page}: {err.strerror or err}") from err
        except http.client.HTTPException as err:
            self.close()
            raise WireError(f"{page}: not HTTP ({type(err).__name__})") from err
        if reply.status != http.HTTPStatus.OK:
            raise WireError(f"{page}: HTTP status {reply.status}")
        return body

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class _Reply(http.client.HTTPResponse):
    """A reply that has to be here within ``PAGE_S``, header and body, however slowly it comes."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Until(sock, time.monotonic() + PAGE_S))


class _Until(io.RawIOBase):
    """What a socket receives up to a moment."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, REPLY_S))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _whole(reply: http.client.HTTPResponse) -> bytes:
    body = b""
    while part := reply.read1(_CHUNK):
        body += part
        if len(body) > MAX_PAGE:
            raise TimeoutError
    if reply.length:
        raise http.client.IncompleteRead(body, reply.length)
    reply.close()  # so that the connection takes the next request
    return body


class _Dropped(WireError, ConnectionError):
    """The module closed the connection."""
