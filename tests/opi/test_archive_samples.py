"""Replies of the archiver's retrieval interface as lines to draw: what is not known is not drawn."""

import json

import numpy as np
import pytest

from opi.archive_samples import lone, samples_array
from sipmdcs.clock import NS


def test_nanoseconds_are_kept() -> None:
    reply = [
        {"meta": {}, "data": [{"secs": 100, "nanos": 250_000_000, "val": 1.5}, {"secs": 100, "nanos": 750_000_000, "val": 2}]}
    ]
    np.testing.assert_allclose(samples_array(reply), [[100.25, 100.75, 100.75], [1.5, 1.5, 2.0]])


OUTAGE = [
    {"secs": 100, "nanos": 0, "val": 55.0},
    {"secs": 300, "nanos": 0, "val": 55.0, "fields": {"cnxlostepsecs": "200", "cnxregainedepsecs": "301"}},
]


def test_a_value_holds_until_the_connection_was_lost() -> None:
    nan = float("nan")
    np.testing.assert_equal(samples_array([{"data": OUTAGE}]), [[100, 200, 200, 300, 300], [55, 55, nan, nan, 55]])


def test_an_invalid_value_is_not_drawn() -> None:
    reply = [{"data": [{"secs": 1, "val": 5.0}, {"secs": 2, "val": 5.0, "severity": 3}, {"secs": 3, "val": 6.0}]}]
    nan = float("nan")
    np.testing.assert_equal(samples_array(reply), [[1, 2, 2, 3, 3], [5, 5, nan, nan, 6]])


def test_bins_in_a_gap_are_not_drawn() -> None:
    value = [5.0, 0.5, 4.0, 6.0, 12]
    meta = {"gaps": json.dumps([[14 * NS, 36 * NS, "disconnected"], [58 * NS, None, "disconnected"]])}
    reply = [{"meta": meta, "data": [{"secs": secs, "val": value} for secs in range(0, 80, 10)]}]
    nan = float("nan")
    np.testing.assert_equal(samples_array(reply)[1], [5, 5, nan, nan, 5, 5, 5, nan])


def test_values_that_no_line_leads_to() -> None:
    nan = float("nan")
    assert lone(np.array([1, nan, 2, nan, 3, 4, nan])).tolist() == [True, False, True, False, False, False, False]


def test_bins_give_mean_deviation_and_range() -> None:
    reply = [{"data": [{"secs": 100, "nanos": 0, "val": [5.0, 0.5, 4.0, 6.0, 12]}]}]
    np.testing.assert_allclose(samples_array(reply), [[100], [5], [0.5], [4], [6]])


@pytest.mark.parametrize("reply", [[], [{"data": []}]])
def test_nothing_is_no_columns(reply: list[object]) -> None:
    assert samples_array(reply).shape == (2, 0)


@pytest.mark.parametrize(
    "reply", [{"error": "x"}, [{"meta": 1}], [{"data": [{"secs": 1}]}], [{"data": [{"secs": 1, "val": "x"}]}]]
)
def test_other_shapes_are_refused(reply: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        samples_array(reply)
