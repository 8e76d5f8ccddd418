"""Ten times the channels cost about ten times the work, not a hundred times; and work is done for what changed."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import ManualClock
from tests.system.installation import wait_until
from web.alarm_resources import ALARMS, AlarmRows
from web.archive_resources import PVS
from web.archive_rows import ArchiveRows
from web.live import Live
from web.live_resources import CHANNELS
from web.live_rows import LiveRows, live_names
from web.memory import answer
from web.plant import Channel, Controller, Plant
from web.query import Filter, Operator, Query, SortKey
from web.rowcollection import Rows
from web.sensors import Sensors

FEW, MANY = 14, 140
"""Controllers of 16 channels; the larger site has 2,240."""


def make_plant(controllers: int) -> Plant:
    numbers = range(1, 17)
    return Plant(
        tuple(
            Controller(
                name, f"D:V:{name}", "V", "padme-nim", "all", tuple(Channel(f"D:V:{name}:CH{n:02d}", n, "") for n in numbers)
            )
            for name in (f"HV{index}" for index in range(controllers))
        ),
        (),
        {},
        {},
    )


class Answers:
    """Stands where ``Upstream`` does: the whole first, then nothing new."""

    def __init__(self, first: Callable[[], Any], then: Callable[[], Any]) -> None:
        self.asked: list[Mapping[str, str]] = []
        self._first, self._then = first, then

    def get(self, path: str, parameters: Any = ()) -> Any:
        self.asked.append(dict(parameters))
        return (self._first if len(self.asked) == 1 else self._then)()


def leaf(pv: str, **news: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("path", "description", "message", "value", "current_severity", "current_message", "current_value"), ""
    )
    return empty | {
        "pv": pv,
        "severity": "OK",
        "acknowledged": None,
        "time": "2026-01-01T00:00:00Z",
        "guidance": [],
        "latch": True,
        "enabled": True,
        **news,
    }


@contextmanager
def channels(controllers: int) -> Iterator[Callable[[], Rows]]:
    plant, clock = make_plant(controllers), ManualClock()
    pvs = FakeChannels(clock)
    for name in live_names(plant):
        pvs.add(name, 1.5)
    live = Live(pvs.capture(live_names(plant)), clock)
    rows = LiveRows(plant, live, Sensors(dict, clock))
    try:
        every = Query(CHANNELS.names)
        wait_until(lambda: all(row.values["connected"] for row in rows.channels(every).rows), 60, "every channel is there")
        yield lambda: rows.channels(every)
    finally:
        live.close()


@contextmanager
def alarms(controllers: int) -> Iterator[Callable[[], Rows]]:
    plant, clock = make_plant(controllers), ManualClock()
    every = [leaf(name) for name in live_names(plant)]
    whole = {"version": "a-1", "whole": True, "leaves": every}
    yield lambda: AlarmRows(Answers(lambda: whole, lambda: whole), plant.channel_of, clock).alarms(Query(ALARMS.names))  # type: ignore[arg-type]


@contextmanager
def pvs(controllers: int) -> Iterator[Callable[[], Rows]]:
    plant, clock = make_plant(controllers), ManualClock()
    every = [
        {"pvName": name, "status": "Being archived", "lastEvent": "Jan/01/2026 00:00:00 +0000"} for name in live_names(plant)
    ]
    yield lambda: ArchiveRows(Answers(lambda: every, lambda: every), plant.channel_of, clock).pvs(Query(PVS.names))  # type: ignore[arg-type]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("made", [channels, alarms, pvs])
def test_rows_cost_in_proportion_to_the_detector(made: Callable[[int], Any]) -> None:
    def once(rows: Callable[[], Rows], least: int) -> float:
        begin = time.thread_time()
        found = [*rows().rows]
        took = time.thread_time() - begin
        assert len(found) >= least
        return took

    def cost(controllers: int) -> float:
        with made(controllers) as rows:
            gc.disable()  # its share grows with all that the other tests left in memory
            try:
                return min(once(rows, controllers * 16) for _ in range(3))
            finally:
                gc.enable()

    assert cost(MANY) < 40 * cost(FEW)


def test_of_alarms_only_the_news_is_fetched_and_made() -> None:
    clock = ManualClock()
    news = {"version": "a-2", "whole": False, "leaves": [leaf("B", severity="MAJOR")]}
    service = Answers(lambda: {"version": "a-1", "whole": True, "leaves": [leaf("A"), leaf("B")]}, lambda: news)
    made: list[str] = []
    rows = AlarmRows(service, made.append, clock)  # type: ignore[arg-type,func-returns-value]
    active = Query(("pv",), (Filter("severity", Operator.NEQ, "OK"),), (SortKey("time", True),))

    def shown() -> list[str]:
        return [row.values["pv"] for row in answer(ALARMS, rows.alarms(active).rows, active).rows]

    assert shown() == []
    assert shown() == []
    assert len(service.asked) == 1, "an answer is good for a second"
    clock.advance(2)
    assert shown() == ["B"]
    assert service.asked == [{"since": ""}, {"since": "a-1"}]
    assert made == ["A", "B", "B"]
    clock.advance(2)
    news["whole"] = True
    assert shown() == ["B"]
    assert [row.values["pv"] for row in rows.alarms(active).rows] == ["B"], "what is not in a whole tree is not there any more"
