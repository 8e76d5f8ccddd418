"""One mail to one address through one SMTP server, with the server's reply as proof.

The steps of ``smtplib.SMTP.sendmail`` are taken one by one, because that function throws away the reply to the message itself,
which is the only evidence that the server took it (RFC 5321, 4.2.5).
"""

from __future__ import annotations

import os
import re
import smtplib
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from alarms.mail import Deferred, NotAccepted, OutcomeUnknown, Refused, as_message
from alarms.notifyfile import SmtpChannel, Tls
from alarms.outbox import Page
from alarms.text import one_line
from alarms.timelimit import TimeLimit
from sipmdcs.errors import BadInput
from sipmdcs.yamlfile import Strict, read_yaml

_LONGEST = 3
"""A mail may take so many times ``timeout_s`` altogether."""

_MAX_REPLY = 300
"""Characters of a server's reply that are kept."""

_MAX_SAID = 100_000
"""Bytes that a server may say altogether; one that never comes to the end of a reply must not fill the memory."""


class Login(Strict):
    """Schema of a login file."""

    user: str
    password: str


def send(channel: SmtpChannel, page: Page) -> str:
    """Hand a mail to the server; blocks for at most three times ``channel.timeout_s``, whatever the server does.

    Returns:
        The reply to the message, such as ``250 2.0.0 Ok: queued as 1A2B3C``.

    Raises:
        NotAccepted: before it came to this mail; the text says at which step and why.
        Deferred: not this mail, for now.
        OutcomeUnknown: nobody knows.
        Refused: never this mail.
    """
    message = as_message(page, channel.sender)
    where = f"mail server {channel.host}:{channel.port}"
    with TimeLimit(_LONGEST * channel.timeout_s) as limit:
        step = _Step(where, limit)
        with step("connecting"):
            smtp = _connect(channel, limit)
        try:
            with step("greeting"):
                _expect(smtp.ehlo())
            if channel.tls is Tls.STARTTLS:
                with step("STARTTLS"):
                    _expect(smtp.starttls(context=ssl.create_default_context(cafile=channel.ca_file)))
                    _expect(smtp.ehlo())
            if (login := _login(channel)) is not None:
                with step("login"):
                    smtp.login(login.user, login.password)
            with step("sender", for_good=Refused):
                _expect(smtp.mail(channel.sender))
            with step("receiver", of_this_mail=True):
                _expect(smtp.rcpt(page.address))
            with step("message", of_this_mail=True):
                _expect(smtp.docmd("DATA"), _GO_ON)
                smtp.send(_stuffed(message))
            with step("end of message", of_this_mail=True, lost=OutcomeUnknown):
                return _expect(smtp.getreply())
        finally:
            _leave(smtp)


_GOODBYE_S = 1.0
"""Wait for the reply to QUIT: the next mail is not to wait for a server that never gives it."""

_GO_ON = 354
_CLOSING = 421
"""The server ends this connection, whatever it was about (RFC 5321, 3.8)."""


class _Step:
    """Names the step at which a mail failed, and says by the kind of error what that means for this mail and for others."""

    def __init__(self, where: str, limit: TimeLimit) -> None:
        self._where = where
        self._limit = limit

    @contextmanager
    def __call__(
        self,
        name: str,
        *,
        of_this_mail: bool = False,
        lost: type[NotAccepted] | None = None,
        for_good: type[NotAccepted] = NotAccepted,
    ) -> Iterator[None]:
        try:
            yield
        except (smtplib.SMTPException, OSError, ValueError) as err:  # ValueError: a host or login that no wire can carry
            code = err.smtp_code if isinstance(err, smtplib.SMTPResponseException) else -1
            kind = for_good if code >= 500 else NotAccepted
            if of_this_mail and code != _CLOSING:
                kind = Refused if code >= 500 else Deferred if code > 0 or lost is None else lost
            reason = f"not done after {self._limit.seconds:g} s" if self._limit.over else _reason(err)
            raise kind(f"{self._where} at {name}: {reason}") from err


