"""The row of cuts above the list."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QLineEdit, QWidget

from logbook.downtime.desk import Desk
from logbook.downtime.options import run_range
from logbook.downtime.record import UNDECIDED
from logbook.downtime.selection import Selection
from logbook.windows.qt_signal import Signal

_SPANS = {"8 hours": "8h", "24 hours": "24h", "7 days": "7d", "30 days": "30d", "all time": ""}
_TYPING_MS = 400
MOST = 1000
"""Rows of a list that people look at."""


class Cuts(QWidget):
    """Time range, detector, category, run range, open only, text."""

    changed = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.since = QComboBox(self)
        self.since.setEditable(True)
        self.since.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.since.addItems(list(_SPANS))
        self.since.setCurrentText("all time")
        self.since.setToolTip("How far back, or a time such as 2026-11-21 08:00")
        self.until = QLineEdit(self)
        self.until.setPlaceholderText("now")
        self.until.setToolTip("A time such as 2026-11-21 08:00, a date, or 8h ago")
        self.detector = QComboBox(self)
        self.detector.addItem("every", "")
        for name in desk.file.detectors:
            self.detector.addItem(name, name)
        self.category = QComboBox(self)
        self.category.addItem("every", "")
        for name in (UNDECIDED, *(category.name for category in desk.file.categories)):
            self.category.addItem(name, name)
        self.runs = QLineEdit(self)
        self.runs.setPlaceholderText("12-20")
        self.text = QLineEdit(self)
        self.text.setPlaceholderText("in description, name, category")
        self.text.setClearButtonEnabled(True)
        self.only_open = QCheckBox("&open only", self)
        self._build()
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.timeout.connect(self.changed)
        for box in (self.since, self.detector, self.category):
            box.currentTextChanged.connect(self._later)
        for line in (self.until, self.runs, self.text):
            line.textChanged.connect(self._later)
        self.only_open.toggled.connect(self._later)

    def _build(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        shown: list[tuple[str, QWidget, int]] = [
            ("&Going on since", self.since, 2),
            ("&Begun until", self.until, 2),
            ("&Detector", self.detector, 2),
            ("&Category", self.category, 2),
            ("&Runs", self.runs, 1),
            ("&Text", self.text, 4),
        ]
        for column, (title, widget, stretch) in enumerate(shown):
            label = QLabel(title, self)
            label.setBuddy(widget)
            layout.addWidget(label, 0, column)
            layout.addWidget(widget, 1, column)
            layout.setColumnStretch(column, stretch)
        layout.addWidget(self.only_open, 1, len(shown))

    def _later(self) -> None:
        """When the typing has come to rest."""
        self._typing.start(_TYPING_MS)

    def selection(self) -> Selection:
        """The cuts as they are now.

        Raises:
            BadInput: a time or a range of runs that is none.
        """
        since = self.since.currentText().strip()
        since = _SPANS.get(since, since)
        until = self.until.text().strip()
        first, last = run_range(self.runs.text())
        category = str(self.category.currentData())
        return Selection(
            since=self._desk.moment(since) if since else None,
            until=self._desk.moment(until) if until else None,
            detector=str(self.detector.currentData()),
            categories=(category,) if category else (),
            first_run=first,
            last_run=last,
            only_open=self.only_open.isChecked(),
            text=self.text.text().strip(),
            limit=MOST,
        )
