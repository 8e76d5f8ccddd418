"""The window of the manual mode: list with cuts, one record with its history, edit, new entries."""

from __future__ import annotations

from qtpy.QtCore import QItemSelectionModel, Qt, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMainWindow,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from logbook.downtime.desk import Answer, Desk
from logbook.downtime.record import Record, Step
from logbook.windows.application import application, complain, interruptible, plain_label
from logbook.windows.background import Background
from logbook.windows.cuts import MOST, Cuts
from logbook.windows.details import Details
from logbook.windows.eventtable import EventTable
from sipmdcs.errors import BadInput, DcsError

_TICK_MS = 1000
_LOOK_EVERY = 10
"""Ticks between two looks at the database."""
_WIDEST = 170
"""Of a column but the description, pixels: long names must leave room for it."""
_NOT_STORED = "What you typed is not stored yet: Store or Undo it first"


def open_window(desk: Desk, user: str) -> None:
    """Show it until it is closed."""
    app = application()
    window = DowntimeWindow(desk, user)
    window.show()
    desk.log.info("window-opened")
    with interruptible():
        app.exec()
    desk.log.info("window-closed")


class DowntimeWindow(QMainWindow):
    """List on the left, the selected record on the right."""

    def __init__(self, desk: Desk, user: str) -> None:
        super().__init__()
        self.desk = desk
        self.setWindowTitle(f"{desk.title}: downtimes")
        self.cuts = Cuts(desk, self)
        self.table = QTableView(self)
        self.status = plain_label(self)
        self.events = EventTable(desk.file.columns, self)
        self._header = QHeaderView(Qt.Orientation.Horizontal, self.table)
        self.chosen = QItemSelectionModel(self.events, self)
        self.details = Details(desk, self)
        self.who = QLineEdit(user, self)
        self.nothing = plain_label(self)
        self.nothing.setText("Select a downtime to see and edit it.")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.side = QStackedWidget(self)
        self.problem = plain_label(self)
        complain(self.problem, "")
        self.new = QPushButton("&New entry", self)
        self.store = QPushButton("&Store", self)
        self.undo = QPushButton("&Undo", self)
        self._form = QWidget(self)
        self._reading = Background(self)
        self._storing = Background(self)
        self._storing.changed.connect(self._show_busy)
        self._again = False
        self._marking = False
        self._wanted: Record | None = None
        """What shall be shown next, while something else is being read or stored."""
        self._warned = False
        self._build()
        self.cuts.changed.connect(self.reload)
        self.new.clicked.connect(self._new)
        self.store.clicked.connect(self._store)
        self.undo.clicked.connect(self._undo)
        self._ticks = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(_TICK_MS)
        self.reload()

    def _build(self) -> None:
        self.table.setModel(self.events)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setAlternatingRowColors(True)
        self.table.setWordWrap(False)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)  # otherwise Tab never leaves the table
        self.table.activated.connect(self.details.category.setFocus)
        self.table.setVerticalHeader(rows := QHeaderView(Qt.Orientation.Vertical, self.table))
        rows.hide()
        self.table.setHorizontalHeader(self._header)
        self._header.setStretchLastSection("description" not in self.events.columns)
        self._header.setHighlightSections(False)
        self.table.setSelectionModel(self.chosen)
        self.chosen.selectionChanged.connect(self._select)
        buttons = QHBoxLayout()
        name = QLabel("&Your name", self)
        name.setBuddy(self.who)
        buttons.addWidget(name)
        buttons.addWidget(self.who, stretch=1)
        buttons.addWidget(self.undo)
        buttons.addWidget(self.store)
        form = QVBoxLayout(self._form)
        form.setContentsMargins(8, 0, 0, 0)
        form.addWidget(self.details, stretch=1)
        form.addLayout(buttons)
        self.side.addWidget(self.nothing)
        self.side.addWidget(self._form)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.setChildrenCollapsible(False)
        split.addWidget(self.table)
        split.addWidget(self.side)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([860, 400])
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(self.cuts, stretch=1)
        top.addWidget(self.new, alignment=Qt.AlignmentFlag.AlignBottom)
        middle = QWidget(self)
        layout = QVBoxLayout(middle)
        layout.addLayout(top)
        layout.addWidget(split, stretch=1)
        layout.addWidget(self.problem)
        layout.addWidget(self.status)
        self.setCentralWidget(middle)
        self.resize(1280, 800)
        self.table.setFocus()

    def reload(self) -> None:
        """Read the list again; the selected record stays selected."""
        try:
            selection = self.cuts.selection()
        except BadInput as err:
            complain(self.problem, str(err))
            return
        # A cut that changes while the list is being read must not be forgotten.
        self._again = not self._reading.start(lambda: self.desk.select(selection), self._listed, self._failed)

    def _listed(self, records: list[Record]) -> None:
        complain(self.problem, "")
        chosen = self._wanted or self._shown()
        first = not self.events.records
        place = self.table.verticalScrollBar()
        height = 0 if place is None else place.value()
        self.events.show_records(records, self.desk.now())
        if first:
            self._fit_columns()
        self._mark(None if chosen is None else chosen.id)
        if place is not None:
            place.setValue(height)
        self._say(records)
        if self._again:
            self.reload()

    def _shown(self) -> Record | None:
        """The record on the right; None if there is none, or a new one."""
        return self.details.record if self.side.currentWidget() is self._form else None

    def _mark(self, event: int | None) -> None:
        """Highlight a row without reading its record again, which would undo what is being typed; None for no row."""
        row = self.events.row_of(event) if event is not None else -1
        if row < 0:
            self._marking = True
            self.chosen.clear()
            self._marking = False
            return
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self._marking = True
        self.chosen.setCurrentIndex(self.events.index(row, 0), flags)
        self._marking = False
        fresh = self.events.records[row]
        shown = self.details.record
        if shown is None or shown.id != event or self._wanted is not None:
            return
        if fresh.revision != shown.revision and not self.details.is_touched():
            self._show_event(fresh)

    def _fit_columns(self) -> None:
        self.table.resizeColumnsToContents()
        for column in range(len(self.events.columns)):
            self.table.setColumnWidth(column, min(self.table.columnWidth(column), _WIDEST))
        if "description" in self.events.columns:
            column = self.events.columns.index("description")
            self._header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)

    def _say(self, records: list[Record]) -> None:
        unexplained = sum(record.is_unexplained for record in records)
        still = sum(record.is_open for record in records)
        waiting = len(self.desk.journal.spool)
        said = f"{len(records)} downtimes, {unexplained} to explain, {still} still open"
        if len(records) == MOST:
            said = f"the first {said}; there may be more, so cut the list"
        self.status.setText(f"{said}, {waiting} entries wait for the database" if waiting else said)

    def _select(self) -> None:
        rows = self.chosen.selectedRows()
        if not rows or self._marking:
            return
        if self._is_unsaved():
            shown = self._shown()
            self._mark(None if shown is None else shown.id)
            return
        self._show_event(self.events.records[rows[0].row()])

    def _is_unsaved(self) -> bool:
        """Whether something was typed that would be lost; says so."""
        unsaved = self.side.currentWidget() is self._form and self.details.is_touched()
        if unsaved:
            complain(self.problem, _NOT_STORED)
        return unsaved

    def _show_event(self, record: Record) -> None:
        """Read a record and show it; of several wishes the last counts, so that the form is about the row that is marked."""
        self._wanted = record
        if self._storing.busy:
            return

        def read() -> tuple[Record, list[Step]]:
            return self.desk.again(record), self.desk.history(record)

        def show(found: tuple[Record, list[Step] | None], problem: str = "") -> None:
            if self._wanted is not record and self._wanted is not None:
                self._show_event(self._wanted)
                return
            self._wanted = None
            self.details.show_record(*found)
            self.side.setCurrentWidget(self._form)
            complain(self.problem, problem)

        # Without the database it is shown as the list has it: an edit is kept until that is back.
        self._storing.start(read, show, lambda err: show((record, None), str(err)))

    def _new(self) -> None:
        if self._is_unsaved():
            return
        self._mark(None)
        self.details.show_new()
        self.side.setCurrentWidget(self._form)

    def _undo(self) -> None:
        if self.details.record is None:
            self.details.show_new()
        else:
            self._show_event(self.details.record)

    def _store(self) -> None:
        who = " ".join(self.who.text().split())
        if not who:
            complain(self.problem, "Please give your name")
            self.who.setFocus()
            return
        try:
            values = self.details.values(who)
        except BadInput as err:
            complain(self.problem, str(err))
            return
        record, sent = self.details.record, self.details.fields()

        def work() -> Answer:
            return self.desk.new(values) if record is None else self.desk.edit(record, values, who)

        self._storing.start(work, lambda answer: self._stored(answer, sent), self._failed)

    def _stored(self, answer: Answer, sent: dict[str, str]) -> None:
        complain(self.problem, "")
        self.status.setText(answer.text)
        if answer.record is not None:
            self.details.take_stored(answer.record, sent)
            if not self.details.is_touched():
                self._show_event(self._wanted or answer.record)
        self.reload()

    def _failed(self, err: DcsError) -> None:
        complain(self.problem, str(err))

    def _show_busy(self, busy: bool) -> None:
        for button in (self.store, self.undo, self.new):
            button.setEnabled(not busy)

    def _tick(self) -> None:
        self._ticks += 1
        self.events.tick(self.desk.now())
        self.details.tick()
        if self._ticks % _LOOK_EVERY == 0:
            self.reload()

    def closeEvent(self, a0: QCloseEvent | None) -> None:  # noqa: N802 - Qt's name
        """After the last look at the database has come back; what was typed is dropped only if that is asked for twice."""
        if a0 is not None and not self._warned and self._is_unsaved():
            self._warned = True
            complain(self.problem, f"{_NOT_STORED}, or close again to drop it")
            a0.ignore()
            return
        self._timer.stop()
        self._reading.wait()
        self._storing.wait()
        super().closeEvent(a0)
