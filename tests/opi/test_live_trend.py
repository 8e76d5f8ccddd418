"""Trends of the overview: history and live values in one line that only goes on."""

import numpy as np
import pyqtgraph
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


def test_a_past_of_fewer_channels_says_so(qtbot: QtBot) -> None:
    trend = LiveTrend("Sum", "µA", 2, PALETTE.plot_first)
    qtbot.addWidget(trend)
    nan = float("nan")
    counts = np.array([224, 224, 208, 208, 0, 224, 0, 224])
    values = np.array([224.0, 224, 208, 208, nan, 224, nan, 224])
    trend.add_history(Past(np.linspace(0.0, 210.0, 8), values, counts), 224)
    trend.add(300.0, 5.0, 224, 224)
    assert trend.title == "Sum 5.00 µA before: from 208 to 224 of 224 channels"
    drawn = [item.getData()[1] for item in trend.plot.listDataItems() if isinstance(item, pyqtgraph.PlotDataItem)]
    np.testing.assert_equal(drawn[0], [224, 224, nan, nan, nan, 224, nan, 224, 5], "as a line")
    np.testing.assert_equal(drawn[1], [nan, 224, 208, 208, nan, 224, nan, 224, nan], "dotted")
    lone = next(item for item in trend.plot.listDataItems() if isinstance(item, pyqtgraph.ScatterPlotItem))
    assert lone.getData()[0].tolist() == [150.0], "between two gaps a point"


def test_a_past_of_all_channels_says_nothing(qtbot: QtBot) -> None:
    trend = LiveTrend("Sum", "µA", 2, PALETTE.plot_first)
    qtbot.addWidget(trend)
    trend.add_history(Past(np.array([30.0, 60.0]), np.array([1.0, 2.0]), np.array([4, 4])), 4)
    trend.add(90.0, 3.0, 3, 4)
    assert trend.title == "Sum 3.00 µA from 3 of 4 channels"
