"""What a page says, in plain text: pure functions over notices and the tree."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import indent

from alarms.cause import is_lost, one_of_each
from alarms.incident import Kind
from alarms.level import Level
from alarms.paging import Notice
from alarms.tree import Leaf, NodePath, Tree, path_text
from sipmdcs.clock import NS, to_datetime

_LISTED = 20
"""Alarms that a summary names one by one."""

_COUNTED = 20
"""Places that a summary counts."""

_HEADLINE = {
    Kind.ALARM: "{level}",
    Kind.WORSE: "now {level}",
    Kind.REMINDER: "still {level}",
    Kind.ACKNOWLEDGED: "acknowledged",
    Kind.CLEARED: "cleared",
    Kind.DISABLED: "disabled",
    Kind.TEST: "test",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without its envelope."""

    subject: str
    body: str
    summary: bool = False


@dataclass(frozen=True)
class Desk:
    """What a letter needs to know besides the notices."""

    site: str
    """Name of the site."""
    command: Sequence[str]
    """What starts a command line of this site, such as ``sipmdcs --site /srv/veto``."""
    tree: Tree
    summary_above: int = 5
    limits: Mapping[str, str] = field(default_factory=dict)
    """Limit that a PV crossed, as text with unit, by PV."""


def write_letter(notices: Sequence[Notice], desk: Desk) -> Letter:
    """One mail about all of ``notices``, of which there is at least one."""
    calls = [notice for notice in notices if notice.kind.calls]
    # an alarm may have ended while its mail waited
    ended = {notice.pv: notice.kind for notice in notices if calls and not notice.kind.calls}
    if len(notices) > desk.summary_above:
        return _summary(notices, calls, ended, desk)
    body = "\n\n".join(_paragraph(notice, desk) for notice in notices)
    others = len({notice.pv for notice in notices}) - 1
    more = f" +{others} more" if others else ""
    return Letter(f"{_headline(_foremost(calls or notices, ended), ended, desk)}{more} [{desk.site}]", f"{body}\n")


def _foremost(notices: Sequence[Notice], ended: Container[str]) -> Notice:
    return max(notices, key=lambda notice: (notice.pv not in ended, notice.level.urgency))


def when(time_ns: int) -> str:
    """A moment as people read it, UTC to the second."""
    return f"{to_datetime(time_ns):%Y-%m-%d %H:%M:%S} UTC"


def _headline(notice: Notice, ended: Mapping[str, Kind], desk: Desk) -> str:
    what = _HEADLINE[notice.kind].format(level=notice.level.name)
    if notice.pv in ended:
        what = f"{what}, {_HEADLINE[ended[notice.pv]]}"
    if notice.kind is Kind.TEST:
        return "test page"
    value = f" {notice.value}" if notice.kind.calls and notice.value else ""
    leaf = desk.tree.leaves.get(notice.pv)
    place = path_text(leaf.path) if leaf else notice.pv
    return f"{what}: {place} {notice.pv.rpartition(':')[2]}{value}"


def _paragraph(notice: Notice, desk: Desk) -> str:
    if notice.kind is Kind.TEST:
        return f"This is a test page to {notice.receiver}, asked for by {notice.user}. Nothing is wrong."
    leaf = desk.tree.leaves.get(notice.pv) or Leaf(notice.pv, ())
    lines = [f"{_HEADLINE[notice.kind].format(level=notice.level.name)}: {leaf.description or notice.pv}", ""]
    lines += [f"PV     {notice.pv}", f"Place  {path_text(leaf.path)}"]
    if notice.kind.calls:
        limit = desk.limits.get(notice.pv, "")
        lines.append(f"Value  {notice.value or 'none'}, {notice.message}{f' ({limit})' if limit else ''}")
        lines.append(f"Since  {when(notice.pv_time_ns)}")
        guidance = desk.tree.guidance(leaf) if notice.pv in desk.tree.leaves else []
        if guidance:
            lines += ["", "What to do", indent("\n".join(guidance), "  ")]
        lines += ["", "Acknowledge", f"  {_acknowledge_command([notice.pv], desk)}"]
    else:
        by = f" by {notice.user}" if notice.user else ""
        lines.append(f"Was    {notice.level.name}")
        lines.append(f"When   {when(notice.queued_ns)}{by}")
        lines.append(f"Now    {notice.value or 'no value'}, {notice.message}")
        if notice.comment:
            lines.append(f"Said   {notice.comment}")
    return "\n".join(lines)


