"""Raw results, their analysis, and what came out."""

from __future__ import annotations

from sqlalchemy import Table

from analysis.tables import Base
from web.columns import moment, number, structure, text, whole
from web.resource import Relation, Resource


def _table(name: str) -> Table:
    return Base.metadata.tables[f"analysis_{name}"]


_raw, _job, _reco, _macro = _table("raw").c, _table("job").c, _table("reco").c, _table("macro").c

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
    (_RUN, _CHANNEL, Relation("jobs", "jobs", "raw_id", "raw_id")),
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
        Relation("reco", "reco", "job_id", "job_id"),
    ),
    _table("job"),
    ("analysis_job",),
)

RECO = Resource(
    "reco",
    "One quantity of one channel, or the reason why there is none.",
    ("reco_id",),
    (
        whole("reco_id", "Id", "Counts results", _reco.id),
        whole("job_id", "Job", "Job it came from", _reco.job),
        whole("run_number", "Run", "Run it was taken in", _reco.run),
        text("channel_prefix", "Channel", "PV prefix of the channel", _reco.channel),
        text("kind", "Kind", "iv, spectrum or dark", _reco.kind),
        text("quantity", "Quantity", "vbr, gain, pedestal, noise, mu, lambda, crosstalk, dark_rate", _reco.quantity),
        text("method", "Method", "How it was found", _reco.method),
        number("value", "Value", "The value; null if there is none", _reco.value, unit_from="unit"),
        number("uncertainty", "Uncertainty", "One standard deviation", _reco.uncertainty, unit_from="unit"),
        text("unit", "Unit", "Unit of value and uncertainty", _reco.unit),
        text("reason", "Reason", "Why there is no value", _reco.reason),
        structure("quality", "Quality", "chi2, ndf and the like", _reco.quality),
        text("code", "Code", "Version of the program and hash of its settings", _reco.code),
        moment("analysed_at", "Analysed", "When", _reco.analysed_at),
    ),
    (_RUN, _CHANNEL, Relation("job", "jobs", "job_id", "job_id", many=False)),
    _table("reco"),
    ("analysis_reco",),
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

ANALYSIS = (RAW, JOBS, RECO, MACRO)
