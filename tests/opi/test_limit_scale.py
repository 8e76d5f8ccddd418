"""From where to where a limit bar reaches."""

from math import nan

import pytest

from opi.limit_scale import Limits, bar_range


@pytest.mark.parametrize(
    ("limits", "display", "expected"),
    [
        (Limits(), (0, 80), (0, 80)),
        (Limits(), (0, 0), None),
        (Limits(high=0.5, hihi=2), (0, 50), (0, 2.5)),
        (Limits(high=0.5, hihi=nan), (0, 50), (0, 0.625)),
        (Limits(-200, -50, 50, 200), (-500, 500), (-300, 300)),
        (Limits(0, 10, 35, 40), (0, 60), (0, 50)),
        (Limits(-1000, -300, 300, 1000), (-500, 500), (-1000, 1000)),
        (Limits(low=4750, high=5250), (0, 0), (4625, 5375)),
        (Limits(high=5), (0, 0), None),
        (Limits(low=5, high=1), (0, 10), (0, 10)),
    ],
)
def test_range(limits: Limits, display: tuple[float, float], expected: tuple[float, float] | None) -> None:
    found = bar_range(limits, display)
    assert found == (expected if expected is None else pytest.approx(expected))
