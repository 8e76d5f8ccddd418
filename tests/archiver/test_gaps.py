"""Gaps in answers: what the archive says of times in which nothing was known, and values as they were archived."""

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.bins import Interval
from archiver.catalogue import TypeSpan
from archiver.log import LogLimits
from archiver.operators import Processing
from archiver.query import Answer, Budget, ask
from archiver.rows import Cause, Loss, loss_rows
from archiver.served import Served
from archiver.storage import Storage
from sipmdcs.channels import PvType
from sipmdcs.clock import NS, ManualClock
from sipmdcs.errors import ServiceError
from sipmdcs.history import Reading, read_answer
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from tests.archiver.http_thread import served_over_http
from tests.archiver.making import START_NS, link_rows, payload_rows, sample_rows
from tests.archiver.processes import wait_until

S = START_NS // NS
POLICY = ArchivePolicy(ArchiveMethod.MONITOR, 1.0)


def opened(folder: Path, clock: ManualClock, names: tuple[str, ...] = ("D:A",)) -> Storage:
    storage = Storage(folder, clock, LogLimits(sync_s=0))
    storage.start(dict.fromkeys(names, POLICY))
    return storage


def compact(storage: Storage) -> None:
    storage.log.request_seal()
    storage.log.write()
    storage.maintain()


def restarted(storage: Storage, clock: ManualClock, down_s: float) -> Storage:
    storage.log.write()
    storage.close()
    clock.advance(down_s)
    return opened(storage.folder, clock)


def iso(seconds: float) -> str:
    return f"2026-01-01T{int(seconds) // 3600:02}:{int(seconds) // 60 % 60:02}:{seconds % 60:06.3f}Z"


def answer(client: httpx.Client, begin: float, end: float, pv: str = "D:A") -> dict[str, Any]:
    reply = client.get("/retrieval/data/getData.json", params={"pv": pv, "from": iso(begin), "to": iso(end)})
    assert reply.status_code == 200, reply.text
    return reply.json()[0]


def gaps(found: dict[str, Any]) -> list[tuple[float, float | None, str]]:
    listed = json.loads(found["meta"].get("gaps", "[]"))
    return [((lost - START_NS) / NS, None if known is None else (known - START_NS) / NS, why) for lost, known, why in listed]


@pytest.mark.parametrize("lake", [False, True])
def test_a_steady_pv_keeps_its_value_before_and_after_a_restart_of_the_archiver(folder, clock, lake):
    storage = opened(folder, clock)
    storage.log.append(link_rows([(1, 0, True)]))
    storage.log.append(sample_rows([(1, 0, 5.0)]))
    clock.advance(100)
    storage = restarted(storage, clock, 13)
    again = sample_rows([(1, 0, 5.0)], delay_s=114)  # the server sends what it has, with the old time stamp
    storage.log.append(link_rows([(1, 114, True)]))
    storage.log.append(again)
    if lake:
        compact(storage)
    with served_over_http(Served(storage.catalogue, storage.reader, storage.clock)) as client:
        for begin, end in ((0, 200), (50, 200), (150, 200)):
            found = answer(client, begin, end)
            assert gaps(found) == [(99, 114, "archiver down")]
            assert "cnxlostepsecs" not in found["meta"]
            values = read_answer(found).at(START_NS + np.array([50, 98, 99, 113, 114, 199]) * NS)
            np.testing.assert_equal(values, [5, 5, np.nan, np.nan, 5, 5])
        binned = answer(client, 0, 200, "statsSample_60(D:A)")
        assert gaps(binned) == [(99, 114, "archiver down")]
        at_time = {
            at: client.post("/retrieval/data/getDataAtTime", params={"at": iso(at)}, json=["D:A"]).json()
            for at in (98, 105, 150)
        }
        assert "meta" not in at_time[98]["D:A"]
        assert "meta" not in at_time[150]["D:A"]
        meta = {"cnxlostepsecs": str(S + 99), "cnxregainedepsecs": str(S + 114), "gap": "archiver down"}
        assert at_time[105]["D:A"]["meta"] == meta
    storage.close()


