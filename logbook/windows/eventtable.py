"""The list of downtimes: what nobody has explained on top, what goes on in red with a running clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QFont

from logbook.downtime.listing import TITLES, cell
from logbook.downtime.record import Record
from logbook.windows.application import DOWN, TO_EXPLAIN

_RIGHT = ("id", "run", "subrun", "duration")


class EventTable(QAbstractTableModel):
    """Rows for a table view."""

    def __init__(self, columns: Sequence[str], parent: QObject) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self.records: list[Record] = []
        self._now: datetime | None = None
        self._bold = QFont()
        self._bold.setBold(True)

    def show_records(self, records: Sequence[Record], now: datetime) -> None:
        """Replace all rows; if they are as they were nothing is drawn anew, and no scroll bar moves."""
        if self.records == list(records):
            self.tick(now)
            return
        self.beginResetModel()
        self.records = list(records)
        self._now = now
        self.endResetModel()

    def tick(self, now: datetime) -> None:
        """Let the clocks of open records go on."""
        self._now = now
        if "duration" in self.columns and self.records:
            column = self.columns.index("duration")
            for row, record in enumerate(self.records):
                if record.is_open:
                    self.dataChanged.emit(self.index(row, column), self.index(row, column))

    def row_of(self, event: int | None) -> int:
        """Row of an event; -1 if it is not in the list."""
        return next((row for row, record in enumerate(self.records) if record.id == event), -1)

    def _text(self, record: Record, column: str, now: datetime) -> str:
        text = " ".join(cell(record, column, now).split())
        if column == "ended_at" and record.ended_at is not None and "started_at" in self.columns:
            # The date once is enough, and leaves room for the description.
            return text.rpartition(" ")[2] if record.ended_at.date() == record.started_at.date() else text
        return text

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's own signature
        return 0 if parent.isValid() else len(self.records)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's own signature
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802 - Qt's name
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return TITLES[self.columns[section]]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or self._now is None:
            return None
        record = self.records[index.row()]
        column = self.columns[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(record, column, self._now)
            case Qt.ItemDataRole.ToolTipRole if column == "description":
                return record.description or None
            case Qt.ItemDataRole.TextAlignmentRole:
                side = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
                return side | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.ForegroundRole if record.is_open:
                return DOWN
            case Qt.ItemDataRole.ForegroundRole if record.is_unexplained:
                return TO_EXPLAIN
            case Qt.ItemDataRole.FontRole if record.is_open or record.is_unexplained:
                return self._bold
            case _:
                return None
