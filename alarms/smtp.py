"""One mail to one address through one SMTP server, with the server's reply as proof.

The steps of ``smtplib.SMTP.sendmail`` are taken one by one, because that function throws away the reply to the message itself,
which is the only evidence that the server took it (RFC 5321, 4.2.5).
"""

from __future__ import annotations

import os
import smtplib
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from alarms.mail import NotAccepted, as_message
from alarms.notifyfile import SmtpChannel, Tls
from alarms.outbox import Page
from alarms.timelimit import TimeLimit
from sipmdcs.errors import BadInput
from sipmdcs.yamlfile import Strict, read_yaml

_PATIENCE = 3
"""A mail may take so many times ``timeout_s`` altogether."""


class Login(Strict):
    """Schema of a login file."""

    user: str
    password: str


def send(channel: SmtpChannel, page: Page) -> str:
    """Hand a mail to the server; blocks for at most three times ``channel.timeout_s``, whatever the server does.

    Returns:
        The reply to the message, such as ``250 2.0.0 Ok: queued as 1A2B3C``.

    Raises:
        NotAccepted: at whatever step; the text says which and why.
    """
    step = "connecting"
    where = f"{channel.host}:{channel.port}"
    with TimeLimit(_PATIENCE * channel.timeout_s) as limit:
        try:
            smtp = _connect(channel, limit)
            try:
                step = "greeting"
                _expect(smtp.ehlo())
                if channel.tls is Tls.STARTTLS:
                    step = "STARTTLS"
                    _expect(smtp.starttls(context=ssl.create_default_context(cafile=channel.ca_file)))
                    _expect(smtp.ehlo())
                if (login := _login(channel)) is not None:
                    step = "login"
                    smtp.login(login.user, login.password)
                step = "sender"
                _expect(smtp.mail(channel.sender))
                step = "receiver"
                _expect(smtp.rcpt(page.address))
                step = "message"
                return _expect(smtp.data(as_message(page, channel.sender).as_bytes()))
            finally:
                _leave(smtp)
        except (smtplib.SMTPException, OSError) as err:
            reason = f"not done after {limit.seconds:g} s" if limit.over else _reason(err)
            raise NotAccepted(f"mail server {where} at {step}: {reason}") from err


class _Limited:
    """Puts a connection under a time limit from its first byte on; comes before an ``smtplib`` class among the bases."""

    def __init__(self, limit: TimeLimit, *args: Any, **options: Any) -> None:
        self._limit = limit
        super().__init__(*args, **options)

    def connect(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        self._limit.watch(lambda: getattr(self, "sock", None))
        return super().connect(*args, **options)  # type: ignore[misc]


class _Plain(_Limited, smtplib.SMTP):
    pass


class _Secure(_Limited, smtplib.SMTP_SSL):
    pass


def _connect(channel: SmtpChannel, limit: TimeLimit) -> smtplib.SMTP:
    if channel.tls is Tls.IMPLICIT:
        context = ssl.create_default_context(cafile=channel.ca_file)
        return _Secure(limit, channel.host, channel.port, timeout=channel.timeout_s, context=context)
    return _Plain(limit, channel.host, channel.port, timeout=channel.timeout_s)


def _leave(smtp: smtplib.SMTP) -> None:
    # By now it is decided whether the mail is accepted; what goes wrong with QUIT changes nothing about that.
    with suppress(smtplib.SMTPException, OSError):
        smtp.quit()
    smtp.close()


def _expect(answer: tuple[int, bytes]) -> str:
    code, text = answer
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, text)
    return f"{code} {text.decode('utf-8', 'replace')}"


def _reason(err: smtplib.SMTPException | OSError) -> str:
    if isinstance(err, smtplib.SMTPResponseException):
        text = err.smtp_error.decode("utf-8", "replace") if isinstance(err.smtp_error, bytes) else str(err.smtp_error)
        return f"{err.smtp_code} {text}".replace("\n", " ")
    return str(err) or type(err).__name__


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
