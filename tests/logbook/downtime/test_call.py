"""Any argument at all is one of three modes; damaged messages are known as such."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logbook.downtime.call import Mode, classify
from logbook.downtime.file import Detector, DowntimeFile

FILE = DowntimeFile(detectors={"NEAR": Detector(hosts=("*",))}, time_zone="Europe/Rome")
STOP = "Partition 1 transitioned from Running to Stopped, Last Run/Subrun/Time 1204 7 2026-11-21T13:22:48Z"
START = "Partition 1 transitioned from Stopped to Running, First Run/Subrun/Time 1205 0 1795267368"


@pytest.mark.parametrize(
    ("argument", "mode"),
    [
        ("0", Mode.SEMI_AUTOMATIC),
        (" 0 ", Mode.SEMI_AUTOMATIC),
        (STOP, Mode.SEMI_AUTOMATIC),
        (f"12:00:01 runcontrol: {STOP}", Mode.SEMI_AUTOMATIC),
        ("2", Mode.AUTOMATIC),
        (START, Mode.AUTOMATIC),
        ("Partition 1 transitioned from Stopped to Running", Mode.AUTOMATIC),
        ("", Mode.MANUAL),
        ("1", Mode.MANUAL),
        ("00", Mode.MANUAL),
        ("-2", Mode.MANUAL),
        ("Partition 1 transitioned from Paused to Running", Mode.MANUAL),
        ("'; DROP TABLE logbook_downtime; --", Mode.MANUAL),
    ],
)
def test_mode_of_an_argument(argument: str, mode: Mode) -> None:
    call = classify(argument, FILE)
    assert (call.mode, call.problem) == (mode, "")


def test_what_is_too_long_is_no_message() -> None:
    begin = time.monotonic()
    call = classify(f"{START.rpartition(' ')[0]} " * 20_000, FILE)
    assert (call.mode, call.problem) == (Mode.MANUAL, "")
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(a|a?)+(?P<run>[0-9]+)!", "(?P<partition>([A-Z]+)*)#"])
def test_no_message_takes_long_whatever_the_expressions_of_the_site(pattern: str) -> None:
    file = DowntimeFile.model_validate(
        {"detectors": {"NEAR": {}}, "messages": [{"means": "stop", "pattern": pattern, "resembles": f"{pattern}z"}]}
    )
    begin = time.monotonic()
    for text in ("x" * 9_000, "a" * 9_000, "1" * 9_000, "A" * 9_000):
        assert classify(text, file).mode is Mode.MANUAL
    assert time.monotonic() - begin < 20


def test_facts_of_a_stop() -> None:
    call = classify(STOP.replace(" ", "  ").replace(",", ",\n"), FILE)
    assert (call.partition, call.run, call.subrun) == ("1", 1204, 7)
    assert call.time == datetime(2026, 11, 21, 13, 22, 48, tzinfo=UTC)


def test_a_time_without_zone_is_in_that_of_the_file() -> None:
    call = classify(STOP.replace("T13:22:48Z", " 13:22:48"), FILE)
    assert call.time == datetime(2026, 11, 21, 12, 22, 48, tzinfo=UTC)


@pytest.mark.parametrize(
    ("argument", "mode", "why"),
    [
        ("Partition 1 transitioned from Running to Stopped", Mode.SEMI_AUTOMATIC, "not complete"),
        ("Partition 1 transitioned from Runn", Mode.SEMI_AUTOMATIC, "not complete"),
        ("Partition", Mode.SEMI_AUTOMATIC, "not complete"),
        (STOP.rpartition(" ")[0], Mode.SEMI_AUTOMATIC, "not complete"),
        (STOP.replace("1204", "xxx"), Mode.SEMI_AUTOMATIC, "run 'xxx' is not a whole number"),
        (STOP.replace(" 7 ", " -7 "), Mode.SEMI_AUTOMATIC, "subrun '-7' is not"),
        (STOP.replace("1204", "99999999999"), Mode.SEMI_AUTOMATIC, "run '99999999999' is not"),
        (STOP.replace("2026-11-21T13:22:48Z", "timestamp"), Mode.SEMI_AUTOMATIC, "time 'timestamp' is not understood"),
        (STOP.replace("2026-11-21", "2026-02-30"), Mode.SEMI_AUTOMATIC, "is not understood"),
        ("Partition 1 transitioned from Stopped to", Mode.AUTOMATIC, "not complete"),
        (START.rpartition(" ")[0], Mode.AUTOMATIC, "not complete"),
        (START.partition("/Time")[0], Mode.AUTOMATIC, "not complete"),
        (START.replace("1795267368", "17952"), Mode.AUTOMATIC, "time '17952' is not understood"),
    ],
)
def test_half_messages_say_what_is_wrong(argument: str, mode: Mode, why: str) -> None:
    call = classify(argument, FILE)
    assert call.mode == mode
    assert why in call.problem
    assert "\n" not in call.problem
    assert call.time is None


PIECES = st.sampled_from([*STOP.split(), *START.split(), "0", "2", "\n", "\x00", "\udcff", "1e400", "99999999999999999999"])


@given(st.one_of(st.text(st.characters()), st.lists(PIECES).map(" ".join), st.integers(0, len(STOP)).map(lambda n: STOP[:n])))
def test_any_text_is_one_of_three_modes(argument: str) -> None:
    call = classify(argument, FILE)
    assert call.mode in tuple(Mode)
    assert not (call.mode == Mode.MANUAL and call.problem)
    assert call.time is None or call.time.tzinfo is UTC


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**32))
def test_whole_stops_come_through(run: int, subrun: int, seconds: int) -> None:
    when = datetime.fromtimestamp(seconds, UTC)
    text = f"Partition P-1 transitioned from Running to Stopped, Last Run/Subrun/Time {run} {subrun} {when.isoformat()}"
    call = classify(text, FILE)
    assert (call.mode, call.partition, call.run, call.subrun) == (Mode.SEMI_AUTOMATIC, "P-1", run, subrun)
    assert call.time == when
