"""Summaries of slow control at the end of a run, from a real archive over HTTP."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from archiver.catalogue import TypeSpan
from archiver.log import LogLimits
from archiver.query import Budget
from archiver.served import Served
from archiver.storage import Storage
from logbook.archive import Archive
from logbook.desk import Desk
from logbook.logbookfile import LogbookFile
from logbook.refusals import Conflict, NotThere
from logbook.requests import MoveRequest, OpenRequest
from logbook.run_state import Command
from logbook.summariser import Stopped, Summariser
from logbook.tables import SlowControl
from sipmdcs.channels import PvType
from sipmdcs.clock import NS, ManualClock, to_datetime
from sipmdcs.errors import ServiceError
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from sipmdcs.site import HttpService
from tests.archiver.http_thread import served_over_http
from tests.archiver.making import START_NS, link_rows, payload_rows, sample_rows
from tests.logbook.conftest import MakeDesk

PATTERN = "D:CH*"
PVS = {
    "D:CH01:BIAS_RBV": PvType.DOUBLE,
    "D:CH02:BIAS_RBV": PvType.DOUBLE,
    "D:CH03:TEXT": PvType.STRING,
    "D:CH04:NEVER": None,
    "D:CH05:LOST": PvType.DOUBLE,
    "D:OTHER": PvType.DOUBLE,
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_NS)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """A PV that ramps, one with alarms and an outage, one of text, one that never connected, one that is lost to the end."""
    clock = ManualClock(START_NS)
    storage = Storage(tmp_path / "archive", clock, LogLimits(sync_s=0))
    storage.start({name: ArchivePolicy(ArchiveMethod.MONITOR, 1.0) for name in PVS})
    spans = [(number, kind) for number, kind in enumerate(PVS.values(), 1) if kind is not None]
    storage.catalogue.describe([(number, {"EGU": "V"}, TypeSpan(0, kind, 1)) for number, kind in spans])
    storage.log.append(sample_rows([(1, second, float(second)) for second in range(3000)]))
    alarmed = sample_rows([(2, 0, 5.0), (2, 20, 6.0), (2, 30, 7.0), (2, 70, 8.0)])
    alarmed.rows["severity"] = [0, 2, 3, 0]
    storage.log.append(alarmed)
    storage.log.append(link_rows([(2, 40, False), (2, 60, True)]))
    storage.log.append(payload_rows([(3, 1, "on")]))
    storage.log.append(sample_rows([(5, 1, 1.0), (6, 1, 1.0)]))
    storage.log.append(link_rows([(5, 1, True), (5, 1200, False)]))
    clock.advance(3000)
    storage.log.write()
    yield storage
    storage.close()


@contextmanager
def archive(storage: Storage, budget: Budget | None = None) -> Iterator[Archive]:
    served = Served(storage.catalogue, storage.reader, storage.clock, budget=budget or Budget())
    with served_over_http(served) as client:
        assert client.base_url.port is not None
        yield Archive(HttpService(port=client.base_url.port))


@pytest.fixture
def desk(make_desk: MakeDesk, database_url: str) -> Desk:
    return make_desk(database_url)


def run_of(desk: Desk, clock: ManualClock, start_s: float, end_s: float) -> int:
    """A run from so many to so many seconds after START."""
    begin = to_datetime(START_NS)
    clock.step((START_NS - clock.time_ns()) / NS + start_s)
    asked = {"request_key": f"{start_s}", "partition": "MAIN", "type": "test", "who": "daq"}
    number = desk.open(OpenRequest.model_validate(asked), "http").run.number
    desk.move(number, Command.START, MoveRequest(who="daq"), "http")
    clock.step(end_s - start_s)
    ended = desk.move(number, Command.END, MoveRequest(who="daq"), "http").run
    assert (ended.ended_at, ended.summary) == (begin + timedelta(seconds=end_s), "waiting")
    return number


def stored(desk: Desk, number: int) -> dict[str, dict]:
    wanted = select(SlowControl.__table__).where(SlowControl.run == number)
    return {row["pv"]: dict(row) for row in desk.store.rows(wanted)}


def summariser(desk: Desk, archive: Archive, clock: ManualClock, **settings) -> Summariser:
    return Summariser(desk.store, archive, LogbookFile.model_validate({"summary": [PATTERN]} | settings), clock)


@pytest.mark.parametrize("budget", [Budget(), Budget(answer=100)], ids=["at once", "in small replies"])
def test_figures_of_a_run(storage: Storage, desk: Desk, clock: ManualClock, budget: Budget) -> None:
    number = run_of(desk, clock, 10, 100)
    with archive(storage, budget) as source:
        work = summariser(desk, source, clock)
        assert (work.step(), desk.run(number).summary) == (1, "waiting")  # late samples may come
        clock.advance(5)
        assert (work.step(), desk.run(number).summary) == (0, "done")
    found = stored(desk, number)
    assert found.keys() == PVS.keys() - {"D:OTHER", "D:CH03:TEXT"}
    ramp = found["D:CH01:BIAS_RBV"]
    seconds = np.arange(10, 100)
    assert (ramp["samples"], ramp["minimum"], ramp["maximum"], ramp["unit"]) == (90, 10, 99, "V")
    assert (ramp["mean"], ramp["rms"]) == pytest.approx((seconds.mean(), seconds.std()))
    assert (ramp["alarm_s"], ramp["invalid_s"]) == (0, 0)
    bad = found["D:CH02:BIAS_RBV"]
    assert (bad["samples"], bad["minimum"], bad["maximum"]) == (3, 5, 8)
    assert bad["mean"] == pytest.approx((10 * 5 + 10 * 6 + 30 * 8) / 50)
    assert bad["invalid_s"] == pytest.approx(40)  # 30 to 70, of which 20 s without connection
    assert bad["alarm_s"] == pytest.approx(10 + 20)  # 20 to 40, 60 to 70: what is not connected has no alarm
    never = found["D:CH04:NEVER"]
    assert (never["samples"], never["mean"], never["rms"], never["minimum"], never["invalid_s"]) == (0, None, None, None, 90)


def test_a_long_run_whose_pv_is_lost_to_the_end(storage: Storage, desk: Desk, clock: ManualClock) -> None:
    number = run_of(desk, clock, 500, 2900)
    clock.advance(5)
    with archive(storage) as source:
        summariser(desk, source, clock).step()
    found = stored(desk, number)
    seconds = np.arange(500, 2900)
    assert found["D:CH01:BIAS_RBV"]["samples"] == 2400
    figures = (found["D:CH01:BIAS_RBV"]["mean"], found["D:CH01:BIAS_RBV"]["rms"])
    assert figures == pytest.approx((seconds.mean(), seconds.std()))
    assert (found["D:CH05:LOST"]["mean"], found["D:CH05:LOST"]["invalid_s"]) == (1.0, 1700)


def test_what_a_steady_pv_did_while_the_archiver_was_down_is_not_known(
    storage: Storage, desk: Desk, clock: ManualClock, tmp_path: Path
) -> None:
    number = run_of(desk, clock, 2900, 3200)
    clock.advance(5)
    killed = Path(shutil.copytree(storage.folder, tmp_path / "killed"))
    again = Storage(killed, ManualClock(START_NS + 3100 * NS))
    again.start({name: ArchivePolicy(ArchiveMethod.MONITOR, 1.0) for name in PVS})
    again.log.append(link_rows([(2, 3101, True)]))
    again.log.append(sample_rows([(2, 70, 8.0)], delay_s=3031))  # as it is monitored anew
    with archive(again) as source:
        summariser(desk, source, clock).step()
    again.close()
    found = stored(desk, number)["D:CH02:BIAS_RBV"]
    assert (found["mean"], found["samples"], found["invalid_s"]) == (8.0, 0, 102)  # from a second before its stop on


def test_the_archive_away_for_a_while(storage: Storage, desk: Desk, clock: ManualClock, free_port: int) -> None:
    numbers = [run_of(desk, clock, 10, 20), run_of(desk, clock, 30, 40)]
    clock.advance(5)
    with pytest.raises(ServiceError, match="the archiver does not answer"):
        summariser(desk, Archive(HttpService(port=free_port)), clock).step()
    assert {desk.run(number).summary for number in numbers} == {"waiting"}
    with archive(storage) as source:  # of a service that started anew
        assert summariser(desk, source, clock).step() == 0
    assert {desk.run(number).summary for number in numbers} == {"done"}


def test_at_last_a_summary_counts_as_failed(
    desk: Desk, clock: ManualClock, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    number = run_of(desk, clock, 10, 20)
    work = summariser(desk, Archive(HttpService(port=free_port)), clock, summary_patience_s=60.0)
    clock.advance(61)
    assert work.step() == 0
    assert desk.run(number).summary == "failed"
    assert f"run {number} gets no summary: the archiver does not answer" in caplog.text


def test_a_summary_is_made_again_by_order(storage: Storage, desk: Desk, clock: ManualClock, free_port: int) -> None:
    number = run_of(desk, clock, 10, 20)
    clock.advance(61)
    away = summariser(desk, Archive(HttpService(port=free_port)), clock, summary_patience_s=60.0)
    away.step()
    with pytest.raises(ServiceError, match="the archiver does not answer"):
        away.again(number)
    assert desk.run(number).summary == "failed"
    with archive(storage) as source:
        work = summariser(desk, source, clock, summary_patience_s=60.0)
        assert work.again(number).summary == "waiting"
        assert away.again(number).summary == "waiting"  # as it was already
        assert (work.step(), desk.run(number).summary, len(stored(desk, number))) == (0, "done", 4)
        # Once more, with other PVs: the figures there are stay until the new ones come.
        chosen = summariser(desk, source, clock, summary=["D:OTHER"])
        chosen.again(number)
        assert len(stored(desk, number)) == 4
        chosen.step()
    assert stored(desk, number).keys() == {"D:OTHER"}


def test_what_cannot_be_summarised(storage: Storage, desk: Desk, clock: ManualClock) -> None:
    going = desk.open(OpenRequest(request_key="k", partition="MAIN", type="test", who="daq"), "http").run.number
    with archive(storage) as source:
        work = summariser(desk, source, clock)
        with pytest.raises(Conflict, match=f"run {going} is init: its summary is made when it has ended"):
            work.again(going)
        with pytest.raises(NotThere, match="there is no run 77"):
            work.again(77)


def test_no_pv_is_chosen(storage: Storage, desk: Desk, clock: ManualClock) -> None:
    number = run_of(desk, clock, 10, 20)
    clock.advance(5)
    with archive(storage) as source:
        summariser(desk, source, clock, summary=[]).step()
    assert (desk.run(number).summary, stored(desk, number)) == ("done", {})


def test_it_stops_when_the_service_does(storage: Storage, desk: Desk, clock: ManualClock) -> None:
    number = run_of(desk, clock, 10, 20)
    clock.advance(5)
    with archive(storage) as source:
        work = summariser(desk, source, clock)
        work.stopping.set()
        with pytest.raises(Stopped):
            work.step()
    assert desk.run(number).summary == "waiting"