def test_a_pv_that_is_away_now_says_so_everywhere(folder, clock):
    storage = opened(folder, clock)
    storage.log.append(link_rows([(1, 0, True)]))
    storage.log.append(sample_rows([(1, 0, 5.0)]))
    storage.log.append(link_rows([(1, 60, False)]))
    clock.advance(100)
    with served_over_http(Served(storage.catalogue, storage.reader, storage.clock)) as client:
        for pv in ("D:A", "lastFill_10(D:A)", "optimized_10(D:A)"):
            meta = answer(client, 10, 100, pv)["meta"]
            assert meta["cnxlostepsecs"] == str(S + 60)
            assert meta["gap"] == "disconnected"
        assert "cnxlostepsecs" not in answer(client, 10, 50)["meta"], "not yet then"
        (found,) = client.post("/retrieval/data/getDataAtTime", params={"at": iso(90)}, json=["D:A"]).json().values()
        assert found["meta"] == {"cnxlostepsecs": str(S + 60), "gap": "disconnected"}
    storage.close()


@pytest.mark.parametrize("lake", [False, True])
def test_a_loss_is_a_gap_of_every_pv_until_it_is_known_again(folder, clock, lake):
    storage = opened(folder, clock, ("D:A", "D:B", "D:C"))
    storage.log.append(link_rows([(pv, 0, True) for pv in (1, 2, 3)]))
    storage.log.append(sample_rows([(pv, 1, 5.0) for pv in (1, 2, 3)]))
    storage.log.append(loss_rows(Loss(START_NS + 20 * NS, START_NS + 22 * NS, Cause.OVERLOAD, 1000)))
    storage.log.append(sample_rows([(1, 23, 6.0)]))  # a new value
    storage.log.append(link_rows([(2, 25, True)]))  # monitored anew
    if lake:
        compact(storage)
    why = "events lost: too many at once"
    with served_over_http(Served(storage.catalogue, storage.reader, storage.clock)) as client:
        found = answer(client, 0, 60)
        assert gaps(found) == [(19, 23, why)], "a second earlier: of what was under way"
        assert found["data"][-1]["fields"] == {"cnxlostepsecs": str(S + 19), "cnxregainedepsecs": str(S + 23), "lost": why}
        assert gaps(answer(client, 0, 60, "D:B")) == [(19, 25, why)]
        csv = client.get("/retrieval/data/getData.csv", params={"pv": "D:B", "from": iso(0), "to": iso(60)})
        assert gaps({"meta": {"gaps": csv.headers["x-gaps"]}}) == [(19, 25, why)]
        assert gaps(answer(client, 0, 60, "D:C")) == [(19, None, why)]
        assert answer(client, 0, 60, "D:C")["meta"]["gap"] == why
        assert gaps(answer(client, 0, 10)) == []
    storage.close()


ACTIONS = st.lists(
    st.sampled_from(["value", "late", "lost", "back", "loss", "restart", "kill", "compact", "wait"]), max_size=12
)


@settings(max_examples=40)
@given(ACTIONS, st.integers(0, 130), st.integers(0, 130), st.integers(0, 130))
def test_any_split_of_an_interval_knows_what_the_whole_knows(tmp_path_factory, actions, a, b, c):
    clock = ManualClock(START_NS)
    storage = opened(tmp_path_factory.mktemp("law"), clock)
    now, up = 0.0, True
    storage.log.append(link_rows([(1, 0, True)]))
    storage.log.append(sample_rows([(1, 0, 0.0)], delay_s=0.2))
    for action in actions:
        clock.advance(10)
        now += 10
        log = storage.log
        if action == "value" and up:
            log.append(sample_rows([(1, now, now)], delay_s=0.2))
        elif action == "late" and up:
            log.append(sample_rows([(1, now - 3, now)], delay_s=3.2))
        elif action in ("lost", "back") and up == (action == "lost"):
            up = action == "back"
            log.append(link_rows([(1, now, up)]))
        elif action == "loss":
            log.append(loss_rows(Loss(START_NS + round((now - 1) * NS), START_NS + round(now * NS), Cause.DISK, 5)))
        elif action in ("restart", "kill"):
            log.write()
            storage.close()
            clock.advance(3)
            now += 3
            storage = opened(storage.folder, clock)
            storage.log.append(link_rows([(1, now + 1, True)] if up else []))
        elif action == "compact":
            compact(storage)
        storage.log.write()

    def known(from_s: int, to_s: int) -> list[float]:
        interval = Interval(START_NS + from_s * NS, START_NS + to_s * NS)
        found = ask(storage.catalogue, storage.reader, "D:A", Processing(), interval, Budget())
        reading = Reading(found.samples.time_ns, found.samples.value, found.gaps)
        return reading.at(START_NS + np.arange(from_s, to_s) * NS).tolist()

    low, middle, high = sorted((a, b, c))
    np.testing.assert_equal(known(low, middle) + known(middle, high), known(low, high))
    storage.close()


EVENTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=30)


@settings(max_examples=60)
@given(EVENTS, st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_of_a_killed_archiver_every_event_is_there_or_in_a_gap(tmp_path_factory, events, drains, writes):
    """Events by tenth of a second of their time stamp and tenths on the way; killed after 4 s, started again at 6 s."""
    clock = ManualClock(START_NS)
    storage = opened(tmp_path_factory.mktemp("alive"), clock)
    storage.log.append(link_rows([(1, 0, True)]))
    came, way = {stamp: stamp + late for stamp, late in events}, 0
    for stamp in sorted(came):  # in their order
        came[stamp] = way = max(way, came[stamp])
    for now in range(41):
        if now in drains:
            new = [stamp for stamp in sorted(came) if came[stamp] <= now]
            for stamp in new:
                storage.log.append(sample_rows([(1, stamp / 10, stamp)], delay_s=(came.pop(stamp) - stamp) / 10))
            storage.log.heard(clock.time_ns())
        if now in writes:
            storage.log.write()
        clock.advance(0.1)
    killed = Path(shutil.copytree(storage.folder, storage.folder / "killed"))
    storage.close()
    clock.advance(1.9)
    storage = opened(killed, clock)
    storage.log.append(link_rows([(1, 6.1, True)]))
    storage.log.append(sample_rows([(1, max(stamp for stamp, _ in events) / 10, -1.0)], delay_s=6.1))
    clock.advance(1)

    def known(from_cs: int, to_cs: int) -> tuple[Answer, list[float]]:
        times = START_NS + np.arange(from_cs, to_cs) * (NS // 100)
        interval = Interval(START_NS + from_cs * NS // 100, START_NS + to_cs * NS // 100)
        found = ask(storage.catalogue, storage.reader, "D:A", Processing(), interval, Budget())
        return found, Reading(found.samples.time_ns, found.samples.value, found.gaps).at(times).tolist()

    whole, values = known(0, 700)
    there = whole.samples.time_ns
    for stamp, _ in events:
        time_ns = START_NS + stamp * NS // 10
        assert time_ns in there or time_ns < there[0] or any(gap.lost_ns <= time_ns < gap.end_ns for gap in whole.gaps)
    for stamp in sorted(stamp for stamp, _ in events)[-3:]:
        middle = max(stamp * 10 - 5, 0)
        np.testing.assert_equal(known(0, middle)[1] + known(middle, 700)[1], values)
    storage.close()


def test_values_are_as_archived_whatever_type_came_later(folder, clock):
    storage = opened(folder, clock, ("D:A", "D:E"))
    storage.catalogue.describe(
        [
            (1, {"EGU": "V"}, TypeSpan(START_NS, PvType.DOUBLE, 1)),
            (2, {"ENUM_0": "OFF"}, TypeSpan(START_NS, PvType.ENUM, 1)),
        ]
    )
    storage.log.append(sample_rows([(1, 1, 2.32), (1, 2, 1e300), (1, 3, 7.0), (2, 1, 1.0)]))
    storage.catalogue.describe(
        [
            (1, {"EGU": "mV"}, TypeSpan(START_NS + 10 * NS, PvType.LONG, 1)),
            (2, {}, TypeSpan(START_NS + 10 * NS, PvType.DOUBLE, 1)),
        ]
    )
    storage.log.append(sample_rows([(1, 11, 7.0), (2, 11, 2.5), (2, 12, 3.0)]))
    storage.log.append(payload_rows([(2, 13, "now a text"), (2, 14, np.array([1.5, 2.0]))]))
    for _ in range(2):
        with served_over_http(Served(storage.catalogue, storage.reader, storage.clock)) as client:
            found = answer(client, 0, 60)
            assert [repr(sample["val"]) for sample in found["data"]] == ["2.32", "1e+300", "7.0", "7"]
            assert found["meta"]["EGU"] == "mV"
            assert [sample.get("fields") for sample in found["data"]] == [{"EGU": "V"}, None, None, {"EGU": "mV"}]
            assert answer(client, 0, 5)["meta"]["EGU"] == "V", "an answer about the past has the unit of then"
            held = answer(client, 0, 60, "lastFill_10(D:A)")["data"]
            assert [repr(sample["val"]) for sample in held[:2]] == ["7.0", "7"]
            other = [sample["val"] for sample in answer(client, 0, 60, "D:E")["data"]]
            assert repr(other) == "[1, 2.5, 3.0, 'now a text', [1.5, 2.0]]"
        compact(storage)
    storage.close()


def test_arrays_of_different_lengths_are_filled_up_and_say_their_length(folder, clock):
    storage = opened(folder, clock)
    storage.log.append(payload_rows([(1, 1, np.array([1.0, 2.0, 3.0])), (1, 2, np.array([4.0])), (1, 3, np.array([]))]))
    with served_over_http(Served(storage.catalogue, storage.reader, storage.clock)) as client:
        data = answer(client, 1, 60)["data"]
        assert [sample["val"] for sample in data] == [[1, 2, 3], [4, 0, 0], [0, 0, 0]]
        assert [sample["fields"] for sample in data] == [{"NORD": "3"}, {"NORD": "1"}, {"NORD": "0"}]
        alone = answer(client, 2, 2.5)["data"]
        assert (alone[0]["val"], alone[0].get("fields")) == ([4], None)
    storage.close()


def upkeep(storage: Storage) -> bool:
    try:
        compact(storage)
    except ServiceError:
        return False
    return True


@pytest.mark.parametrize(
    "harm", ["removed", "replaced by another", "replaced by rubbish", "spoilt in place", "emptied", "made a folder", "locked"]
)
def test_a_catalogue_that_is_harmed_while_running_heals(folder, clock, harm, monkeypatch):
    monkeypatch.setattr("archiver.catalogue._WAIT_S", 0.2)
    storage = opened(folder, clock)
    storage.log.append(sample_rows([(1, 1, 5.0)]))
    compact(storage)
    storage.log.append(sample_rows([(1, 2, 6.0)]))
    path = folder / "catalogue.sqlite"
    served = Served(storage.catalogue, storage.reader, storage.clock)
    with served_over_http(served) as client:
        for _ in range(3):
            assert len(answer(client, 1, 60)["data"]) == 2
        if harm == "removed":
            for each in folder.glob("catalogue.sqlite*"):
                each.unlink()
        elif harm == "replaced by another":
            path.unlink()
            with sqlite3.connect(path) as other:
                other.execute("CREATE TABLE pv (other)")
            other.close()
        elif harm == "replaced by rubbish":
            path.unlink()
            path.write_bytes(b"rubbish" * 1000)
        elif harm == "spoilt in place":
            for each in folder.glob("catalogue.sqlite*"):
                if each.suffix != ".sqlite-shm":  # mapped into memory
                    each.write_bytes(b"\xff" * each.stat().st_size)
        elif harm == "emptied":
            for each in folder.glob("catalogue.sqlite*"):
                if each.suffix != ".sqlite-shm":
                    os.truncate(each, 0)
        elif harm == "made a folder":
            path.unlink()
            path.mkdir()
        blocker = sqlite3.connect(path if harm == "locked" else ":memory:", isolation_level=None)
        if harm == "locked":
            blocker.execute("BEGIN EXCLUSIVE")
        for _ in range(12):
            params = {"pv": "D:A", "from": iso(1), "to": iso(60)}
            reply = client.get("/retrieval/data/getData.json", params=params)
            assert reply.status_code in (200, 503), reply.text
            if reply.status_code == 503:
                assert "catalogue.sqlite" in reply.text
                assert reply.text.count("\n") == 1
        if harm == "locked":
            with pytest.raises(ServiceError, match="locked; try again later"):
                storage.catalogue.describe([(1, {}, TypeSpan(0, PvType.DOUBLE, 1))])
        blocker.close()
        wait_until(lambda: upkeep(storage), "a round of upkeep, repeated as the engine does")
        assert [sample["val"] for sample in answer(client, 1, 60)["data"]] == [5, 6]
        assert storage.catalogue.pv("D:A") is not None
    storage.close()
    storage = opened(folder, clock)
    assert len(storage.reader.read(1, 0, START_NS + 60 * NS, 10).samples) == 2
    storage.close()