def _stuffed(message: bytes) -> bytes:
    """A message as it goes over the wire, its end included (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", message) + b".\r\n"


class _Limited:
    """Puts a connection under a time limit from its first byte on; comes before an ``smtplib`` class among the bases."""

    sock: Any
    file: Any

    def __init__(self, limit: TimeLimit, *args: Any, **options: Any) -> None:
        self._limit = limit
        super().__init__(*args, **options)

    def connect(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        self._limit.watch(lambda: getattr(self, "sock", None))
        return super().connect(*args, **options)  # type: ignore[misc]

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = _Brief(self.sock.makefile("rb"))
        return super().getreply()  # type: ignore[misc]


class _Brief:
    """What a server says, up to a limit."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MAX_SAID
        self.close = file.close

    def readline(self, size: int) -> bytes:
        line = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0 or (len(line) == size and not line.endswith(b"\n")):
            raise OSError("the reply is too long")
        return line


class _Plain(_Limited, smtplib.SMTP):
    pass


class _Secure(_Limited, smtplib.SMTP_SSL):
    pass


def _connect(channel: SmtpChannel, limit: TimeLimit) -> smtplib.SMTP:
    if channel.tls is Tls.IMPLICIT:
        context = ssl.create_default_context(cafile=channel.ca_file)
        return _Secure(limit, channel.host, channel.port, _own_name(), timeout=channel.timeout_s, context=context)
    return _Plain(limit, channel.host, channel.port, _own_name(), timeout=channel.timeout_s)


def prepare() -> None:
    """Do once what the first mail would have to wait for; blocks while a name server is away."""
    _own_name()
    as_message(Page(0, "<0@prepare>", "", "nobody@example.org", "", "", "", 0, 0), "nobody@example.org")


@cache
def _own_name() -> str:
    """Name of this machine for the greeting; asked for once, because a name server that is away takes seconds to say so."""
    name = socket.getfqdn()
    return name if "." in name and name.isascii() else "[127.0.0.1]"  # what smtplib says then


def _leave(smtp: smtplib.SMTP) -> None:
    # By now it is decided whether the mail is accepted; what goes wrong with QUIT changes nothing about that.
    with suppress(smtplib.SMTPException, OSError):
        if smtp.sock is not None:
            smtp.sock.settimeout(_GOODBYE_S)
        smtp.quit()
    smtp.close()


def _expect(answer: tuple[int, bytes], wanted: int | None = None) -> str:
    code, text = answer
    if code < 0:  # what smtplib makes of a line that is no reply
        raise smtplib.SMTPServerDisconnected("the reply is not SMTP")
    if not (200 <= code < 300 if wanted is None else code == wanted):
        raise smtplib.SMTPResponseException(code, text)
    return one_line(f"{code} {text.decode('utf-8', 'replace')}", _MAX_REPLY)


def _reason(err: Exception) -> str:
    if isinstance(err, smtplib.SMTPResponseException):
        text = err.smtp_error.decode("utf-8", "replace") if isinstance(err.smtp_error, bytes) else str(err.smtp_error)
        return one_line(f"{err.smtp_code} {text}", _MAX_REPLY)
    return one_line(str(err), _MAX_REPLY) or type(err).__name__


def _login(channel: SmtpChannel) -> Login | None:
    """User and password, read when they are needed so that a changed password needs no restart."""
    if channel.login_file is not None:
        return read_login(channel.login_file)
    if not channel.user_env:
        return None
    try:
        return Login(user=os.environ[channel.user_env], password=os.environ[channel.password_env])
    except KeyError as err:
        raise NotAccepted(f"environment variable {err.args[0]} with the mail login is not set") from err


def read_login(path: Path) -> Login:
    """User and password from a file.

    Raises:
        NotAccepted: the file cannot be used, or others than its owner may read it.
    """
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise NotAccepted(f"{path}: others may read it; run: chmod 600 {path}")
        return read_yaml(path, Login)
    except BadInput as err:
        raise NotAccepted(str(err)) from err
    except OSError as err:
        raise NotAccepted(f"{path}: cannot be read: {err.strerror}") from err
