"""The server as services see it, and its complaints about its surroundings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from iocs.publisher import RecordServer, open_record_server
from iocs.softioc import load_files, run_softioc
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput, ChannelError, NotConnected, ServiceError
from sipmdcs.publisher import Publisher, open_publisher
from sipmdcs.severity import Severity, Status

RECORDS = [Record("ai", "X", {"VAL": "3"}, {}), Record("waveform", "W", {"NELM": "2", "FTVL": "LONG", "INP": "[1, 2]"}, {})]


def test_it_is_the_installed_publisher() -> None:
    publisher: Publisher = open_publisher(RECORDS)
    assert isinstance(publisher, RecordServer)
    assert publisher.value("X") == 3.0
    assert publisher.value("W") == [1, 2]


def test_bound_records_take_what_fits_and_say_what_does_not() -> None:
    publisher = open_record_server([*RECORDS, Record("longin", "N", {}, {})])
    bound = publisher.bind(["X", None, "W", "N"])
    assert bound.values() == [3.0, 0, [1, 2], 0]
    bound.post([4, 5, [6], 7], time_ns=8)
    assert bound.values() == [4.0, 0, [6], 7]
    assert bound.alarms() == [(Severity.NO_ALARM, Status.NO_ALARM)] * 4
    with pytest.raises(ChannelError, match=r"N.*does not fit into 32 bits"):
        bound.post([None, None, [9], 1 << 40], time_ns=10)
    invalid = (Severity.INVALID, Status.READ)
    assert bound.values() == [4.0, 0, [9], 7]
    assert bound.alarms() == [invalid, (Severity.NO_ALARM, Status.NO_ALARM), (Severity.NO_ALARM, Status.NO_ALARM), invalid]
    assert (bound.severity(), publisher.bind(["W", None]).severity()) == (Severity.INVALID, Severity.NO_ALARM)
    with pytest.raises(NotConnected):
        publisher.bind(["NOT:THERE"])


def test_an_access_file_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "access.acf"
    file.write_text("ASG(A) { RULE(9, READ) }")
    with pytest.raises(BadInput, match=r"access\.acf:1: expected 0 or 1, found 9"):
        open_record_server(RECORDS, file)


@pytest.mark.parametrize(
    ("variable", "value", "problem", "words"),
    [
        ("EPICS_CAS_INTF_ADDR_LIST", "192.0.2.1", ServiceError, "cannot listen on 192.0.2.1: "),
        ("EPICS_CAS_INTF_ADDR_LIST", "somewhere", BadInput, "somewhere"),
        ("EPICS_CA_SERVER_PORT", "abc", BadInput, "EPICS_CA_SERVER_PORT"),
        ("EPICS_CAS_BEACON_PERIOD", "often", BadInput, "EPICS_CAS_BEACON_PERIOD"),
    ],
)
async def test_surroundings_that_do_not_work(
    monkeypatch: pytest.MonkeyPatch, free_port: int, variable: str, value: str, problem: type[Exception], words: str
) -> None:
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", str(free_port))
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1")
    monkeypatch.setenv(variable, value)
    async with asyncio.timeout(5):
        with pytest.raises(problem, match=words):
            await open_record_server(RECORDS).run()


async def test_a_port_that_is_taken_is_no_problem(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    """Clients are told the port of the second server with the answer to their search."""
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", str(free_port))
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1")
    tasks = [asyncio.ensure_future(open_record_server(RECORDS).run()) for _ in range(2)]
    done, _ = await asyncio.wait(tasks, timeout=0.3)
    assert not done
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_soft_ioc_files(tmp_path: Path) -> None:
    (tmp_path / "ch.template").write_text('record(ai, "$(P):$(R)") {}')
    (tmp_path / "all.substitutions").write_text('file "ch.template" { { R=1 } { R=2 } }')
    (tmp_path / "more.db").write_text('record(ao, "$(P):MORE") {}')
    records = load_files([tmp_path / "all.substitutions", tmp_path / "more.db"], {"P": "DET"})
    assert [record.name for record in records] == ["DET:1", "DET:2", "DET:MORE"]


async def test_a_file_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"ioc\.txt: expected a name that ends in \.db, \.template"):
        await run_softioc([tmp_path / "ioc.txt"])
