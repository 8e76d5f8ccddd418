"""One line out of the archive of many PVs."""

import numpy as np
import pytest

from opi.history import combine_bins


def entry(*samples: tuple[int, float]) -> dict[str, object]:
    return {"meta": {}, "data": [{"secs": secs, "nanos": 0, "val": value} for secs, value in samples]}


def test_values_that_hold_are_summed_over_pvs() -> None:
    past = combine_bins([entry((25, 1.0), (55, 2.0)), entry((40, 10.0), (90, 20.0))], np.sum, 0, 121)
    np.testing.assert_array_equal(past.times, [30, 60, 90, 120])
    np.testing.assert_array_equal(past.values, [1, 12, 22, 22])


def test_what_is_no_number_is_left_out() -> None:
    past = combine_bins([entry((30, float("nan"))), entry((30, 4.0))], np.mean, 30, 31)
    np.testing.assert_array_equal(past.times, [30])
    np.testing.assert_array_equal(past.values, [4])


def test_what_was_invalid_is_left_out() -> None:
    bad = {"meta": {}, "data": [{"secs": 30, "nanos": 0, "val": 99.0, "severity": 3, "status": 9}]}
    past = combine_bins([bad, entry((30, 4.0))], np.sum, 30, 31)
    np.testing.assert_array_equal(past.times, [30])
    np.testing.assert_array_equal(past.values, [4])


def test_an_outage_of_all_is_a_gap() -> None:
    back = {"secs": 100, "nanos": 0, "val": 3.0, "fields": {"cnxlostepsecs": "50"}}
    past = combine_bins([{"data": [{"secs": 10, "val": 2.0}, back]}], np.sum, 0, 121)
    np.testing.assert_array_equal(past.times, [30, 60, 90, 120])
    np.testing.assert_array_equal(past.values, [2, np.nan, np.nan, 3])


@pytest.mark.parametrize("reply", [[], [{"data": []}], [{"data": [{"secs": 1, "val": 1.0, "severity": 3}]}]])
def test_nothing_known_is_nothing(reply: list[object]) -> None:
    past = combine_bins(reply, np.sum, 0, 121)
    assert past.times.size == past.values.size == 0


@pytest.mark.parametrize(
    "reply", [{"error": "x"}, [{"meta": 1}], [{"data": [{"secs": 1}]}], [{"data": [{"secs": 1, "val": "x"}]}]]
)
def test_other_shapes_are_refused(reply: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        combine_bins(reply, np.sum, 0, 121)
