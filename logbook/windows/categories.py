"""The choice of a category, with what belongs into each."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QWidget

from logbook.downtime.file import DowntimeFile
from logbook.downtime.record import UNDECIDED


class CategoryBox(QComboBox):
    """Categories that are offered; nothing chosen reads UNDECIDED."""

    def __init__(self, file: DowntimeFile, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.addItem("Please choose", UNDECIDED)
        for category in file.offered:
            self.addItem(f"{category.name}: {category.hint}" if category.hint else category.name, category.name)
            self.setItemData(self.count() - 1, category.hint, Qt.ItemDataRole.ToolTipRole)
        self._offered = self.count()

    def choose(self, name: str) -> None:
        """Show a category; one that is not offered any more is added for this record alone."""
        while self.count() > self._offered:
            self.removeItem(self.count() - 1)
        index = self.findData(name)
        if index < 0:
            self.addItem(f"{name} (retired)", name)
            index = self.count() - 1
        self.setCurrentIndex(index)

    def chosen(self) -> str:
        """Its name."""
        return str(self.currentData())
