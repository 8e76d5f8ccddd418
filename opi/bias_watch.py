"""Everything that says which bias a channel has and may have, followed together."""

from __future__ import annotations

import math

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from opi.bias_step import SipmRange, judge_bias, judge_switching_on
from opi.detector import ChannelNames
from opi.link_watch import Link, LinkWatch
from opi.pv_watch import PvWatch
from opi.qt_signal import Signal
from opi.timer import make_timer
from opi.verdict import Verdict
from sipmdcs.channelstate import ChannelState
from sipmdcs.severity import Severity, Status

LOOK_MS = 1000
"""How often age is looked at: values become old without a signal."""


class BiasWatch(QObject):
    """Setpoint, readbacks and calibration of one channel."""

    changed = Signal()

    def __init__(self, names: ChannelNames, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._names = names
        self.link = LinkWatch(names.controller, self)
        self.setpoint = PvWatch(names.pv("BIAS"), self)
        self.message = PvWatch(names.pv("BIAS.AMSG"), self)
        self._status = PvWatch(names.pv("BIAS.STAT"), self)
        self.state = PvWatch(names.pv("STATE"), self)
        self.enabled = PvWatch(names.pv("ENABLE_RBV"), self)
        self._held = PvWatch(names.pv("BIAS_RBV"), self)
        self._measured = PvWatch(names.pv("VMON_RBV"), self)
        self._deviation = PvWatch(names.pv("VDEV_RBV"), self)
        self._temperature = PvWatch(names.pv("TEMP_RBV"), self)
        self._breakdown = PvWatch(names.pv("VBR"), self)
        self._reference = PvWatch(names.pv("VBR_TREF"), self)
        self._slope = PvWatch(names.pv("VBR_TCOEF"), self)
        self._limit = PvWatch(names.pv("OVERVOLTAGE_LIMIT"), self)
        self._compensation = PvWatch(f"{names.controller}:COMPENSATION_RBV", self)
        self._low = self._high = 0.0
        self._device = PyDMChannel(
            address=f"ca://{names.pv('BIAS')}", lower_ctrl_limit_slot=self._set_low, upper_ctrl_limit_slot=self._set_high
        )
        self._device.connect()
        for watch in self._watches():
            watch.changed.connect(self.changed)
        self.link.changed.connect(self.changed)
        self._tick = make_timer(self, LOOK_MS, self.changed.emit)

    @property
    def range(self) -> SipmRange:
        """Which voltages the channel may have, from what is known now."""
        breakdown, remark = self._breakdown_now()
        device = (self._low, self._high) if self.setpoint.connected and self._low < self._high else None
        return SipmRange(device, breakdown, number_of(self._limit), self._shift(), remark)

    def judge(self, wanted_V: float) -> Verdict:
        """What a new setpoint needs before it is sent."""
        on = self.enabled.value != 0
        sources = (self.setpoint, self._held) if on else (self.setpoint,)
        present = [volts for volts in map(number_of, sources) if volts is not None]
        return judge_bias(self._names.prefix, wanted_V, present, self.range, on=on)

    def judge_switching_on(self) -> Verdict:
        """What switching on needs."""
        value = self.setpoint.value
        known = isinstance(value, int | float) and math.isfinite(value)
        invalid = self.setpoint.severity is Severity.INVALID
        remark = (self.message.text or "INVALID") if invalid else ""
        refused = remark if self._status.value == Status.WRITE else ""
        bias_V = float(value) if known else None
        return judge_switching_on(self._names.prefix, bias_V, self.range, refused=refused, remark=remark)

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [self._device, *self.link.channels(), *(channel for watch in self._watches() for channel in watch.channels())]

    def close(self) -> None:
        """Stop following."""
        self._tick.stop()
        self._device.disconnect()
        self.link.close()
        for watch in self._watches():
            watch.close()

    def _watches(self) -> list[PvWatch]:
        return [child for child in self.children() if isinstance(child, PvWatch)]

    def _breakdown_now(self) -> tuple[float | None, str]:
        """Breakdown voltage at the present temperature, as the IOC works it out, and a remark."""
        at_reference = number_of(self._breakdown)
        reference, slope = number_of(self._reference), number_of(self._slope)
        if not self._breakdown.connected:
            return None, "VBR is not connected"
        if at_reference is None:
            return None, "VBR is INVALID"
        if at_reference <= 0:
            return None, f"VBR is {at_reference:g} V"
        if self.link.link is not Link.LIVE:
            return None, f"its temperature is not known, {self.link.link.value}"
        if reference is None or slope is None:
            return None, "VBR_TREF or VBR_TCOEF is not known"
        temperature = number_of(self._temperature)
        if temperature is None:
            return None, "the temperature of the SiPM is not known"
        return at_reference + slope * (temperature - reference) / 1000, f"at {temperature:.1f} °C"

    def _shift(self) -> float | None:
        """What the controller's own temperature compensation adds; only an output at rest shows it."""
        if not self._compensation.value:
            return 0.0
        state = self.state.value
        if state not in (ChannelState.ON, ChannelState.STANDBY):
            return None
        if not self.link.polled_since(max(self.setpoint.received, self.state.received)):
            return None  # the deviation is the one before: the heartbeat comes last of a poll
        parts = [number_of(watch) for watch in (self._measured, self._deviation, self.setpoint)]
        measured, deviation_mV, setpoint = parts
        if measured is None or deviation_mV is None or setpoint is None:
            return None
        return measured - deviation_mV / 1000 - setpoint

    def _set_low(self, limit: float) -> None:
        self._low = float(limit)
        self.changed.emit()

    def _set_high(self, limit: float) -> None:
        self._high = float(limit)
        self.changed.emit()


def number_of(watch: PvWatch) -> float | None:
    """The value of a PV if it is connected, valid and finite."""
    value = watch.value
    good = isinstance(value, int | float) and math.isfinite(value) and watch.severity is not Severity.INVALID
    return float(value) if good else None
