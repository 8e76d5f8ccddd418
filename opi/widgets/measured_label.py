"""A number that somebody else works out now and then: shown if there is one, and nothing to worry about if not."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from opi.pv_watch import PvWatch
from opi.widgets.card import restyle
from opi.widgets.plain_text import PlainLabel
from sipmdcs.severity import Severity

NOTHING = "not measured"


class MeasuredLabel(PlainLabel):
    """A PV that is UDF until the analysis has written it, such as the gain of a channel."""

    def __init__(self, pv: str, decimals: int, unit: str, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._decimals = decimals
        self._unit = unit
        self._watch = PvWatch(pv, self)
        self._watch.changed.connect(self._show)
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._show()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return self._watch.channels()

    def close_channels(self) -> None:
        """Stop following."""
        self._watch.close()

    def _show(self) -> None:
        value = self._watch.value
        known = value is not None and self._watch.severity is not Severity.INVALID
        self.setText(f"{value:,.{self._decimals}f} {self._unit}" if known else NOTHING)
        restyle(self, "role", "value" if known else "soft")
