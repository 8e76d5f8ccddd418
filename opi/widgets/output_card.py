"""Switching a channel and giving it a voltage."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtWidgets import QHBoxLayout, QWidget

from opi.bias_watch import BiasWatch
from opi.detector import ChannelNames
from opi.link_watch import Link
from opi.pv_writer import PvWriter
from opi.theme import ALARM_STYLES, UNDEFINED_STYLE
from opi.verdict import Verdict, Weight
from opi.widgets.badge import NO_VALUE, make_badge, set_badge, set_value
from opi.widgets.card import Card, role_label
from opi.widgets.confirm_button import ConfirmButton
from opi.widgets.setpoint_entry import SetpointEntry, volts
from opi.widgets.write_notice import WriteNotice
from sipmdcs.channelstate import ChannelState
from sipmdcs.severity import Severity


class OutputCard(Card):
    """State, on and off with a question, setpoint; below each what became of the last write."""

    def __init__(self, names: ChannelNames, parent: QWidget | None = None) -> None:
        super().__init__("Output", parent)
        self._names = names
        self.bias = BiasWatch(names, self)
        self.bias.changed.connect(self._show_state)
        self._switch = PvWriter(names.pv("ENABLE"), self)
        self._setpoint = PvWriter(names.pv("BIAS"), self)
        self.state = make_badge(self)
        self.output = role_label("", "value", self)
        self.on = ConfirmButton("Switch on …", self._switch, 1, self.bias.judge_switching_on, self)
        self.off = ConfirmButton("Switch off …", self._switch, 0, self._judge_switching_off, self)
        self.switch_notice = WriteNotice(self._switch, lambda value: "on" if value else "off", self)
        self.entry = SetpointEntry(self.bias, self._setpoint, self)
        self.notice = WriteNotice(self._setpoint, volts, self)
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
        self.body.addWidget(self.switch_notice)
        self.body.addWidget(self.entry)
        self.body.addWidget(self.notice)
        self._show_state()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for source in (self.bias, self._switch, self._setpoint) for channel in source.channels()]

    def close_channels(self) -> None:
        """Stop following."""
        for source in (self.bias, self._switch, self._setpoint):
            source.close()

    def _show_state(self) -> None:
        number, link = self.bias.state.value, self.bias.link
        if number is None:
            set_badge(self.state, "NOT CONNECTED", UNDEFINED_STYLE)
        elif link.link in (Link.WAITING, Link.STALE):
            set_badge(self.state, link.text, UNDEFINED_STYLE)
        elif not 0 <= number < len(ChannelState):
            set_badge(self.state, f"STATE {number:g}", UNDEFINED_STYLE)
        else:
            set_badge(self.state, ChannelState(number).name.replace("_", " "), ALARM_STYLES[self.bias.state.severity])
        enabled = self.bias.enabled
        holds = link.link is Link.LIVE and enabled.severity is not Severity.INVALID
        set_value(self.output, enabled.text or NO_VALUE, valid=holds or not enabled.text)

    def _judge_switching_off(self) -> Verdict:
        return Verdict(Weight.QUESTION, f"Switch {self._names.prefix} off?\nThe bias ramps down.")
