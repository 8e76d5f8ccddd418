"""Trends of the overview: history and live values in one line that only goes on."""

import numpy as np
from pytestqt.qtbot import QtBot

from opi.history import Past
from opi.theme import PALETTE
from opi.widgets.live_trend import LiveTrend

PAST = Past(np.array([30.0, 60.0, 90.0]), np.array([1.0, 2.0, 3.0]), np.array([4, 3, 4]))


def test_the_line_never_goes_back_whichever_comes_first(qtbot: QtBot) -> None:
    for history_first in (True, False):
        trend = LiveTrend("Sum", "µA", 2, PALETTE.plot_first)
        qtbot.addWidget(trend)
        if history_first:
            trend.add_history(PAST, 4)
            trend.add(75.0, 4.0)
        else:
            trend.add(75.0, 4.0)
            trend.add_history(PAST, 4)
        trend.add(76.0, 5.0)
        assert trend.values == (1.0, 2.0, 4.0, 5.0)
        assert trend.live_from == 75.0
