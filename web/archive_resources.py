"""What the archiver archives, and aggregates of it."""

from __future__ import annotations

from web.columns import flag, moment, number, text, whole
from web.resource import Relation, Resource

PVS = Resource(
    "pvs",
    "Process variables that the archiver knows.",
    ("pv",),
    (
        text("pv", "PV", "Process variable"),
        text("status", "Status", "Being archived, Initial sampling or Paused"),
        flag("connected", "Connected", "Whether it answers the archiver"),
        text("method", "Method", "monitor (every change) or scan (the newest value once a period)"),
        number("period", "Period", "Fastest period that is expected", unit="s"),
        moment("last_event", "Newest", "When the newest sample came in since the archiver started"),
        whole("losses", "Losses", "How often it was lost since the archiver started"),
        text("channel_prefix", "Channel", "PV prefix of the channel it belongs to, if any"),
    ),
    (
        Relation("archive", "archive", "pv", "pv"),
        Relation("channel", "channels", "channel_prefix", "pv_prefix", many=False),
        Relation("alarm", "alarms", "pv", "pv", many=False),
    ),
)

ARCHIVE = Resource(
    "archive",
    "History of numeric PVs in bins of time, from the archive. A filter on pv is needed; without one on time the last hour is "
    "meant. A bin without samples repeats the value that held in it; it is null where nothing was known in the whole bin.",
    ("pv", "width", "epoch"),
    (
        text("pv", "PV", "Process variable"),
        moment("time", "Time", "Start of the bin"),
        whole("width", "Width", "Width of the bin", unit="s"),
        whole("epoch", "Epoch", "Start of the bin, seconds since 1970", unit="s"),
        number("mean", "Mean", "Mean of the samples", unit_from="unit"),
        number("minimum", "Minimum", "Lowest sample", unit_from="unit"),
        number("maximum", "Maximum", "Highest sample", unit_from="unit"),
        number("rms", "RMS", "Standard deviation of the samples", unit_from="unit"),
        whole("samples", "Samples", "Samples in the bin"),
        text("severity", "Severity", "Highest alarm severity in the bin"),
        flag("regained", "Regained", "Whether the PV came back in this bin after it was lost"),
        text(
            "gap",
            "Gap",
            "Why nothing was known in a part of the bin: disconnected, archiver down, events lost, not archived or invalid; "
            "empty where all was known",
        ),
        text("unit", "Unit", "Unit of the values"),
    ),
    (Relation("source", "pvs", "pv", "pv", many=False),),
    required=("pv",),
    groups=True,
)
