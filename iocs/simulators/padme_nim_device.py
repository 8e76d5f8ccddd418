"""A PADME-NIM module from the inside: console lines and page names in, text out, time passed in.

Where no document tells: the module comes up with high voltage off, all cards enabled, 0 V asked and 10 V/s; a disabled card
stays on the page with status 0; refusals begin with ``ERR``; a command to all cards is answered by the module, whatever single
cards make of it. Voltages in force are limited by the range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from iocs.drivers.padme_nim_console import CHANNELS, MAX_V, RANGES_V
from iocs.drivers.padme_nim_pages import BOARD_PAGE, CHANNEL_PAGE, Board, Card, encode_board, encode_cards
from iocs.simulators.faults import Faults, Knob
from iocs.simulators.output import Load, Output
from iocs.simulators.sipm import seeded

_DAC_V = MAX_V / 65_536
_OFFSET_V = 0.01
"""Spread of the offset between request and level from card to card."""

_RIPPLE_V = 0.003
_DISCHARGE = 250.0
"""V/s at which an output falls once its card or the main switch is off."""

KNOBS = frozenset(Knob) - {Knob.UART}

_ACKNOWLEDGED = frozenset({
    "AUTOCALIBRATE", "AUTOCONFIGURE", "CALDACP1P2", "CALADCP1P2", "CALDATA", "DACSTS", "ADSTS",
    "ENTEST", "OWDINIT", "OWDSTS", "SKIPERROR",
})  # fmt: skip
"""Commands that change nothing that a page shows."""


class _RefusedError(Exception):
    """A card says no."""


@dataclass(slots=True)
class _Card:
    load: Load
    offset_V: float
    output: Output = field(default_factory=Output)
    enabled: bool = True
    asked_V: float = 0.0
    error_count: int = 0


class PadmeNimDevice:
    """One module with its cards and SiPMs. Its state outlives every client."""

    def __init__(self, name: str, loads: dict[int, Load], faults: Faults) -> None:
        self._name = name
        self._faults = faults
        self._draw = seeded("module", name)
        self._cards = {channel: _Card(load, self._draw.gauss(0, _OFFSET_V)) for channel, load in loads.items()}
        self._mac = ":".join(f"{byte:02X}" for byte in (0x02, *self._draw.randbytes(5)))
        self._commands: dict[str, Callable[[list[str]], str]] = {
            "ADCFG": self._adcfg,
            "DACLTC2609": self._dac,
            "HVONOFF": self._hvonoff,
            "HVRANGE": self._hvrange,
            "SLEWRATE": self._slewrate,
            "ADCONVERT": self._adconvert,
            "SHOW": self._adconvert,
            "OWDENUMERATE": self._owdenumerate,
            "HELP": self._help,
        }
        self.power_up(0.0)

    def power_up(self, now: float) -> None:
        """Come up after power was off: everything that was told is forgotten."""
        self._hv_on = False
        self._slew = 10
        self._range_V = 100
        for card in self._cards.values():
            card.enabled, card.asked_V, card.error_count = True, 0.0, 0
            card.output = Output(0.0, now)

    def command(self, line: str, now: float) -> str:
        """Reply to a console line, without echo and prompt."""
        words = line.split()
        if not words:
            return ""
        self.advance(now)
        verb = words[0].upper()
        if verb in _ACKNOWLEDGED:
            return f"INFO - {verb} done\r\n"
        try:
            return self._commands[verb](words[1:])
        except KeyError:
            return f"ERR - unknown command {words[0]}\r\n"
        except _RefusedError as err:
            return f"ERR - {err}\r\n"
        except (ValueError, IndexError):
            return f"ERR - bad parameter of {verb}\r\n"

    def page(self, path: str, now: float) -> bytes | None:
        """A web page, ``None`` if there is none of that name."""
        self.advance(now)
        if path == BOARD_PAGE:
            serial = f"SIM{self._name}"
            return encode_board(Board("127.0.0.1", self._mac, "PADME-NIM", serial, "1.0", "1.0.168"))
        if path == CHANNEL_PAGE:
            return encode_cards(self._describe(channel, card, now) for channel, card in self._cards.items())
        return None

    def advance(self, now: float) -> None:
        """Let outputs move."""
        for card in self._cards.values():
            live = self._hv_on and card.enabled
            card.output.slew(min(card.asked_V, self._range_V) if live else 0.0, self._slew if live else _DISCHARGE, now)

    def _describe(self, channel: int, card: _Card, now: float) -> Card:
        error = int(self._faults.channel(channel, Knob.CARD_ERROR) or 0)
        card.error_count += bool(error)
        level_V = card.output.level_V
        shown_V = max(level_V + (card.offset_V if level_V > 1 else 0.0) + card.load.ripple(_RIPPLE_V), 0.0)
        unplugged = self._faults.channel(channel, Knob.SENSOR)
        sensor_C = -273.1 if unplugged else card.load.measured_temperature(now)
        return Card(
            channel,
            int(card.enabled),
            card.asked_V,
            shown_V,
            card.load.temperature(now) + 7.5 + card.load.ripple(0.02),
            card.load.current(level_V, now),
            sensor_C,
            4980.0 + 2.0 * channel + card.load.ripple(0.5),
            error,
            card.error_count,
            f"Error {error}" if error else "Ok",
        )

    def _selected(self, word: str) -> list[_Card]:
        channel = int(word)
        if not 0 <= channel <= CHANNELS:
            raise ValueError(word)
        refusing = {one for one in self._cards if self._faults.channel(one, Knob.REFUSE)}
        if channel in refusing:
            raise _RefusedError(f"card {channel} refuses")
        return [card for one, card in self._cards.items() if channel in (0, one) and one not in refusing]

    def _adcfg(self, words: list[str]) -> str:
        enabled = _flag(words[0])
        for card in self._selected(words[1]):
            card.enabled = enabled
        return f"INFO - card {words[1]} {'enabled' if enabled else 'disabled'}\r\n"

    def _dac(self, words: list[str]) -> str:
        volts = float(words[1])
        if not 0 <= volts <= MAX_V:
            raise ValueError(words[1])
        for card in self._selected(words[0]):
            card.asked_V = round(volts / _DAC_V) * _DAC_V
        return f"INFO - LTC2609  CH{int(words[0]):02d}: {volts:.3f} V\r\n"

    def _hvonoff(self, words: list[str]) -> str:
        self._hv_on = _flag(words[0])
        return f"INFO - HV {'on' if self._hv_on else 'off'}\r\n"

    def _hvrange(self, words: list[str]) -> str:
        if int(words[0]) not in RANGES_V:
            raise ValueError(words[0])
        self._range_V = int(words[0])
        return f"INFO - HV range {self._range_V} V\r\n"

    def _slewrate(self, words: list[str]) -> str:
        if not 1 <= int(words[0]) <= 250:
            raise ValueError(words[0])
        self._slew = int(words[0])
        return f"INFO - slew rate {self._slew} V/s\r\n"

    def _adconvert(self, _words: list[str]) -> str:
        return "".join(f"INFO - LTC2489  CH{ch:02d}: {card.output.level_V:.3f} V\r\n" for ch, card in self._cards.items())

    def _owdenumerate(self, _words: list[str]) -> str:
        return "".join(f"INFO - OWD {ch:02d}: 28-{ch:012X}\r\n" for ch in self._cards)

    def _help(self, _words: list[str]) -> str:
        return "".join(f"  {verb}\r\n" for verb in sorted({*self._commands, *_ACKNOWLEDGED}))


def _flag(word: str) -> bool:
    if word not in ("0", "1"):
        raise ValueError(word)
    return word == "1"
