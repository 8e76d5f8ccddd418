"""Raw results, their analysis, and what came out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, column, select
from sqlalchemy import table as sql_table

from analysis.tables import Base
from web.attribute import Attribute
from web.columns import flag, moment, number, structure, text, whole
from web.resource import Relation, Resource


def _table(name: str) -> Table:
    return Base.metadata.tables[f"analysis_{name}"]


_raw, _job, _macro = _table("raw").c, _table("job").c, _table("macro").c
_reco = _table("reco")
_current = sql_table("analysis_reco_current", *(column(item.name, item.type) for item in _reco.c))
"""A view of the analysis: of each raw result, what its newest analysis says."""

_RUN = Relation("run", "runs", "run_number", "run_number", many=False)
_CHANNEL = Relation("channel", "channels", "channel_prefix", "pv_prefix", many=False)

RAW = Resource(
    "raw",
    "Raw results as they arrived.",
    ("raw_id",),
    (
        whole("raw_id", "Id", "Counts raw results", _raw.id),
        text("delivery_key", "Key", "Given by the producer", _raw.key),
        whole("run_number", "Run", "Run it was taken in", _raw.run),
        text("channel_prefix", "Channel", "PV prefix of the channel", _raw.channel),
        text("kind", "Kind", "iv, spectrum or dark", _raw.kind),
        moment("taken_at", "Taken", "When it was taken", _raw.taken_at),
        text("path", "File", "File in the raw folder of the site", _raw.path),
        whole("size", "Size", "Size of the file", _raw.size, "B"),
        text("sha256", "SHA-256", "Of the file", _raw.sha256),
        structure(
            "conditions", "Conditions", "Temperature, overvoltage, gate, ..., with the unit in the name", _raw.conditions
        ),
    ),
    (_RUN, _CHANNEL, Relation("jobs", "jobs", "raw_id", "raw_id"), Relation("reco", "reco", "raw_id", "raw_id")),
    _table("raw"),
    ("analysis_raw",),
)

JOBS = Resource(
    "jobs",
    "The queue of the analysis.",
    ("job_id",),
    (
        whole("job_id", "Id", "Counts jobs", _job.id),
        whole("raw_id", "Raw", "Raw result to analyse", _job.raw),
        text("state", "State", "queued, running, done or failed", _job.state),
        whole("attempts", "Attempts", "How often it was tried", _job.attempts),
        text("owner", "Owner", "Process that runs it", _job.owner),
        moment("queued_at", "Queued", "When it was queued", _job.queued_at),
        moment("started_at", "Started", "When it was begun", _job.started_at),
        moment("ended_at", "Ended", "When it ended", _job.ended_at),
        text("error", "Error", "Why it failed", _job.error),
    ),
    (
        Relation("raw", "raw", "raw_id", "raw_id", many=False),
        Relation("reco", "recohistory", "job_id", "job_id"),
    ),
    _table("job"),
    ("analysis_job",),
)


def _with_job(rows: FromClause) -> FromClause:
    """Either database leaves the join out where no column of the job is asked for."""
    return rows.outerjoin(_table("job"), _job.id == rows.c.job)


def _is_current() -> ColumnElement[Any]:
    return select(_current.c.id).where(_current.c.id == _reco.c.id).exists()


def _results(rows: FromClause) -> tuple[Attribute, ...]:
    """Attributes of a result, from the table or from the view."""
    of = rows.c
    return (
        whole("reco_id", "Id", "Counts results", of.id),
        whole("job_id", "Job", "Job it came from", of.job),
        whole("raw_id", "Raw", "Raw result that was analysed", _job.raw),
        whole("run_number", "Run", "Run it was taken in", of.run),
        text("channel_prefix", "Channel", "PV prefix of the channel", of.channel),
        text("kind", "Kind", "iv, spectrum or dark", of.kind),
        text("quantity", "Quantity", "vbr, gain, pedestal, noise, mu, lambda, crosstalk, dark_rate", of.quantity),
        text("method", "Method", "How it was found", of.method),
        number("value", "Value", "The value; null if there is none", of.value, unit_from="unit"),
        number("uncertainty", "Uncertainty", "One standard deviation", of.uncertainty, unit_from="unit"),
        text("unit", "Unit", "Unit of value and uncertainty", of.unit),
        text("reason", "Reason", "Why there is no value", of.reason),
        structure("quality", "Quality", "chi2, ndf and the like", of.quality),
        text("code", "Code", "Version of the program and hash of its settings", of.code),
        moment("analysed_at", "Analysed", "When", of.analysed_at),
    )


RECO = Resource(
    "reco",
    "One quantity of one channel, or the reason why there is none: what the newest analysis of each raw result says.",
    ("reco_id",),
    _results(_current),
    (
        _RUN,
        _CHANNEL,
        Relation("job", "jobs", "job_id", "job_id", many=False),
        Relation("raw", "raw", "raw_id", "raw_id", many=False),
        Relation("history", "recohistory", "raw_id", "raw_id"),
    ),
    _with_job(_current),
    ("analysis_reco_current",),
)

RECO_HISTORY = Resource(
    "recohistory",
    "Every analysis of every raw result, those among them that a newer one has replaced.",
    ("reco_id",),
    (
        *_results(_reco),
        flag("current", "Current", "Whether no newer analysis has replaced it: then it is in reco", _is_current()),
    ),
    (
        _RUN,
        _CHANNEL,
        Relation("job", "jobs", "job_id", "job_id", many=False),
        Relation("raw", "raw", "raw_id", "raw_id", many=False),
    ),
    _with_job(_reco),
    ("analysis_reco", "analysis_reco_current"),
)

MACRO = Resource(
    "macro",
    "One quantity of one run over all its channels.",
    ("run_number", "kind", "quantity", "method"),
    (
        whole("run_number", "Run", "Number of the run", _macro.run),
        text("kind", "Kind", "iv, spectrum or dark", _macro.kind),
        text("quantity", "Quantity", "As in reco", _macro.quantity),
        text("method", "Method", "As in reco", _macro.method),
        text("unit", "Unit", "Unit of the values", _macro.unit),
        whole("channels", "Channels", "Channels with a value", _macro.channels),
        whole("failed", "Failed", "Channels without", _macro.failed),
        number("mean", "Mean", "Mean over channels", _macro.mean, unit_from="unit"),
        number("std", "Spread", "Standard deviation over channels", _macro.std, unit_from="unit"),
        number("minimum", "Minimum", "Lowest", _macro.minimum, unit_from="unit"),
        number("maximum", "Maximum", "Highest", _macro.maximum, unit_from="unit"),
        text("code", "Code", "Version of the program and hash of its settings", _macro.code),
        moment("updated_at", "Updated", "When", _macro.updated_at),
    ),
    (_RUN,),
    _table("macro"),
    ("analysis_macro",),
)

ANALYSIS = (RAW, JOBS, RECO, RECO_HISTORY, MACRO)
