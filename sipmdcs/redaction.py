"""Passwords and tokens are never shown: what every error, log line and traceback passes through."""

from __future__ import annotations

import re

HIDDEN = "***"

_NAME = r"[a-z0-9_]*(?:password|passwd|passphrase|secret|token|api_?key)"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_PARAMETER = re.compile(rf"(?P<name>\b{_NAME})=(?P<value>[^\s&'\",;]+)", re.IGNORECASE)
_MEMBER = re.compile(
    rf"""(?P<name>(?P<quote>['"]){_NAME}(?P=quote)\s*:\s*)(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,}}]+)""",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """A text for people, with the passwords of URLs and the values of parameters such as ``password=…`` hidden."""
    if "://" in text and "@" in text:
        text = re.sub(r"\S+", lambda word: redact_url(word[0]) if "://" in word[0] and "@" in word[0] else word[0], text)
    return _MEMBER.sub(rf'\g<name>"{HIDDEN}"', _redact_parameters(text))


def _redact_parameters(text: str) -> str:
    return _PARAMETER.sub(rf"\g<name>={HIDDEN}", text)


def redact_url(url: str) -> str:
    """A value that should be a URL, however malformed, without what may be its password.

    The password may hold any character, so the user ends at the first colon and the password at the last ``@``. Without one a
    second colon is that of a port, and what follows it is shown only if it is made of numbers.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        _, at, host = url.rpartition("@")
        return redact(f"{HIDDEN}@{host}" if at else url)
    user_info, at, tail = rest.rpartition("@")
    if at:
        user, colon, _ = user_info.partition(":")
        return f"{scheme}://{user}{f':{HIDDEN}' if colon else ''}@{_redact_parameters(tail)}"
    host, colon, port = rest.partition(":")
    if colon and not rest.startswith("/") and not re.match(r"[0-9:]*(?:[/?#]|$)", port):
        return f"{scheme}://{host}:{HIDDEN}"
    return redact(url)


def is_secret(name: str) -> bool:
    """Whether a key of this name holds something that must not be shown."""
    return _SECRET_NAME.fullmatch(name) is not None
