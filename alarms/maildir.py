"""Mail into a folder of this machine, in the Maildir format that mail programs read."""

from __future__ import annotations

import mailbox
from pathlib import Path

from alarms.mail import NotAccepted, as_message
from alarms.notifyfile import MaildirChannel
from alarms.outbox import Page


def keep(channel: MaildirChannel, page: Page, site_folder: Path) -> str:
    """Put a mail into ``new`` of the folder; it is complete there or not there at all.

    Returns:
        Where it lies.

    Raises:
        NotAccepted: the folder cannot be written.
        Refused: the mail cannot be built.
    """
    folder = site_folder / channel.folder
    message = as_message(page, channel.sender)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        key = mailbox.Maildir(folder).add(message)
    except OSError as err:
        raise NotAccepted(f"{folder}: {err.strerror}") from err
    return f"kept in {folder} as {key}"
