"""Replies of the archiver's retrieval interface as lines to draw: what is not known is not drawn."""

import numpy as np
import pytest

from opi.archive_samples import changes, samples_array, value_at


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


def test_a_time_has_the_value_of_the_last_change() -> None:
    line = changes([{**point, "at": float(point["secs"])} for point in OUTAGE])
    np.testing.assert_equal(value_at(line, np.array([99.0, 100, 199, 200, 299, 300])), [np.nan, 55, 55, np.nan, np.nan, 55])


def test_bins_that_repeat_one_from_before_an_outage_are_not_drawn() -> None:
    live, other = [5.0, 0.5, 4.0, 6.0, 12], [7.0, 0.5, 4.0, 6.0, 9]
    back = {"fields": {"connectionChange": "true"}}
    data = [{"secs": 0, "val": other}, {"secs": 10, "val": live}, {"secs": 20, "val": live}, {"secs": 30, "val": live}]
    reply = [{"data": [*data, {"secs": 40, "val": other, **back}, {"secs": 50, "val": other, **back}]}]
    np.testing.assert_equal(samples_array(reply)[1], [7, 5, np.nan, np.nan, 7, 7])


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
