"""Everything about one downtime: its fields to edit, and how they came to be what they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from logbook.downtime.desk import Desk
from logbook.downtime.options import run_range
from logbook.downtime.record import UNDECIDED, Record, Step, Value
from logbook.windows.banner import Banner
from logbook.windows.categories import CategoryBox
from sipmdcs.errors import BadInput


class Details(QWidget):
    """The form for one record, or for a new one."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.record: Record | None = None
        """The one that is shown, as it was when it was shown; None for a new one."""
        self.banner = Banner(self)
        self.detector = QComboBox(self)
        self.detector.addItems(list(desk.file.detectors))
        self.lines = {name: QLineEdit(self) for name in ("started_at", "ended_at", "run", "subrun", "user")}
        self.lines["ended_at"].setPlaceholderText("still going on")
        self.lines["user"].setPlaceholderText("you, if left empty")
        self.category = CategoryBox(desk.file, self)
        self.description = QPlainTextEdit(self)
        self.description.setTabChangesFocus(True)
        self.history = QPlainTextEdit(self)
        self.history.setReadOnly(True)
        self._shown: dict[str, str] = {}
        """What every field showed before anybody typed; not always what the record has: an editor changes line ends."""
        self._build()
        self._shown = self.fields()

    def _build(self) -> None:
        zone = self._desk.file.time_zone
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Detector", self.detector)
        form.addRow(f"From ({zone})", self.lines["started_at"])
        form.addRow(f"To ({zone})", self.lines["ended_at"])
        form.addRow("Run", self.lines["run"])
        form.addRow("Subrun", self.lines["subrun"])
        form.addRow("Category", self.category)
        form.addRow("Description", self.description)
        form.addRow("Explained by", self.lines["user"])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.banner)
        layout.addLayout(form, stretch=3)
        self._history_title = QLabel("History", self)
        layout.addWidget(self._history_title)
        layout.addWidget(self.history, stretch=2)

    def show_record(self, record: Record, history: Sequence[Step] | None) -> None:
        """Fill in a record as it is; a history of None is one that cannot be read now."""
        self.record = record
        self.banner.show()
        self.tick()
        if self.detector.findText(record.detector) < 0:
            self.detector.addItem(record.detector)
        self.detector.setCurrentText(record.detector)
        self.lines["started_at"].setText(self._clock(record.started_at))
        self.lines["ended_at"].setText(self._clock(record.ended_at) if record.ended_at else "")
        self.lines["run"].setText("" if record.run is None else str(record.run))
        self.lines["subrun"].setText("" if record.subrun is None else str(record.subrun))
        self.lines["user"].setText(record.user)
        self.category.choose(record.category)
        self.description.setPlainText(record.description)
        said = "cannot be read now" if history is None else "\n".join(map(_sentence, history)) or "never changed"
        self.history.setPlainText(said)
        self._show_history(shown=True)
        self._shown = self.fields()

    def show_new(self) -> None:
        """An empty form for a new record, from now on."""
        self.record = None
        self.banner.hide()
        for line in self.lines.values():
            line.clear()
        self.lines["started_at"].setText(self._clock(self._desk.now()))
        self.category.choose(UNDECIDED)
        self.description.clear()
        self._show_history(shown=False)
        self._shown = self.fields()
        self.lines["started_at"].setFocus()

    def tick(self) -> None:
        """Let the clock in the banner go on."""
        if self.record is not None:
            self.banner.show_record(self.record, self._desk.now())

    def values(self, who: str) -> dict[str, Value]:
        """Every field as it is in the form; one that nobody touched is as the record has it.

        Args:
            who: explains it, if a category is chosen and nobody is named.

        Raises:
            BadInput: a time or number that is none.
        """
        category = self.category.chosen()
        record = self.record
        user, description = " ".join(self.lines["user"].text().split()), self.description.toPlainText().strip()
        if record is not None:
            user = user if self._is_touched("user") else record.user
            description = description if self._is_touched("description") else record.description
        return {
            "detector": self.detector.currentText(),
            "started_at": self._time("started_at"),
            "ended_at": self._time("ended_at"),
            "run": self._number("run"),
            "subrun": self._number("subrun"),
            "category": category,
            "description": description,
            "user": user or (who if category != UNDECIDED else ""),
        }

    def is_touched(self) -> bool:
        """Something was typed that is not stored."""
        return self.fields() != self._shown

    def fields(self) -> dict[str, str]:
        """What is in the form."""
        fields = {name: line.text() for name, line in self.lines.items()}
        chosen = {"detector": self.detector.currentText(), "category": self.category.chosen()}
        return fields | chosen | {"description": self.description.toPlainText()}

    def take_stored(self, record: Record, sent: dict[str, str]) -> None:
        """What was in the form when it was ``sent`` is stored now; what was typed since then is not."""
        self.record = record
        self._shown = sent

    def _time(self, name: str) -> datetime | None:
        text = self.lines[name].text().strip()
        if self.record is not None and not self._is_touched(name):
            return getattr(self.record, name)
        if text:
            return self._desk.moment(text)
        if name == "started_at":
            raise BadInput("a downtime needs the time from which on")
        return None

    def _number(self, name: str) -> int | None:
        first, last = run_range(self.lines[name].text())
        if first != last:
            raise BadInput(f"{name} {self.lines[name].text()!r} is not a number")
        return first

    def _is_touched(self, name: str) -> bool:
        return self.fields()[name] != self._shown[name]

    def _show_history(self, *, shown: bool) -> None:
        self.history.setVisible(shown)
        self._history_title.setVisible(shown)

    def _clock(self, when: datetime) -> str:
        return f"{when.astimezone(self._desk.file.zone):%Y-%m-%d %H:%M:%S}"


def _sentence(step: Step) -> str:
    before = f" instead of {step.before!r}" if step.before else ""
    return f"{step.at:%Y-%m-%d %H:%M:%S} UTC, {step.who}: {step.field} {step.after!r}{before}"
