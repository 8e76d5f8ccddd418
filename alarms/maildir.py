"""Mail into a folder of this machine, in the Maildir format that mail programs read."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from alarms.mail import NotAccepted, as_message
from alarms.notifyfile import MaildirChannel
from alarms.outbox import Page
from sipmdcs.durable import make_folder, rename_synced, write_synced

_MODE = 0o700
"""Of the folders: mail is its owner's alone."""
_serial = count()


def keep(channel: MaildirChannel, page: Page, site_folder: Path) -> str:
    """Put a mail into ``new`` of the folder; it is complete there, also after a loss of power, or not there at all.

    Returns:
        Where it lies.

    Raises:
        NotAccepted: the folder cannot be written.
        Refused: the mail cannot be built.
    """
    folder = site_folder / channel.folder
    message = as_message(page, channel.sender)
    name = _unique_name()
    part, mail = folder / "tmp" / name, folder / "new" / name
    try:
        for each in (folder, folder / "cur", part.parent, mail.parent):
            make_folder(each, _MODE)
        write_synced(part, message)
        rename_synced(part, mail)
    except OSError as err:
        for path in (part, mail):  # it is put there again later, which must not make two of it
            with suppress(OSError):
                path.unlink()
        raise NotAccepted(f"{folder}: {err.strerror}") from err
    return f"kept in {folder} as {name}"


def _unique_name() -> str:
    """Of a mail among all that any process of any machine puts there."""
    host = socket.gethostname().replace("/", r"\057").replace(":", r"\072")
    return f"{time.time_ns()}.P{os.getpid()}Q{next(_serial)}.{host}"
