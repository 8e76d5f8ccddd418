"""Screens and page read one answer of the archive alike: the table of ``tests/sipmdcs/test_history.py`` through both."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opi.archive_samples import staircase
from opi.history import combine_bins
from sipmdcs.clock import NS, ManualClock, SystemClock
from sipmdcs.history import read_answer
from sipmdcs.site import HttpService
from tests.archiver.processes import ArchiverProcess, base_ioc, ca_environment, iso, wait_until
from tests.sipmdcs.test_history import NAN, TABLE, S
from web.archive_rows import ArchiveRows
from web.bulkhead import Bulkhead
from web.query import Filter, Group, Operator, Query
from web.upstream import Upstream


class Archiver:
    """Gives one prepared answer in both forms in which the web service asks."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def get(self, _path: str, _parameters: object = ()) -> list[dict[str, Any]]:
        samples = self._answer["data"]
        held: list[dict[str, Any]] = []
        for start in range(S, S + 60, 10):
            before = [sample for sample in samples if sample["secs"] + sample["nanos"] / 1e9 < start + 10]
            if before:
                held.append({**before[-1], "secs": start + 5, "nanos": 0})
        return [{"meta": self._answer["meta"], "data": []}, {"meta": self._answer["meta"], "data": held}]


@pytest.mark.parametrize(("answer", "expected"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_the_page_shows_what_the_screens_show(answer: dict[str, Any], expected: list[float]) -> None:
    rows = ArchiveRows(Archiver(answer), lambda pv: None, ManualClock((S + 60) * NS))  # type: ignore[arg-type]
    query = Query(("epoch", "mean"), filters=(Filter("pv", Operator.EQ, "P"), Filter("epoch", Operator.GE, S)), group=Group(10))
    found = {row["epoch"]: row["mean"] for row in (each.values for each in rows.archive(query).rows)}
    page = [NAN if found.get(start) is None else found[start] for start in range(S, S + 60, 10)]
    np.testing.assert_equal(page, expected)
    reading = read_answer(answer)
    for time_s, value in staircase(reading).T.tolist():
        if S < time_s < S + 60 and (time_s - S) % 10 and value == value:  # at an edge a step ends that began in the bin before
            assert not np.isnan(page[int(time_s - S) // 10]), "what a screen draws, the page knows"
    past = combine_bins([answer], np.sum, S, S + 60)
    np.testing.assert_equal(past.values, reading.at((past.times * NS).astype(np.int64)))
    assert past.counts.tolist() == np.isfinite(past.values).astype(int).tolist()


def test_a_steady_value_over_a_real_archiver_that_was_killed(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> None:
    server, repeater, port = free_ports(3)
    environment = ca_environment(server, repeater)
    archiver = ArchiverProcess(tmp_path, ["T:STEADY"], port, environment)
    upstream = Upstream(HttpService(port=port), Bulkhead("the archiver", SystemClock(), 2))

    def answer(since: float) -> dict[str, Any]:
        times = {"from": iso(since), "to": iso(time.time())}
        return archiver.client.get("/retrieval/data/getData.json", params={"pv": "T:STEADY", **times}).json()[0]

    def page(since: int) -> dict[int, tuple[float | None, str]]:
        query = Query(
            ("epoch", "mean", "gap"),
            filters=(Filter("pv", Operator.EQ, "T:STEADY"), Filter("epoch", Operator.GE, since)),
            group=Group(1),
        )
        found = ArchiveRows(upstream, lambda pv: None, SystemClock()).archive(query)
        return {row.values["epoch"]: (row.values["mean"], row.values["gap"]) for row in found.rows}

    try:
        with base_ioc(tmp_path, 'record(ao, "T:STEADY") { field(VAL, "2.5") field(PINI, "YES") }', environment):
            archiver.start()
            wait_until(lambda: len(archiver.history("T:STEADY", 0, time.time() + 9)) == 1, "the value is archived")
            begin = int(time.time()) + 1
            wait_until(lambda: page(begin).get(begin + 2, (None, ""))[0] == 2.5, "the value holds")
            archiver.kill()
            killed = time.time()
            time.sleep(2)  # so that whole bins lie in the gap
            archiver.start()
            up = int(time.time()) + 1
            wait_until(lambda: page(begin).get(up + 3, (None, ""))[0] == 2.5, "the value holds again")
            bins, reading = page(begin), read_answer(answer(begin))
    finally:
        archiver.close()
        upstream.close()
    for start in range(begin, up + 3):
        known = ~np.isnan(reading.at(start * NS + np.arange(100) * (NS // 100)))
        mean, gap = bins[start]
        assert mean == 2.5 or not known.any(), f"{start - killed:.1f} s after the end"
        assert gap == "archiver down" or known.all(), f"{start - killed:.1f} s after the end"
    assert bins[begin][0] == bins[up + 3][0] == 2.5
    assert bins[int(killed) + 1] == (None, "archiver down")