def _summary(notices: Sequence[Notice], calls: Sequence[Notice], ended: Mapping[str, Kind], desk: Desk) -> Letter:
    worst = max((notice.level for notice in calls), default=Level.OK)
    place = _common_path([leaf.path for notice in notices if (leaf := desk.tree.leaves.get(notice.pv))])
    lines: list[str] = []
    if calls:
        foremost = _foremost(calls, ended)
        subject = f"{worst.name}: {_alarms(calls)} in {path_text(place)} [{desk.site}]"
        if len({is_lost(notice) for notice in calls}) > 1 and not is_lost(foremost):
            # PVs without a value rank highest, and say nothing about the one that has a bad one.
            subject = f"{_headline(foremost, ended, desk)}, and {_alarms(calls[1:])} in {path_text(place)} [{desk.site}]"
        levels = Counter(notice.level.name for notice in calls)
        counts = ", ".join(f"{number} {name}" for name, number in levels.most_common())
        first, last = min(n.pv_time_ns for n in calls), max(n.pv_time_ns for n in calls)
        took = f", within {(last - first) / NS:.0f} s" if last > first else ""
        lines += [f"{_alarms(calls)}: {counts}", f"First  {when(first)}{took}", "", *_by_place(calls, place, desk)]
        lines += ["", *_listed(calls, desk)]
        lines += ["", "See them", f"  {shlex.join([*desk.command, 'alarm', 'list'])}"]
        lines += ["Acknowledge all", f"  {_acknowledge_command([path_text(place)], desk)}"]
    else:
        subject = f"{_alarms(notices)} ended in {path_text(place)} [{desk.site}]"
    ends = [notice for notice in notices if not notice.kind.calls]
    if ends:
        kinds = Counter(notice.kind.value for notice in ends)
        counts = ", ".join(f"{number} {name}" for name, number in kinds.most_common())
        lines += ["", f"{_alarms(ends)} ended: {counts}", "", *_listed(ends, desk)]
    return Letter(subject, "\n".join(lines).strip() + "\n", summary=True)


def _alarms(notices: Sequence[Notice]) -> str:
    return f"{len(notices)} alarm{'' if len(notices) == 1 else 's'}"


def _by_place(notices: Sequence[Notice], common: NodePath, desk: Desk) -> list[str]:
    """How many alarms each branch below ``common`` has."""
    depth = len(common) + 1
    paths = (leaf.path[:depth] for notice in notices if (leaf := desk.tree.leaves.get(notice.pv)))
    counted = Counter(map(path_text, paths)).most_common()
    lines = [f"  {number:5d}  {path}" for path, number in counted[:_COUNTED]]
    rest = sum(number for _, number in counted[_COUNTED:])
    return ["By place", *lines, *([f"  {rest:5d}  elsewhere"] if rest else [])]


def _listed(notices: Sequence[Notice], desk: Desk) -> list[str]:
    shown = one_of_each(notices, desk.tree, _LISTED)
    lines = [
        f"  {_HEADLINE[notice.kind].format(level=notice.level.name)}  {notice.pv}  {notice.value}  {notice.message}"
        for notice in shown
    ]
    return [*lines, *([f"  and {len(notices) - len(shown)} more"] if len(notices) > len(shown) else [])]


def _acknowledge_command(words: Sequence[str], desk: Desk) -> str:
    return shlex.join([*desk.command, "alarm", "ack", *words, "--comment", "WHY"])


def _common_path(paths: Sequence[NodePath]) -> NodePath:
    if not paths:
        return ()
    first, last = min(paths), max(paths)
    depth = 0
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    return first[:depth]
