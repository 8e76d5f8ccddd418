"""From changes of alarms to notices: which receivers are concerned with which PVs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter

from alarms.engine import Change, Reason
from alarms.incident import Incident, Kind, Rule, Told, follow, remind
from alarms.level import Level
from alarms.notifyfile import NotifyFile
from alarms.selection import matching_nodes
from alarms.state import Acknowledgement, PvState
from alarms.tree import NodePath, Tree

Key = tuple[str, str, str]
"""Route, receiver, PV."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that one receiver is to be told."""

    incident: int
    receiver: str
    pv: str
    kind: Kind
    level: Level
    message: str
    value: str
    pv_time_ns: int
    user: str
    comment: str
    queued_ns: int
    due_ns: int


@dataclass
class PagingDraft:
    """What a batch of changes means for paging, not yet in force."""

    incidents: dict[Key, Incident | None] = field(default_factory=dict)
    """Incidents that are open now, or ended."""
    written: dict[int, tuple[Key, Incident]] = field(default_factory=dict)
    """Newest form of each incident that was opened or changed, by number."""
    ended: dict[int, Kind] = field(default_factory=dict)
    """Why each ended, by number."""
    notices: list[Notice] = field(default_factory=list)


class Paging:
    """The open incidents of all receivers."""

    def __init__(self, file: NotifyFile, tree: Tree, open_incidents: Mapping[Key, Incident], next_id: int) -> None:
        """Start from the incidents of the database.

        Args:
            file: channels, receivers and routes.
            tree: the PVs.
            open_incidents: those that are open.
            next_id: number of the next incident.
        """
        self._next_id = next_id
        self._tree = tree
        self.receivers = tuple(file.receivers)
        """All of the file."""
        self._at: dict[NodePath, list[tuple[int, Rule]]] = {}
        for number, (name, route) in enumerate(file.routes.items()):
            nodes = {node for pattern in route.paths for node in matching_nodes(tree, pattern)}
            top = [node for node in nodes if not any(node[:depth] in nodes for depth in range(len(node)))]
            for receiver in route.receivers:
                rule = Rule(name, receiver, route.minimum.level, route.delay_s, route.repeat_s, route.follow_up)
                for node in top:
                    self._at.setdefault(node, []).append((number, rule))
        self._rules: dict[NodePath, list[Rule]] = {}
        self.incidents: dict[Key, Incident] = dict(open_incidents)
        """Those that are open."""

    def rules(self, pv: str) -> list[Rule]:
        """The rules that hold for a PV, in the order of the file."""
        leaf = self._tree.leaves.get(pv)
        if leaf is None:
            return []
        rules = self._rules.get(leaf.path)
        if rules is None:
            above = (self._at.get(leaf.path[:depth], ()) for depth in range(len(leaf.path) + 1))
            numbered = sorted((item for at in above for item in at), key=itemgetter(0))
            rules = self._rules[leaf.path] = [rule for _, rule in numbered]
        return rules

    def draft(self, changes: Iterable[Change], now_ns: int) -> PagingDraft:
        """What changes of alarms mean; adopt it before making the next."""
        draft = PagingDraft()
        for change in changes:
            before, after = change.before.alarm, change.after.alarm
            if before.level is after.level and before.has_reason_of(after):
                continue
            calm = _calm(change)
            for rule in self.rules(change.leaf.pv):
                key = (rule.route, rule.receiver, change.leaf.pv)
                old = self._incident(draft, key)
                told = follow(old, rule, after.level, calm, now_ns, self._next_id)
                if old is None and told.incident is not None:
                    self._next_id += 1
                self._note(draft, key, old, told, calm)
                if told.notice is not None:
                    number = (told.incident or old or Incident(0, after.level, 0)).id
                    level = after.level if told.notice.calls else before.level
                    draft.notices.append(_notice(number, key, told, level, change.after, change.by, now_ns))
        return draft

    def draft_reminders(self, states: Mapping[str, PvState], now_ns: int, most: int) -> PagingDraft:
        """At most so many reminders that are due."""
        draft = PagingDraft()
        for key, incident in self.incidents.items():
            if incident.remind_ns is None or now_ns < incident.remind_ns:
                continue
            route, receiver, pv = key
            rule = next((rule for rule in self.rules(pv) if (rule.route, rule.receiver) == (route, receiver)), None)
            if rule is None:
                continue
            told = remind(incident, rule, now_ns)
            self._note(draft, key, incident, told, Kind.CLEARED)
            draft.notices.append(_notice(incident.id, key, told, states[pv].alarm.level, states[pv], None, now_ns))
            if len(draft.notices) == most:
                break
        return draft

    def orphans(self) -> PagingDraft:
        """Ends what the configuration has no rule for any more."""
        draft = PagingDraft()
        for key, incident in self.incidents.items():
            if not any((rule.route, rule.receiver) == key[:2] for rule in self.rules(key[2])):
                self._note(draft, key, incident, Told(None), Kind.DISABLED)
        return draft

    def unattended(self, states: Mapping[str, PvState], now_ns: int) -> PagingDraft:
        """Opens an incident for every alarm that a rule speaks of and nobody was told of: the rule is new, or says more now."""
        draft = PagingDraft()
        for pv, state in states.items():
            if not state.enabled or not state.alarm.level.active:
                continue
            for rule in self.rules(pv):
                key = (rule.route, rule.receiver, pv)
                if key in self.incidents:
                    continue
                told = follow(None, rule, state.alarm.level, Kind.CLEARED, now_ns, self._next_id)
                if told.incident is not None and told.notice is not None:
                    self._next_id += 1
                    self._note(draft, key, None, told, Kind.CLEARED)
                    draft.notices.append(_notice(told.incident.id, key, told, state.alarm.level, state, None, now_ns))
        return draft

    def shift(self, step_ns: int) -> None:
        """The wall clock was set: what is due in a while stays so."""
        for key, incident in self.incidents.items():
            remind_ns = None if incident.remind_ns is None else incident.remind_ns + step_ns
            self.incidents[key] = replace(incident, due_ns=incident.due_ns + step_ns, remind_ns=remind_ns)

    def adopt(self, draft: PagingDraft) -> None:
        """Put a draft in force."""
        for key, incident in draft.incidents.items():
            if incident is None:
                self.incidents.pop(key, None)
            else:
                self.incidents[key] = incident

    def _incident(self, draft: PagingDraft, key: Key) -> Incident | None:
        return draft.incidents[key] if key in draft.incidents else self.incidents.get(key)

    @staticmethod
    def _note(draft: PagingDraft, key: Key, old: Incident | None, told: Told, calm: Kind) -> None:
        if told.incident != old:
            draft.incidents[key] = told.incident
        if told.incident is not None and told.incident != old:
            draft.written[told.incident.id] = (key, told.incident)
        if told.incident is None and old is not None:
            draft.ended[old.id] = calm


def _calm(change: Change) -> Kind:
    """Why an alarm is not active, should it not be."""
    if not change.after.enabled:
        return Kind.DISABLED
    if change.after.alarm.level.is_acknowledged or change.reason is Reason.ACKNOWLEDGE:
        return Kind.ACKNOWLEDGED
    return Kind.CLEARED


def _notice(
    incident: int, key: Key, told: Told, level: Level, state: PvState, by: Acknowledgement | None, now_ns: int
) -> Notice:
    kind = told.notice or Kind.ALARM
    shown = state.alarm if kind.calls else state.current
    _, receiver, pv = key
    return Notice(
        incident=incident,
        receiver=receiver,
        pv=pv,
        kind=kind,
        level=level,
        message=shown.message,
        value=shown.value,
        pv_time_ns=shown.time_ns,
        user=by.user if by else "",
        comment=by.comment if by else "",
        queued_ns=now_ns,
        due_ns=told.due_ns,
    )
