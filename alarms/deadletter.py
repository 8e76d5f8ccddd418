"""What can never be delivered: kept, and brought to another receiver."""

from __future__ import annotations

from collections.abc import Sequence

from alarms.letter import Letter
from alarms.notifyfile import NotifyFile
from alarms.outbox import Page
from alarms.paging import Notice

MAX_UNKNOWN = 5
"""Attempts with unknown outcome after which a mail is given up: each of them may be one more copy."""


def forward_letter(dead: Page, letter: Letter | None = None) -> Letter:
    """The mail that tells another receiver what a dead letter said.

    Args:
        dead: the mail that cannot be delivered.
        letter: what it would say now, if that is something else.
    """
    subject, body, summary = (letter.subject, letter.body, letter.summary) if letter else (dead.subject, dead.body, False)
    head = f"This page cannot be delivered to {dead.receiver} ({dead.address}):\n  {dead.last_error}\n"
    return Letter(f"undeliverable to {dead.receiver}: {subject}", f"{head}\n{body}", summary)


def bare_letter(notices: Sequence[Notice]) -> Letter:
    """What is told of alarms if the proper letter cannot be written: an ugly mail is better than none."""
    lines = [f"{item.kind.value}: {item.level.name} {item.pv} {item.value} {item.message}" for item in notices]
    return Letter(f"{len(notices)} alarms: {lines[0]}", "\n".join([*lines, "", "(The full text of this page is broken.)", ""]))


def other_receivers(file: NotifyFile) -> list[tuple[str, str]]:
    """Names and addresses of those who may get a dead letter: the one of ``fallback`` first, then in the order of the file."""
    names = sorted(file.receivers, key=lambda name: name != file.fallback)
    return [(name, file.receivers[name].address) for name in names]
