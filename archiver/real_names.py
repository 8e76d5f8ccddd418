"""PVs that are named twice: under the name of their record and under an alias of it.

A record says what its name is in its field ``NAME``, whatever alias that is asked under.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sipmdcs.channels import Channels
from sipmdcs.errors import ChannelError


@dataclass(frozen=True, slots=True)
class Names:
    """What was found out."""

    aliases: Mapping[str, str]
    """Name of the archived PV by the other name under which it is to be found."""
    twice: Sequence[str]
    """Those of the aliases that are archived beside the PV."""


def real_names(channels: Channels, asked: Iterable[str], archived: Iterable[str]) -> Names:
    """Ask records for their names.

    Args:
        channels: Channel Access.
        asked: PVs, connected; a field of a record is one as well.
        archived: every PV that is archived.
    """
    parts = {name: name.partition(".") for name in asked}
    answers = channels.get([f"{record}.NAME" for record, _, _ in parts.values()])
    known = set(archived)
    aliases: dict[str, str] = {}
    twice: list[str] = []
    for name, (record, dot, field) in parts.items():
        answer = answers[f"{record}.NAME"]
        if isinstance(answer, ChannelError) or not isinstance(answer.value, str) or answer.value in ("", record):
            continue  # a server without that field has no aliases that it tells of
        real = f"{answer.value}{dot}{field}"
        if real in known:
            aliases[name] = real
            twice.append(name)
        else:
            aliases.setdefault(real, name)
    return Names(aliases, twice)
