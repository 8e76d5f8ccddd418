"""Runs and what belongs to them, downtimes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, select

from logbook.tables import Base
from web.columns import elapsed, flag, moment, number, structure, text, whole
from web.resource import Relation, Resource


def _table(name: str) -> Table:
    return Base.metadata.tables[f"logbook_{name}"]


_run, _transition, _remark = _table("run").c, _table("transition").c, _table("remark").c
_slow, _downtime, _edit = _table("slow_control").c, _table("downtime").c, _table("downtime_edit").c


def _newest_remark(field: str) -> ColumnElement[Any]:
    """What somebody last said of the run in this field; looked up only where it is asked for."""
    newest = select(_remark.value).where(_remark.run == _run.number, _remark.field == field)
    return newest.order_by(_remark.id.desc()).limit(1).correlate(_table("run")).scalar_subquery()


RUNS = Resource(
    "runs",
    "Runs: the facts the system knows, and the newest remarks of people.",
    ("run_number",),
    (
        whole("run_number", "Run", "Number of the run", _run.number),
        text("partition", "Partition", "What takes data together", _run.partition),
        text("run_type", "Type", "physics, calibration, iv, spectrum, ...", _run.type),
        text("state", "State", "init, running, paused, ended or aborted", _run.state),
        moment("opened_at", "Opened", "When the number was given out", _run.opened_at),
        moment("started_at", "Started", "When it first was running", _run.started_at),
        moment("ended_at", "Ended", "When it ended; null while it is open", _run.ended_at),
        elapsed("duration", "Duration", "From start to end; of an open run to now", _run.started_at, _run.ended_at),
        flag("open", "Open", "Whether it has not ended", _run.ended_at.is_(None)),
        text("opened_by", "Opened by", "Who opened it", _run.opened_by),
        text("ended_by", "Ended by", "Who ended it", _run.ended_by),
        text(
            "end_reason", "Reason", "Why it was aborted or closed by somebody else; empty for an ordinary end", _run.end_reason
        ),
        whole("events", "Events", "Events that the data acquisition reported", _run.events),
        flag("orphaned", "Orphaned", "Closed because its data acquisition was dead, with its last sign of life", _run.orphaned),
        whole("config_version", "Settings", "Configuration version pushed last when it was started", _run.config_version),
        whole("config_push", "Push", "Push that brought these settings", _run.config_push),
        text("config_only", "Part pushed", "Part of the version that was pushed; empty for all of it", _run.config_only),
        text("config_hash", "Settings hash", "SHA-256 of these settings", _run.config_hash),
        whole("config_compared", "Compared", "Values compared with the detector at its start", _run.config_compared),
        whole("config_differing", "Differing", "How many of them differed from the version", _run.config_differing),
        whole("config_unread", "Unread", "Values that could not be read, of which nothing is known", _run.config_unread),
        moment("config_compared_at", "Compared at", "When; null until then", _run.config_compared_at),
        text("config_trouble", "Not compared", "Why the detector was not compared; empty if it was", _run.config_trouble),
        text("software_version", "Software", "Version of the program", _run.software_version),
        text("summary", "Summary", "Slow control of the run: empty while open, then waiting, done or failed", _run.summary),
        text("comment", "Comment", "Newest remark in the field comment", _newest_remark("comment")),
        text("quality", "Quality", "Newest remark in the field quality", _newest_remark("quality")),
        text("shifter", "Shifter", "Newest remark in the field shifter", _newest_remark("shifter")),
        structure("facts", "Facts", "Whatever else the data acquisition reported", _run.facts),
    ),
    (
        Relation("transitions", "transitions", "run_number", "run_number"),
        Relation("remarks", "remarks", "run_number", "run_number"),
        Relation("slowcontrol", "slowcontrol", "run_number", "run_number"),
        Relation("downtimes", "downtimes", "run_number", "run_number"),
        Relation("configversion", "configversions", "config_version", "version_number", many=False),
        Relation("push", "pushes", "config_push", "push_number", many=False),
        Relation("raw", "raw", "run_number", "run_number"),
        Relation("reco", "reco", "run_number", "run_number"),
        Relation("macro", "macro", "run_number", "run_number"),
    ),
    _table("run"),
    ("logbook_run", "logbook_remark"),
)

_RUN = Relation("run", "runs", "run_number", "run_number", many=False)

TRANSITIONS = Resource(
    "transitions",
    "Changes of the state of runs.",
    ("transition_id",),
    (
        whole("transition_id", "Id", "Counts changes of state", _transition.id),
        whole("run_number", "Run", "Number of the run", _transition.run),
        text("before", "Before", "State before; empty for the opening", _transition.before),
        text("after", "After", "State after", _transition.after),
        moment("at", "Time", "When", _transition.at),
        text("source", "Source", "http, pv, command or service", _transition.source),
        text("who", "Who", "Who asked for it", _transition.who),
        text("reason", "Reason", "Why", _transition.reason),
    ),
    (_RUN,),
    _table("transition"),
    ("logbook_transition",),
)

REMARKS = Resource(
    "remarks",
    "What people said of runs; the newest of a field counts.",
    ("remark_id",),
    (
        whole("remark_id", "Id", "Counts remarks", _remark.id),
        whole("run_number", "Run", "Number of the run", _remark.run),
        text("field", "Field", "comment, quality, shifter, ...", _remark.field),
        text("value", "Value", "What was said", _remark.value),
        moment("at", "Time", "When", _remark.at),
        text("who", "Who", "Who said it", _remark.who),
    ),
    (_RUN,),
    _table("remark"),
    ("logbook_remark",),
)

SLOWCONTROL = Resource(
    "slowcontrol",
    "What each chosen PV did during a run, from the archive.",
    ("run_number", "pv"),
    (
        whole("run_number", "Run", "Number of the run", _slow.run),
        text("pv", "PV", "Process variable", _slow.pv),
        text("unit", "Unit", "Unit of the values", _slow.unit),
        whole("samples", "Samples", "Archived samples in the run", _slow.samples),
        number("mean", "Mean", "Mean over time", _slow.mean, unit_from="unit"),
        number("minimum", "Minimum", "Lowest value", _slow.minimum, unit_from="unit"),
        number("maximum", "Maximum", "Highest value", _slow.maximum, unit_from="unit"),
        number("rms", "RMS", "Standard deviation over time", _slow.rms, unit_from="unit"),
        number("alarm_time", "In alarm", "Time with severity MINOR, MAJOR or INVALID", _slow.alarm_s, "s"),
        number("invalid_time", "Invalid", "Time with severity INVALID, disconnected or not archived", _slow.invalid_s, "s"),
    ),
    (_RUN, Relation("archived", "pvs", "pv", "pv", many=False)),
    _table("slow_control"),
    ("logbook_slow_control",),
)

DOWNTIMES = Resource(
    "downtimes",
    "Times without data taking, as they stand now.",
    ("event_id",),
    (
        whole("event_id", "Event", "Event id", _downtime.id),
        text("detector", "Detector", "Which detector stopped", _downtime.detector),
        whole("run_number", "Run", "Run that stopped", _downtime.run),
        whole("subrun", "Subrun", "Subrun that stopped", _downtime.subrun),
        moment("started_at", "Start", "When data taking stopped", _downtime.started_at),
        moment("ended_at", "End", "When it went on; null while it is down", _downtime.ended_at),
        elapsed("duration", "Duration", "From start to end; of an open one to now", _downtime.started_at, _downtime.ended_at),
        flag("open", "Open", "Whether it has not ended", _downtime.ended_at.is_(None)),
        text("category", "Category", "Cause; UNDECIDED until somebody says", _downtime.category),
        text("description", "Description", "What happened", _downtime.description),
        text("user", "User", "Who explained it", _downtime.user_name),
        text("source", "Source", "automatic (a message of the data acquisition) or manual", _downtime.source),
        moment("created_at", "Created", "When it was entered", _downtime.created_at),
        whole("revision", "Revision", "Counts edits", _downtime.revision),
    ),
    (_RUN, Relation("edits", "downtimeedits", "event_id", "event_id")),
    _table("downtime"),
    ("logbook_downtime",),
)

DOWNTIME_EDITS = Resource(
    "downtimeedits",
    "Changes of downtimes: one field at a time, never rewritten.",
    ("edit_id",),
    (
        whole("edit_id", "Id", "Counts edits", _edit.id),
        whole("event_id", "Event", "The downtime", _edit.downtime),
        whole("revision", "Revision", "Revision of the downtime that it made", _edit.revision),
        moment("at", "Time", "When", _edit.at),
        text("who", "Who", "Who edited", _edit.who),
        text("field", "Field", "What was changed", _edit.field),
        text("before", "Before", "Value before", _edit.before),
        text("after", "After", "Value after", _edit.after),
    ),
    (Relation("downtime", "downtimes", "event_id", "event_id", many=False),),
    _table("downtime_edit"),
    ("logbook_downtime_edit",),
)

LOGBOOK = (RUNS, TRANSITIONS, REMARKS, SLOWCONTROL, DOWNTIMES, DOWNTIME_EDITS)
