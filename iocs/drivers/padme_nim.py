"""Driver of the PADME-NIM module: console for commands, web page for readings.

The voltage page has one decimal while the DAC behind it has 2.7 mV steps, so a setpoint that was sent and that the page
agrees with to its last digit is reported as it was sent: never further from the page than the page's own rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from iocs.drivers import padme_nim_console as console
from iocs.drivers.driver import ChannelReading, EndpointSource, Identity, Settings, Snapshot, Traits
from iocs.drivers.padme_nim_console import CHANNELS, RANGES_V
from iocs.drivers.padme_nim_hv import HvSwitch, believe
from iocs.drivers.padme_nim_link import Console, Pages
from iocs.drivers.padme_nim_pages import BOARD_PAGE, CHANNEL_PAGE, Card, decode_board, decode_cards
from sipmdcs.clock import Clock, SystemClock
from sipmdcs.errors import DeviceRefused, WireError
from sipmdcs.publisher import Value

_HALF_DIGIT_V = 0.0515
"""Half of the page's last digit, and half a step of the DAC behind it."""

_SENSOR_C = (-60.0, 130.0)
"""What the 1-wire sensors can measure; an unplugged one reads as something far outside."""

_ALL = frozenset(range(1, CHANNELS + 1))


class PadmeNimDriver:
    """One module. See ``Driver`` for what the methods promise."""

    traits = Traits(floor_V=0.0, max_V=82.0, tolerance_V=1.0, settle_s=3.0)

    def __init__(self, endpoint: EndpointSource, settings: Settings, clock: Clock | None = None) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._clock = clock or SystemClock()
        self._console: Console | None = None
        self._pages: Pages | None = None
        self._sent: dict[int, float] = {}
        self._switched_off: set[int] = set()
        """Channels whose cards we disabled: a page may leave those out."""
        self._hv: HvSwitch | None = None
        self._highest_V = 0.0
        self._on: frozenset[int] = frozenset()
        """Channels that were on at the last poll, and what was switched since."""
        self._flaws: list[str] = []

    def open(self) -> None:
        self.close()
        endpoint = self._endpoint()
        self._console = Console(endpoint)
        self._pages = Pages(endpoint)
        self._hv = None

    def close(self) -> None:
        if self._console is not None:
            self._console.close()
        if self._pages is not None:
            self._pages.close()
        self._console = self._pages = None

    def identify(self) -> Identity:
        board = decode_board(self._get(BOARD_PAGE))
        extra: dict[str, Value] = {"IP_ADDRESS": board.ip_address, "MAC_ADDRESS": board.mac_address}
        return Identity(board.name, board.serial, f"{board.software} (hardware {board.hardware})", extra)

    def poll(self) -> Snapshot:
        cards = decode_cards(self._get(CHANNEL_PAGE))
        now = self._clock.monotonic()
        # The first step of a ramp may be smaller than what the page can show.
        told = any(volts > _HALF_DIGIT_V for volts in self._sent.values())
        cycled = bool(cards) and told and not any(card.requested_V for card in cards)
        if cycled:
            self._sent.clear()
            self._switched_off.clear()
            self._hv = None
        self._hv = believe(self._hv, cards, now)
        self._highest_V = max((card.level_V for card in cards), default=0.0)
        channels = {card.channel: self._reading(card, self._hv.on) for card in cards}
        self._on = frozenset(channel for channel, reading in channels.items() if reading.on)
        for channel in self._switched_off - channels.keys():
            channels[channel] = ChannelReading(False, self._sent.get(channel), None, None, None)
        extra: dict[tuple[int, str], Value] = {(0, "HV_ON"): int(self._hv.on)}
        for card in cards:
            extra.update(zip(_CARD_ADDRESSES[card.channel], _card_values(card), strict=True))
        return Snapshot(channels, extra, cycled)

    def _reading(self, card: Card, hv_on: bool) -> ChannelReading:
        return ChannelReading(
            on=hv_on and card.status == 1,
            bias_V=self._refine(card.channel, card.requested_V),
            vmon_V=card.level_V,
            current_uA=card.current_uA,
            temperature_C=card.sensor_C if _SENSOR_C[0] < card.sensor_C < _SENSOR_C[1] else None,
            fault=f"card error {card.error_status} {card.last_error}" if card.error_status else "",
        )

    def _refine(self, channel: int, shown_V: float) -> float:
        sent = self._sent.get(channel)
        if sent is None:
            known = self._settings(channel, "BIAS")
            sent = known if isinstance(known, int | float) else shown_V
        return sent if abs(sent - shown_V) <= _HALF_DIGIT_V else shown_V

    def set_bias(self, values: Mapping[int, float]) -> None:
        for channel, volts in values.items():
            self._command(console.set_voltage(channel, volts))
            self._sent[channel] = volts
        # The belief about the main switch must wait until the outputs have moved.
        self._tell_hv(self._hv.on if self._hv else None)

    def switch_on(self, values: Mapping[int, float]) -> None:
        first = self._hv is None or not self._hv.on
        if first:
            self._command(console.set_slew_rate(self._slew_rate()))
            if values.keys() < _ALL:
                self._switch_cards(_ALL, on=False)
        self.set_bias(values)
        if first:
            self._command(console.switch_hv(on=True))
        self._switch_cards(frozenset(values), on=True)
        self.set_bias(values)
        self._on |= values.keys()
        self._tell_hv(True)

    def switch_off(self, channels: frozenset[int]) -> None:
        if self._on <= channels:
            self.all_off()
            return
        self._switch_cards(channels, on=False)
        self.set_bias(dict.fromkeys(sorted(channels), 0.0))
        self._on -= channels

    def all_off(self) -> None:
        self._command(console.switch_hv(on=False))
        self._switch_cards(_ALL, on=True)
        self._command(console.set_voltage(0, 0.0))
        self._sent = dict.fromkeys(range(1, CHANNELS + 1), 0.0)
        self._on = frozenset()
        self._tell_hv(False)

    def slew_rate(self) -> float | None:
        return float(self._slew_rate())

    def write(self, address: int, parameter: str, value: Value) -> bool:
        number = value if isinstance(value, int | float) else None
        writer = self._writers().get(parameter) if address == 0 else None
        if writer is None or number is None:
            raise DeviceRefused(f"a PADME-NIM has no {parameter} that takes {value!r}")
        writer(int(number))
        return parameter == "HV_ON"

    def _writers(self) -> dict[str, Callable[[int], None]]:
        return {"HV_ON": self._write_hv, "HV_RANGE": self._write_range, "SLEW_RATE": self._write_slew_rate}

    def _write_hv(self, value: int) -> None:
        if not value:
            self._command(console.switch_hv(on=False))
            self._tell_hv(False)
            return
        if self._settings(0, "INTERLOCK"):
            raise DeviceRefused("interlock is active")
        wanted = frozenset(channel for channel in _ALL if self._settings(channel, "ENABLE"))
        self._command(console.set_slew_rate(self._slew_rate()))
        self._switch_cards(_ALL - wanted, on=False)
        self._command(console.switch_hv(on=True))
        self._tell_hv(True)

    def _write_range(self, index: int) -> None:
        if self._hv is not None and self._hv.on:
            raise DeviceRefused("range cannot change while high voltage is on")
        if not 0 <= index < len(RANGES_V):
            raise DeviceRefused(f"HV_RANGE {index} is none of 0, 1 and 2")
        self._command(console.set_range(RANGES_V[index]))

    def _write_slew_rate(self, value: int) -> None:
        self._command(console.set_slew_rate(value))

    def take_flaws(self) -> tuple[str, ...]:
        flaws = (*self._flaws, *(self._console.flaws if self._console else ()))
        self._flaws.clear()
        if self._console:
            self._console.flaws.clear()
        return flaws

    def _slew_rate(self) -> int:
        value = self._settings(0, "SLEW_RATE")
        return int(value) if isinstance(value, int | float) else 1

    def _switch_cards(self, channels: frozenset[int], *, on: bool) -> None:
        for channel in (0,) if channels == _ALL else sorted(channels):
            self._command(console.switch_card(channel, on=on))
        if on:
            self._switched_off -= channels
        else:
            self._switched_off |= channels

    def _tell_hv(self, on: bool | None) -> None:
        if on is None:
            return
        travel_V = max(self._highest_V, *self._sent.values(), 0.0)
        self._hv = HvSwitch(on, self._clock.monotonic() + travel_V / self._slew_rate() + self.traits.settle_s)

    def _command(self, line: str) -> str:
        """One console command; a console that fell silent is opened anew and asked once more, which no command minds."""
        if self._console is None:
            raise WireError("console: not connected")
        try:
            return self._console.command(line)
        except WireError as err:
            self._flaws += [*self._console.flaws, str(err)]
            self._console.close()
        self._console = Console(self._endpoint())
        return self._console.command(line)

    def _get(self, page: str) -> bytes:
        if self._pages is None:
            raise WireError(f"{page}: not connected")
        return self._pages.get(page)


_CARD_ADDRESSES = {
    channel: tuple(
        (channel, parameter)
        for parameter in ("CARD_STATUS", "CARD_TEMP_RBV", "SUPPLY_RBV", "ERROR_STATUS", "ERROR_COUNT", "CARD_ERROR")
    )
    for channel in _ALL
}


def _card_values(card: Card) -> tuple[Value, ...]:
    return (card.status, card.card_C, card.supply_mV, card.error_status, card.error_count, card.last_error)
