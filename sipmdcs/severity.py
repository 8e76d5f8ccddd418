"""Alarm severities and statuses of EPICS, with the numbers that travel in Channel Access."""

from __future__ import annotations

from enum import IntEnum


class Severity(IntEnum):
    """How bad (``menuAlarmSevr`` of EPICS Base)."""

    NO_ALARM = 0
    MINOR = 1
    MAJOR = 2
    INVALID = 3


class Status(IntEnum):
    """Why (``menuAlarmStat`` of EPICS Base, same order)."""

    NO_ALARM = 0
    READ = 1
    WRITE = 2
    HIHI = 3
    HIGH = 4
    LOLO = 5
    LOW = 6
    STATE = 7
    COS = 8
    COMM = 9
    TIMEOUT = 10
    HWLIMIT = 11
    CALC = 12
    SCAN = 13
    LINK = 14
    SOFT = 15
    BAD_SUB = 16
    UDF = 17
    DISABLE = 18
    SIMM = 19
    READ_ACCESS = 20
    WRITE_ACCESS = 21
