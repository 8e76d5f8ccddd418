"""Schema of ``notify.yaml``: who is told of which alarms, and how."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from alarms.level import Level
from alarms.text import Name
from sipmdcs.site import Port, is_ip_address
from sipmdcs.yamlfile import Strict, bad_key, read_yaml

NOTIFY_FILE = "notify.yaml"

_ADDRESS = re.compile(r"[^\s<>@,;:\"()\[\]\\]{1,64}@(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f.:]{1,50}\])")
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,255}")


def _mail_address(text: str) -> str:
    if not _ADDRESS.fullmatch(text) or not text.isascii() or not text.isprintable():
        raise ValueError("expected one mail address, such as shift@example.org")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text) or (":" in text and not is_ip_address(text, 6)):
        raise ValueError("expected the name or address of a machine, its port apart")
    return text


def _folder(path: Path) -> Path:
    if not str(path).isprintable():
        raise ValueError("expected a path of printable characters")
    return path


def _period(seconds: float) -> float:
    if 0 < seconds < 1:
        raise ValueError("expected 0 for never, or at least 1")
    return seconds


MailAddress = Annotated[str, AfterValidator(_mail_address)]


class Tls(StrEnum):
    """How the connection to a mail server is secured."""

    NONE = "none"
    STARTTLS = "starttls"
    """Plain at first, then secured (RFC 3207); never falls back to plain."""
    IMPLICIT = "implicit"
    """Secured from the first byte (RFC 8314), usually port 465."""


class Channel(Strict):
    """What every way of sending has."""

    sender: Annotated[MailAddress, Field(alias="from")]
    retry_s: Annotated[float, Field(gt=0, le=600)] = 2.0
    """First pause after a failure; it doubles up to ``retry_max_s``."""
    retry_max_s: Annotated[float, Field(gt=0, le=3600)] = 120.0


class MaildirChannel(Channel):
    """A folder that mail programs read (Maildir): for one's own machine, without a mail server."""

    kind: Literal["maildir"]
    folder: Annotated[Path, AfterValidator(_folder)]
    """Relative to the site folder; made when the first mail comes."""


class SmtpChannel(Channel):
    """A mail server."""

    kind: Literal["smtp"] = "smtp"
    host: Annotated[str, AfterValidator(_host)]
    port: Port = 25
    tls: Tls = Tls.NONE
    ca_file: Path | None = None
    """Certificates to trust, PEM; those of the machine if left out."""
    login_file: Path | None = None
    """YAML file with ``user`` and ``password``, outside the site folder and readable by its owner alone."""
    user_env: str = ""
    """Environment variable that holds the user name."""
    password_env: str = ""
    """Environment variable that holds the password."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _login_from_one_place(self) -> SmtpChannel:
        if bool(self.user_env) != bool(self.password_env):
            raise ValueError("user_env and password_env go together")
        if self.login_file and self.user_env:
            raise ValueError("give login_file or user_env and password_env, not both")
        if (self.login_file or self.user_env) and self.tls is Tls.NONE:
            raise ValueError("a password needs tls: starttls or tls: implicit")
        return self


def _kind(value: object) -> object:
    """Mail goes through a server unless the file says otherwise."""
    return value.get("kind", "smtp") if isinstance(value, dict) else getattr(value, "kind", None)


AnyChannel = Annotated[Annotated[MaildirChannel, Tag("maildir")] | Annotated[SmtpChannel, Tag("smtp")], Discriminator(_kind)]


class Receiver(Strict):
    """Somebody who is told."""

    channel: str
    address: MailAddress


class Minimum(StrEnum):
    """Lowest level that is worth a page."""

    MINOR = "MINOR"
    MAJOR = "MAJOR"
    INVALID = "INVALID"
    UNDEFINED = "UNDEFINED"

    @property
    def level(self) -> Level:
        """The level itself."""
        return Level[self.value]


class Route(Strict):
    """Which alarms go to whom."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)] = ("/",)
    """Paths in the tree, patterns allowed; everything below is meant."""
    minimum: Minimum = Minimum.MAJOR
    receivers: Annotated[tuple[str, ...], Field(min_length=1)]
    delay_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """Page only if the alarm is still not acknowledged after this time."""
    repeat_s: Annotated[float, Field(ge=0, le=86_400), AfterValidator(_period)] = 0.0
    """Page again as long as nobody acknowledges, after a second or more; 0 is off."""
    follow_up: bool = True
    """Tell the same people when the alarm was acknowledged or is gone."""


class NotifyFile(Strict):
    """Schema of ``notify.yaml``."""

    channels: dict[Name, AnyChannel] = Field(default_factory=dict)
    receivers: dict[Name, Receiver] = Field(default_factory=dict)
    routes: dict[Name, Route] = Field(default_factory=dict)
    fallback: str | None = None
    """Receiver who gets first what cannot be delivered to another one; the others in the order of the file if left out."""
    gather_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    """Shortest time between two mails to a receiver. The first goes at once; what comes within this time is one more mail."""
    gather_max_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """While mails follow each other, waiting grows up to this."""
    summary_above: Annotated[int, Field(ge=1)] = 5
    """With more alarms than this a mail is a summary."""


def load_notify(folder: Path) -> NotifyFile:
    """``notify.yaml`` of a site folder; without the file nobody is told of anything.

    Raises:
        BadInput: the file is wrong, or names a channel, receiver or login file that cannot be used.
    """
    path = folder / NOTIFY_FILE
    if not path.is_file():
        return NotifyFile()
    file = read_yaml(path, NotifyFile)
    for name, receiver in file.receivers.items():
        if receiver.channel not in file.channels:
            raise bad_key(path, ("receivers", name, "channel"), f"{receiver.channel} is not under channels")
    for name, route in file.routes.items():
        for index, receiver in enumerate(route.receivers):
            if receiver not in file.receivers:
                raise bad_key(path, ("routes", name, "receivers", index), f"{receiver} is not under receivers")
    if file.fallback is not None and file.fallback not in file.receivers:
        raise bad_key(path, ("fallback",), f"{file.fallback} is not under receivers")
    for name, channel in file.channels.items():
        if isinstance(channel, MaildirChannel):
            continue
        login = channel.login_file
        if login is not None and (not login.is_absolute() or login.resolve().is_relative_to(folder.resolve())):
            message = f"{login} must be an absolute path outside the site folder, which is copied and versioned"
            raise bad_key(path, ("channels", name, "login_file"), message)
    return file
