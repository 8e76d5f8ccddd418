"""Replies of the archiver's retrieval interface as curves want them."""

import numpy as np
import pytest

from opi.archive_plugin import samples_array


def test_nanoseconds_are_kept() -> None:
    reply = [
        {"meta": {}, "data": [{"secs": 100, "nanos": 250_000_000, "val": 1.5}, {"secs": 100, "nanos": 750_000_000, "val": 2}]}
    ]
    np.testing.assert_allclose(samples_array(reply), [[100.25, 100.75], [1.5, 2.0]])


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
