"""Values that survive a restart, a kill and a broken file."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.autosave import END, Autosave, format_values, parse_values
from iocs.publisher import RecordServer
from iocs.records.load import load_records
from sipmdcs.epicsdb import Record, load_template
from sipmdcs.errors import BadInput
from sipmdcs.severity import Severity
from tests.iocs.server.conftest import Client, Ioc

NOW = datetime(2026, 11, 3, 10, 15, tzinfo=UTC)
DATABASE = """
record(ao, "BIAS") { field(DRVH, "60") field(HIHI, "58") field(HHSV, "MAJOR") info(autosaveFields, "VAL HIHI") }
record(bo, "ENABLE") { field(ZNAM, "Off") field(ONAM, "On") info(autosaveFields, "VAL") }
record(stringout, "LABEL") { info(autosaveFields, "VAL DESC") }
record(waveform, "SHAPE") { field(NELM, "4") field(FTVL, "DOUBLE") info(autosaveFields, "VAL") }
record(mbbo, "MODE") { field(ZRST, "A") field(ONST, "B") field(PINI, "YES") info(autosaveFields, "VAL") }
record(ao, "FORGOTTEN") {}
record(ao, "LIMIT") { field(DTYP, "asynFloat64") field(OUT, "@asyn(P,1)LIMIT") field(VAL, "50") info(autosaveFields, "VAL") }
"""
VALUES = st.one_of(st.floats(allow_nan=False), st.integers(), st.text(), st.lists(st.floats(allow_nan=False)))


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    file = tmp_path / "test.db"
    file.write_text(DATABASE)
    return load_template(file, {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "ioc.sav"


def write(file: Path, **values: Any) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(format_values([(name.replace("__", "."), value) for name, value in values.items()], NOW))


@given(st.dictionaries(st.from_regex(r"[A-Z:0-9]+\.[A-Z]{3,4}", fullmatch=True), VALUES))
def test_values_survive_the_file(values: dict[str, Any]) -> None:
    assert parse_values(format_values(values.items(), NOW), Path("x")) == values


def test_not_a_number_survives_too() -> None:
    assert math.isnan(parse_values(format_values([("X.VAL", math.nan)], NOW), Path("x"))["X.VAL"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "x: is cut off"),
        ("# sipmdcs\nA.VAL 1\n", "x: is cut off, the last line is not <END>"),
        (f"A.VAL\n{END}\n", "x:1: A.VAL: '' is not a value"),
        (f"# c\nA.VAL 1\nB.VAL one\n{END}\n", "x:3: B.VAL: 'one' is not a value"),
    ],
)
def test_a_broken_file_is_not_used(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse_values(text, Path("x"))


def test_restored_before_anybody_sees_it(records: list[Record], file: Path) -> None:
    write(
        file,
        BIAS__VAL=54.125,
        BIAS__HIHI=54,
        ENABLE__VAL=1,
        LABEL__VAL="north µ",
        LABEL__DESC="x",
        SHAPE__VAL=[1, 2.5],
        MODE__VAL=1,
    )
    server = RecordServer(records, autosave=file)
    assert [server.value(name) for name in ("BIAS", "ENABLE", "LABEL", "MODE")] == [54.125, 1, "north µ", 1]
    assert server.value("SHAPE") == [1, 2.5]
    record = server._record("BIAS")
    assert (record.udf, record.sevr) == (0, Severity.MAJOR)
    assert record.time_ns > 0


def test_a_restart_writes_nothing_to_the_hardware(records: list[Record], file: Path) -> None:
    write(file, BIAS__VAL=54.125, MODE__VAL=1)
    server = RecordServer(records, autosave=file)
    written: list[Any] = []

    async def handler(value: Any) -> None:
        written.append(value)

    for name in ("BIAS", "MODE", "ENABLE"):
        server.on_write(name, handler)
    server._start()
    assert written == []


def test_without_a_file_records_start_as_defined(records: list[Record], file: Path) -> None:
    server = RecordServer(records, autosave=file)
    assert server._record("BIAS").udf == 1


def test_the_generation_before_a_broken_file(records: list[Record], file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, BIAS__VAL=50)
    file.rename(file.with_name("ioc.sav.old"))
    write(file, BIAS__VAL=51)
    file.write_text(file.read_text()[:-4])
    with caplog.at_level(logging.WARNING):
        assert RecordServer(records, autosave=file).value("BIAS") == 50
    assert f"{file}: is cut off" in caplog.text
    assert f"restored from {file}.old" in caplog.text


def test_what_does_not_fit_any_more_is_left_out(records: list[Record], file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, BIAS__VAL="high", ENABLE__VAL=1, GONE__VAL=3, MODE__VAL=9, SHAPE__VAL=[1] * 9, LIMIT__VAL=math.nan)
    with caplog.at_level(logging.WARNING):
        server = RecordServer(records, autosave=file)
    assert server.value("ENABLE") == 1
    assert server.value("LIMIT") == 50
    for name in ("BIAS.VAL", "MODE.VAL", "SHAPE.VAL", "LIMIT.VAL"):
        assert f"{name} not restored" in caplog.text


def test_saved_within_a_second_and_at_the_end(records: list[Record], file: Path, tmp_path: Path, free_port: int) -> None:
    ioc = Ioc("our_ioc.py", ["--autosave", file, tmp_path / "test.db"], free_port, "serving")
    client = Client(free_port)
    assert client.put("BIAS", 42.0) == 1
    start = time.monotonic()
    while not file.exists() and time.monotonic() < start + 3:
        time.sleep(0.01)
    assert time.monotonic() - start < 1.0
    assert parse_values(file.read_text(), file)["BIAS.VAL"] == 42.0
    assert "FORGOTTEN" not in file.read_text()
    assert client.put("BIAS", 43.0) == 1
    assert client.put("LABEL", "end") == 1
    client.close()
    ioc.close()
    saved = parse_values(file.read_text(), file)
    assert (saved["BIAS.VAL"], saved["LABEL.VAL"]) == (43.0, "end")
    assert parse_values(file.with_name("ioc.sav.old").read_text(), file)["BIAS.VAL"] == 42.0


async def test_a_disk_that_takes_nothing_is_an_error_until_it_does(
    records: list[Record], file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = load_records(records)
    autosave = Autosave(file, live.values())
    file.parent.write_text("a file where the folder should be")
    live["BIAS"].receive(42.0)
    task = asyncio.create_task(autosave.run())
    autosave.touch()
    await until(lambda: "setpoints are not saved" in caplog.text)
    file.parent.unlink()
    await until(lambda: "setpoints are saved again" in caplog.text)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert parse_values(await asyncio.to_thread(file.read_text), file)["BIAS.VAL"] == 42.0


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - it polls a log
        await asyncio.sleep(0.01)


def test_killed_again_and_again(
    records: list[Record], file: Path, tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    """Whenever it is killed: a whole file is left, and nothing is lost that was older than a second."""
    rnd = random.Random(4)
    put = safe = 0.0
    for port in free_ports(2):
        ioc = Ioc("our_ioc.py", ["--autosave", file, tmp_path / "test.db"], port, "serving")
        client = Client(port)
        assert safe <= client.value("BIAS.VAL") <= put
        history: list[tuple[float, float]] = []
        deadline = time.monotonic() + rnd.uniform(1.2, 1.8)
        while time.monotonic() < deadline:
            put += 0.001
            assert client.put("BIAS", put) == 1
            history.append((time.monotonic(), put))
        killed = time.monotonic()
        ioc.process.kill()
        ioc.close()
        client.close()
        safe = max(value for moment, value in history if moment < killed - 1.0)
        parse_values(file.read_text(), file)
