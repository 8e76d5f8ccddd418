"""Outcome of a write: one answer to "did it succeed" for screens, scans, pushes, agents and the command line.

    writer = SetpointWriter(channels)
    outcome = writer.write({"PADME:PVETO:HV13:CH01:BIAS": 56.5})["PADME:PVETO:HV13:CH01:BIAS"]
    outcome.result                  # Result.DONE, CLAMPED, REFUSED or UNKNOWN
    print(outcome.text)             # "clamped to 55.000 V: BIAS_RBV holds it instead of 56.500 V"

The order of evidence: completion of the put, severity and alarm message of the setpoint record, then the readback that the
device gives. The value of the setpoint record is an echo of the client and proves nothing.

``write`` blocks. From asyncio call it through ``asyncio.to_thread``, from Qt call ``submit`` with a callback that emits a
signal.
"""

from __future__ import annotations

from sipmdcs.outcome.completion import Completed, Completion, alarm_messages, has_write_alarm, put_completed
from sipmdcs.outcome.judgement import Expectation, Progress, Reading, judge, observe
from sipmdcs.outcome.readbacks import Readback, readback_of
from sipmdcs.outcome.result import Outcome, Result
from sipmdcs.outcome.writer import SetpointWriter, tolerance

__all__ = [
    "Completed",
    "Completion",
    "Expectation",
    "Outcome",
    "Progress",
    "Readback",
    "Reading",
    "Result",
    "SetpointWriter",
    "alarm_messages",
    "has_write_alarm",
    "judge",
    "observe",
    "put_completed",
    "readback_of",
    "tolerance",
]
