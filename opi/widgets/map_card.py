"""The heat map with its selector and legend."""

from __future__ import annotations

from qtpy.QtWidgets import QButtonGroup, QPushButton, QWidget

from opi.detector import Quantity
from opi.detector_watch import DetectorWatch
from opi.widgets.card import Card
from opi.widgets.channel_map import ChannelMap
from opi.widgets.map_legend import MapLegend, MapScale

STATE_LABEL = "State"


class MapCard(Card):
    """Heat map, what it shows, and what that means."""

    def __init__(self, watch: DetectorWatch, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.map = ChannelMap(watch, self)
        self.scale = MapScale(self)
        self.heading.insertWidget(1, self.scale)
        self.legend = MapLegend(self)
        self.choices = QButtonGroup(self)
        self.choices.setExclusive(True)
        self._quantities: list[Quantity | None] = [*Quantity, None]
        for number, quantity in enumerate(self._quantities):
            button = QPushButton(STATE_LABEL if quantity is None else quantity.label, self)
            button.setProperty("role", "choice")
            button.setCheckable(True)
            button.setChecked(quantity is self.map.quantity)
            self.choices.addButton(button, number)
            self.heading.addWidget(button)
        self.choices.idClicked.connect(self._choose)
        self.map.scale_changed.connect(self._show_scale)
        self.body.addWidget(self.map, 1)
        self.body.addWidget(self.legend)
        self._show_scale()

    def choose(self, quantity: Quantity | None) -> None:
        """Show another quantity, as if its button were pressed."""
        button = self.choices.button(self._quantities.index(quantity))
        if button is not None:
            button.click()

    def _choose(self, number: int) -> None:
        self.map.show_quantity(self._quantities[number])
        self._show_scale()

    def _show_scale(self) -> None:
        quantity = self.map.quantity
        self.title.setText("Channels by state" if quantity is None else f"Channels: {quantity.label.lower()}")
        self.scale.show_scale(quantity, self.map.scale)
