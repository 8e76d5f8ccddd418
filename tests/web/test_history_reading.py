"""Screens and page read one answer of the archive alike: the table of ``tests/sipmdcs/test_history.py`` through both."""

from typing import Any

import numpy as np
import pytest

from opi.archive_samples import staircase
from opi.history import combine_bins
from sipmdcs.clock import NS, ManualClock
from sipmdcs.history import read_answer
from tests.sipmdcs.test_history import NAN, TABLE, S
from web.archive_rows import ArchiveRows
from web.query import Filter, Group, Operator, Query


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
