"""From the agents that run to those the files ask for now: what changes, agent by agent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from agents.problem import Problem
from agents.records import member_records, output_problem
from agents.roster import Member
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refused:
    """A change of an agent that cannot be used."""

    member: Member
    problem: Problem


@dataclass(frozen=True)
class Change:
    """An agent that is added, replaced, or removed."""

    name: str
    member: Member | None
    """What it is from now on, ``None`` if it is removed."""
    added: tuple[Record, ...]
    removed: tuple[str, ...]


def changes(
    site: Site, old: Mapping[str, Member], new: Mapping[str, Member], wiring_problem: Callable[[Member], Problem | None]
) -> Iterator[Change | Refused]:
    """What is to be done so that ``new`` runs instead of ``old``; nothing for an agent that is as it was."""
    for name in old.keys() - new.keys():
        yield Change(name, None, (), tuple(record.name for record in member_records(site, old[name])))
    for name, member in new.items():
        before = old.get(name)
        if before is not None and _is_same(before, member):
            continue
        problem = member.problem or output_problem(site, member) or wiring_problem(member)
        if problem is not None and before is not None:
            yield Refused(member, problem)
            continue
        fit = member if problem is None else replace(member, declaration=None, problem=problem)
        try:
            yield _change(site, before, fit)
        except BadInput as err:
            _log.error("agent %s cannot run: %s", name, err)


def _change(site: Site, before: Member | None, member: Member) -> Change:
    """From one version to another; records that stay as they are stay with their clients."""
    old = {} if before is None else {record.name: record for record in member_records(site, before)}
    new = {record.name: record for record in member_records(site, member)}
    same = {name for name, record in new.items() if name in old and _essence(old[name]) == _essence(record)}
    return Change(
        member.name,
        member,
        tuple(record for name, record in new.items() if name not in same),
        tuple(name for name in old if name not in same),
    )


def _essence(record: Record) -> tuple[str, Mapping[str, str]]:
    """What the server serves; who archives and alarms it is of no concern to clients."""
    return record.type, record.fields


def _is_same(old: Member, new: Member) -> bool:
    return (old.version, old.entry, str(old.problem), old.declaration) == (
        new.version,
        new.entry,
        str(new.problem),
        new.declaration,
    )
