"""The pop-up after a stop: why is the detector down? It may stay open while the start comes."""

from __future__ import annotations

import click
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLineEdit, QPlainTextEdit, QPushButton, QVBoxLayout

from logbook.downtime.desk import Answer, Desk
from logbook.downtime.record import UNDECIDED, Record, Value
from logbook.downtime.store import Conflict
from logbook.windows.application import application, complain, interruptible, plain_label
from logbook.windows.background import Background
from logbook.windows.banner import Banner
from logbook.windows.categories import CategoryBox
from sipmdcs.errors import DcsError

_TICK_MS = 1000
_LOOK_EVERY = 3
"""Ticks between two looks at the database."""


def ask_why(desk: Desk, record: Record, user: str) -> None:
    """Ask until it is explained or put off; the record is stored already and stays so, whatever happens to the window."""
    application()
    dialog = WhyDialog(desk, record, user)
    desk.log.info("popup-opened", event=record.id, detector=record.detector)
    with interruptible():
        dialog.exec()
    if dialog.answer is None:
        desk.log.info("popup-closed", event=record.id, category=dialog.current.category)
        click.echo("left for later; sipmdcs downtime asks again")
    else:
        desk.log.info("popup-answered", event=record.id)
        click.echo(dialog.answer.text)


class WhyDialog(QDialog):
    """Category, description and user of one record."""

    def __init__(self, desk: Desk, record: Record, user: str) -> None:
        super().__init__()
        self.desk = desk
        self.record = record
        """As whoever explains it knows it."""
        self.current = record
        """As it is now."""
        self.answer: Answer | None = None
        """What became of the explanation."""
        self.setWindowTitle(f"{record.detector}: why is it down?")
        self.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint)
        self.banner = Banner(self)
        self.category = CategoryBox(desk.file, self)
        self.description = QPlainTextEdit(self)
        self.description.setPlaceholderText("What happened, what was done")
        self.description.setTabChangesFocus(True)
        self.user = QLineEdit(user, self)
        self.user.setPlaceholderText("Your name")
        self.problem = plain_label(self)
        complain(self.problem, "")
        self._build()
        self._watching = Background(self)
        self._storing = Background(self)
        self._storing.changed.connect(self._show_busy)
        self._warned = False
        self._ticks = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(_TICK_MS)
        self._show()

    def _build(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("&Category", self.category)
        form.addRow("&Description", self.description)
        form.addRow("&Your name", self.user)
        buttons = QDialogButtonBox(self)
        self.store = QPushButton("&Store", self)
        self.later = QPushButton("&Later", self)
        self.later.setToolTip("The downtime stays stored; sipmdcs downtime asks again")
        buttons.addButton(self.store, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(self.later, QDialogButtonBox.ButtonRole.RejectRole)
        self.store.setDefault(True)
        self.store.clicked.connect(self._store)
        self.later.clicked.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.addWidget(self.banner)
        layout.addLayout(form, stretch=1)
        layout.addWidget(self.problem)
        layout.addWidget(buttons)
        self.resize(620, 400)
        self.category.setFocus()

    def _show(self) -> None:
        self.banner.show_record(self.current, self.desk.now())

    def _show_busy(self, busy: bool) -> None:
        self.store.setEnabled(not busy)
        self.later.setEnabled(not busy)
        self.store.setText("Storing…" if busy else "&Store")

    def _tick(self) -> None:
        self._show()
        self._ticks += 1
        if self._ticks % _LOOK_EVERY == 0:
            self._watching.start(lambda: self.desk.again(self.record), self._seen, self._not_seen)

    def _seen(self, record: Record) -> None:
        self.current = record
        self._show()

    def _not_seen(self, _err: DcsError) -> None:
        """The database is away, which the log says already; the clock goes on."""

    def _store(self) -> None:
        if self.category.chosen() == UNDECIDED:
            complain(self.problem, "Please choose a category, or Later")
            self.category.setFocus()
            return
        values: dict[str, Value] = {
            "category": self.category.chosen(),
            "description": self.description.toPlainText().strip(),
            "user": (user := " ".join(self.user.text().split())),
        }
        if not user:
            complain(self.problem, "Please give your name")
            self.user.setFocus()
            return
        complain(self.problem, "")
        # Not as it is now but as it was when the question was asked: what others wrote meanwhile must be told first.
        self._storing.start(lambda: self.desk.edit(self.record, values, user), self._stored, self._refused)

    def _stored(self, answer: Answer) -> None:
        self.answer = answer
        self.accept()

    def _refused(self, err: DcsError) -> None:
        self.desk.log.failure("popup-refused", event=self.current.id, error=str(err))
        complain(self.problem, str(err))
        if isinstance(err, Conflict):
            self._storing.start(lambda: self.desk.again(self.record), self._told, self._not_seen)

    def _told(self, record: Record) -> None:
        """Whoever stores now knows what they replace."""
        self.record = self.current = record
        self._show()

    def reject(self) -> None:
        """Later, unless it is being stored right now; what was typed is dropped only if that is asked for twice."""
        if self._storing.busy:
            return
        if self.description.toPlainText().strip() and not self._warned:
            self._warned = True
            complain(self.problem, "What you typed is not stored yet: Store it, or Later once more to drop it")
            return
        super().reject()

    def done(self, a0: int) -> None:
        """Close, after the last look at the database has come back."""
        self._timer.stop()
        self._watching.wait()
        super().done(a0)
