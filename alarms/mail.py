"""A page as a mail, however it is sent."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from alarms.outbox import Page
from sipmdcs.clock import to_datetime
from sipmdcs.errors import ServiceError

_LONGEST_LINE = 900
"""Characters in a line that every server takes (RFC 5321, 4.5.3.1.6, allows 998)."""


class NotAccepted(ServiceError):
    """A mail was not taken."""


def as_message(page: Page, sender: str) -> EmailMessage:
    """A page as a mail from ``sender``, plain text that no mail program wraps or decodes wrongly."""
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))  # lines end as RFC 5321 wants, whatever the server can
    message["Subject"] = page.subject
    message["From"] = sender
    message["To"] = page.address
    message["Date"] = format_datetime(to_datetime(page.composed_ns))
    message["Message-ID"] = page.message_id
    if page.in_reply_to:
        message["In-Reply-To"] = page.in_reply_to
        message["References"] = page.in_reply_to
    message["Auto-Submitted"] = "auto-generated"
    # Left alone, a line over 78 characters makes the whole text quoted-printable, which cuts commands in two.
    plain = page.body.isascii() and max(map(len, page.body.splitlines()), default=0) <= _LONGEST_LINE
    message.set_content(page.body, cte="7bit" if plain else None)
    return message
