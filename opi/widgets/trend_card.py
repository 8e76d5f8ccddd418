"""Trends of a channel one above the other, with a choice of time spans and word of whether the archive answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pydm.widgets.channel import PyDMChannel
from qtpy.QtWidgets import QButtonGroup, QLabel, QPushButton, QWidget

from opi.theme import UNDEFINED_STYLE
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.card import Card, role_label
from opi.widgets.trend_plot import TrendPlot

SPANS = (("10 min", 600), ("1 h", 3600), ("8 h", 8 * 3600), ("1 d", 86_400), ("7 d", 7 * 86_400))


class TrendCard(Card):
    """One plot per PV."""

    def __init__(self, traces: Sequence[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        """Make the plots.

        Args:
            traces: label with unit, PV, colour of each.
            parent: as Qt has it.
        """
        super().__init__("Trend, UTC", parent)
        self.no_archive = make_badge(self)
        set_badge(self.no_archive, "No archive", UNDEFINED_STYLE)
        self.no_archive.setVisible(False)
        self.heading.addWidget(self.no_archive)
        self.spans = QButtonGroup(self)
        for number, (text, span_s) in enumerate(SPANS):
            button = QPushButton(text, self)
            button.setProperty("role", "choice")
            button.setCheckable(True)
            button.setChecked(number == 0)
            self.spans.addButton(button, span_s)
            self.heading.addWidget(button)
        self.spans.idClicked.connect(self._show_span)
        self.plots: list[TrendPlot] = []
        self._titles: list[tuple[QLabel, str]] = []
        for label, pv, colour in traces:
            title = role_label(label, "soft", self)
            self.body.addWidget(title)
            self._titles.append((title, label))
            plot = TrendPlot(pv, colour, SPANS[0][1], self)
            plot.archive_answered.connect(self._note_answer)
            plot.live_began.connect(self._show_mark)
            self.body.addWidget(plot, 1)
            self.plots.append(plot)

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for plot in self.plots for channel in plot.curve.channels() if channel is not None]

    def close_channels(self) -> None:
        """Stop following."""
        for channel in self.channels():
            channel.disconnect()

    def _show_span(self, span_s: int) -> None:
        for plot in self.plots:
            plot.show_span(span_s)

    def _show_mark(self) -> None:
        for plot, (title, label) in zip(self.plots, self._titles, strict=False):
            if plot.live_from is not None:
                title.setText(f"{label} · live from {datetime.fromtimestamp(plot.live_from, UTC):%H:%M:%S}, archive before")

    def _note_answer(self) -> None:
        self.no_archive.setVisible(any(plot.archive_failed for plot in self.plots))
