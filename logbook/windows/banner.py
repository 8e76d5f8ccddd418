"""The band that says what a record is about: red with a running clock while it goes on, grey when it is over."""

from __future__ import annotations

from datetime import datetime

from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from logbook.downtime.record import Record, duration_text
from logbook.windows.application import DOWN, QUIET, plain_label


class Banner(QFrame):
    """Detector, times, run, event number and duration."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.title = plain_label(self)
        self.duration = QLabel(self)
        self.facts = plain_label(self)
        self.title.setStyleSheet("font-size: 20px; font-weight: bold;")
        self.duration.setStyleSheet("font-size: 20px; font-weight: bold;")
        layout = QGridLayout(self)
        layout.setContentsMargins(16, 12, 16, 12)
        layout.addWidget(self.title, 0, 0)
        layout.addWidget(self.duration, 0, 1)
        layout.addWidget(self.facts, 1, 0, 1, 2)
        layout.setColumnStretch(0, 1)

    def show_record(self, record: Record, now: datetime) -> None:
        """As it is at this moment."""
        colour = DOWN if record.is_open else QUIET
        self.setStyleSheet(f"#banner {{ background: {colour.name()}; border-radius: 4px; }} #banner QLabel {{ color: white; }}")
        self.title.setText(f"{record.detector} {'is' if record.is_open else 'was'} down")
        self.duration.setText(duration_text(record.duration_s(now)))
        times = f"since {_clock(record.started_at)}"
        if record.ended_at is not None:
            times = f"{_clock(record.started_at)} to {_clock(record.ended_at)}"
        facts = [f"{times} UTC"]
        if record.run is not None:
            facts.append(f"run {record.run}" + (f", subrun {record.subrun}" if record.subrun is not None else ""))
        facts.append("kept until the database is back" if record.id is None else f"event {record.id}")
        self.facts.setText("   ·   ".join(fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in facts))


def _clock(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"
