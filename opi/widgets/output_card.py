"""Switching a channel and giving it a voltage."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtWidgets import QHBoxLayout, QWidget

from opi.detector import ChannelNames
from opi.pv_watch import PvWatch
from opi.theme import ALARM_STYLES, UNDEFINED_STYLE
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.card import Card, role_label
from opi.widgets.confirm_button import ConfirmButton
from opi.widgets.setpoint_entry import SetpointEntry
from sipmdcs.channelstate import ChannelState


class OutputCard(Card):
    """State, on and off with a question, set-point."""

    def __init__(self, names: ChannelNames, parent: QWidget | None = None) -> None:
        super().__init__("Output", parent)
        self._names = names
        self._state = PvWatch(names.pv("STATE"), self)
        self._enabled = PvWatch(names.pv("ENABLE_RBV"), self)
        self._device_bias = PvWatch(names.pv("BIAS_RBV"), self)
        self._state.changed.connect(self._show_state)
        self._enabled.changed.connect(self._show_state)
        self.state = make_badge(self)
        self.output = role_label("", "value", self)
        self.on = ConfirmButton("Switch on …", names.pv("ENABLE"), 1, self._question_on, self)
        self.off = ConfirmButton("Switch off …", names.pv("ENABLE"), 0, self._question_off, self)
        self.entry = SetpointEntry(names.pv("BIAS"), "V", self)
        self.notice = role_label("", "soft", self)
        self.notice.setWordWrap(True)
        top = QHBoxLayout()
        top.addWidget(self.state)
        top.addStretch(1)
        top.addWidget(role_label("Output", "soft", self))
        top.addWidget(self.output)
        buttons = QHBoxLayout()
        buttons.addWidget(self.on, 1)
        buttons.addWidget(self.off, 1)
        self.body.addLayout(top)
        self.body.addLayout(buttons)
        self.body.addWidget(self.entry)
        self.body.addWidget(self.notice)
        for source in (self.on, self.off, self.entry):
            source.message.connect(self.notice.setText)
        self._show_state()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        sources = (self._state, self._enabled, self._device_bias, self.on, self.off, self.entry)
        return [channel for source in sources for channel in source.channels()]

    def close_channels(self) -> None:
        """Stop following."""
        for watch in (self._state, self._enabled, self._device_bias):
            watch.close()
        for widget in (self.on, self.off, self.entry):
            widget.close_channels()

    def _show_state(self) -> None:
        number = self._state.value
        if number is None:
            set_badge(self.state, "NOT CONNECTED", UNDEFINED_STYLE)
        else:
            set_badge(self.state, ChannelState(number).name.replace("_", " "), ALARM_STYLES[self._state.severity])
        self.output.setText(self._enabled.text or "---")

    def _question_on(self) -> str:
        value = self._device_bias.value
        target = "its set-point" if value is None else f"{value:.3f} V"
        return f"Switch {self._names.prefix} on?\nThe bias ramps to {target}."

    def _question_off(self) -> str:
        return f"Switch {self._names.prefix} off?\nThe bias ramps down."
