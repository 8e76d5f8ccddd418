"""A page as a mail, however it is sent, and the ways in which a mail can fail."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from alarms.outbox import Page
from alarms.text import one_line, some_lines
from sipmdcs.clock import to_datetime
from sipmdcs.errors import ServiceError

_MAX_LINE = 900
"""Characters in a line that every server takes (RFC 5321, 4.5.3.1.6, allows 998)."""

MAX_SUBJECT = 200
MAX_BODY = 100_000
"""Characters; a summary has a few thousand."""


class NotAccepted(ServiceError):
    """A mail was not taken because of the way to the server; any other mail would have fared alike."""


class Deferred(NotAccepted):
    """This mail was not taken now; it may be later, and others may be at once (RFC 5321, 4.2.1: replies 4yz)."""


class OutcomeUnknown(Deferred):
    """The connection was lost between the end of this mail and the reply to it: the server may have taken it or not."""


class Refused(NotAccepted):
    """This mail will never be taken (replies 5yz), or cannot even be built."""


def as_message(page: Page, sender: str) -> bytes:
    """A page as a mail from ``sender``, plain text that no mail program wraps or decodes wrongly.

    Raises:
        Refused: it cannot be built.
    """
    try:
        return _message(page, sender).as_bytes()
    except (ValueError, LookupError, TypeError) as err:  # UnicodeError is a ValueError, HeaderParseError is one as well
        raise Refused(f"the mail cannot be built: {one_line(str(err), MAX_SUBJECT)}") from err


def _message(page: Page, sender: str) -> EmailMessage:
    subject, body = one_line(page.subject, MAX_SUBJECT), f"{some_lines(page.body, MAX_BODY)}\n"
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))  # lines end as RFC 5321 wants, whatever the server can
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = page.address
    message["Date"] = format_datetime(to_datetime(page.composed_ns))
    message["Message-ID"] = _identifier(page.message_id)
    if page.in_reply_to:
        message["In-Reply-To"] = message["References"] = _identifier(page.in_reply_to)
    message["Auto-Submitted"] = "auto-generated"
    # Left alone, a line over 78 characters makes the whole text quoted-printable, which cuts commands in two.
    plain = body.isascii() and max(map(len, body.splitlines()), default=0) <= _MAX_LINE
    message.set_content(body, cte="7bit" if plain else None)
    return message


def _identifier(text: str) -> str:
    """A Message-ID that every server takes; older versions put names of receivers in, whatever these held."""
    return re.sub(r"[^!-~]", "-", text)
