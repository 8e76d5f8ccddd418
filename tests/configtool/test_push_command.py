"""What ``sipmdcs config push`` says, word for word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from configtool import push_command
from configtool.push import Outcome, Survey
from configtool.pushplan import Plan, PushState
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.severity import Severity, Status
from tests.configtool.test_commands import Program, detector, imported, program

__all__ = ["detector", "imported", "program"]

BIAS = "DET:HEPVETO:HV17:CH01:BIAS"
ONE = ("--only", "17.01")
WRITES = [
    {
        "pv": f"DET:HEPVETO:HV17:CH01:{name}",
        "channel": "17.01",
        "parameter": name,
        "phase": phase,
        "before": 1.0,
        "before_readback": readback,
        "target": value,
        "unit": unit,
    }
    for name, phase, readback, value, unit in (
        ("CURRENT_LIMIT", 1, None, 50.0, "uA"),
        ("VBR", 1, None, 50.01, "V"),
        ("BIAS", 2, 1.0, 53.01, "V"),
    )
]
FACTS = {"version": 1, "values": 3, "channels": 1, "absent": {}, "to_write": 3, "refusals": [], "writes": WRITES}
END = {"push": 1, "state": "verified", "reason": "", "unrestored": {}, "unrecorded": ""}


def test_everything_is_in_the_json_of_a_dry_run_and_of_a_push(program: Program, detector: FakeChannels) -> None:
    assert program.json("push", "--dry-run", *ONE) == FACTS
    assert detector.puts == []
    assert program.json("push", *ONE) == FACTS | END
    assert program.json("push", *ONE) == FACTS | END | {"push": 2, "to_write": 0, "writes": []}


def test_a_dry_run_says_what_it_would_write_and_why(program: Program, detector: FakeChannels) -> None:
    first, *rest = program("push", "--dry-run", *ONE).stdout.splitlines()
    assert first.startswith("version 1 (")
    assert first.endswith("): 3 values of 1 channels")
    assert rest == [
        "DET:HEPVETO:HV17:CH01:CURRENT_LIMIT: 1 -> 50 uA",
        "DET:HEPVETO:HV17:CH01:VBR: 1 -> 50.01 V",
        f"{BIAS}: 1 -> 53.01 V",
        "would write 3 values; 0 are as they should be",
    ]
    program("push", *ONE)
    detector.set(BIAS, severity=Severity.INVALID, status=Status.WRITE, message="no")
    assert program("push", "--dry-run", *ONE).stdout.splitlines()[1:] == [
        f"{BIAS}: 53.01 -> 53.01 V ({BIAS} is INVALID (WRITE))",
        "would write 1 values; 2 are as they should be",
    ]


def test_a_refusal_says_why_and_what_it_keeps(program: Program, detector: FakeChannels) -> None:
    detector.disconnect(BIAS)
    reason = f"{BIAS}: not connected within 5 s"
    for options, last in (
        (("--dry-run",), "a push would be refused; reasons: 1"),
        ((), "push 1 refused, nothing was written; reasons: 1"),
    ):
        done = program("push", *options, *ONE, code=1)
        assert done.stderr.splitlines()[-2:] == [reason, last]
        assert BIAS not in done.stdout, "what it holds is not known"
    assert program.json("push", "--dry-run", *ONE, code=1)["refusals"] == [reason]


def test_what_is_not_restored_or_not_recorded_is_said(
    program: Program, detector: FakeChannels, monkeypatch: pytest.MonkeyPatch
) -> None:
    pvs = {BIAS: f"{BIAS}: connection lost"}
    outcome = Outcome(7, PushState.ROLLBACK_FAILED, "interlocked", Survey(Plan(()), ()), pvs, "the server is gone")
    monkeypatch.setattr(push_command, "carry_out", lambda *_, **__: outcome)
    done = program("push", code=1)
    assert done.stderr.splitlines() == [
        "history says so once the database is back: the server is gone",
        f"not restored: {BIAS}: connection lost",
        "push 7 rollback_failed: interlocked",
    ]
    facts = program.json("push", code=1)
    assert (facts["reason"], facts["unrestored"], facts["unrecorded"]) == ("interlocked", pvs, "the server is gone")


def test_a_version_of_which_the_site_has_nothing(program: Program, imported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = program.folder / "site.yaml"
    file.write_text(file.read_text().replace('id: "07"', 'id: "98"').replace('id: "17"', 'id: "99"'))
    monkeypatch.setattr(push_command, "open_channels", lambda: pytest.fail("there is nothing to ask"))
    error = program("push", code=1).stderr
    assert error == "Error: the site has none of the channels of this version, so there is nothing to push\n"


def test_controllers_that_the_site_lacks_are_named(program: Program, table: Any, rows_of: Any, detector: FakeChannels) -> None:
    path = table(*rows_of("07"), *rows_of("17", overvoltage=3.0), *rows_of("02"), *rows_of("03"), name="more.csv")
    program("import", "--channels", str(path), "--replace")
    assert program("push").stdout.splitlines()[1] == "left out: 32 channels of controllers that the site does not have (02, 03)"
