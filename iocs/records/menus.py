"""Menus of EPICS Base: the choices of fields that hold one of a few words, in the order of their numbers."""

from __future__ import annotations

from sipmdcs.severity import Severity, Status

Menu = tuple[str, ...]
"""Choices; the index of one is its number."""

ALARM_SEVR: Menu = tuple(severity.name for severity in Severity)
ALARM_STAT: Menu = tuple(status.name for status in Status)
YES_NO: Menu = ("NO", "YES")
SCAN: Menu = (
    "Passive",
    "Event",
    "I/O Intr",
    "10 second",
    "5 second",
    "2 second",
    "1 second",
    ".5 second",
    ".2 second",
    ".1 second",
)
PINI: Menu = ("NO", "YES", "RUN", "RUNNING", "PAUSE", "PAUSED")
PRIORITY: Menu = ("LOW", "MEDIUM", "HIGH")
OMSL: Menu = ("supervisory", "closed_loop")
IVOA: Menu = ("Continue normally", "Don't drive outputs", "Set output to IVOV")
OIF: Menu = ("Full", "Incremental")
FTYPE: Menu = ("STRING", "CHAR", "UCHAR", "SHORT", "USHORT", "LONG", "ULONG", "INT64", "UINT64", "FLOAT", "DOUBLE", "ENUM")
POST_CHANGE: Menu = ("On Change", "Always")
"""``MPST`` and ``APST`` of stringin and stringout."""
POST_ALWAYS: Menu = ("Always", "On Change")
"""``MPST`` and ``APST`` of waveform, where the order is the other way round."""

SCAN_PASSIVE = 0
SCAN_INTERRUPT = 2
SCAN_PERIODS_S = {3: 10.0, 4: 5.0, 5: 2.0, 6: 1.0, 7: 0.5, 8: 0.2, 9: 0.1}
"""Period of each periodic choice of ``SCAN``, by number."""
