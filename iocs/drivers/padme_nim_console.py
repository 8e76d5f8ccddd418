"""Console of the PADME-NIM module (INFN-LNF firmware 1.0.168): bytes of its telnet line in, text and prompts out.

After a login the module prompts ``APD1768> `` and does one command a line; a reply is whatever it prints before the next
prompt. Lines beginning with ``ERR`` refuse the command. Sources: PADME-Experiment/padme-dcs, ``standalone/veto``; RFC 854.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sipmdcs.errors import DeviceRefused

CHANNELS = 16
MAX_V = 180.0
"""Largest voltage that ``DACLTC2609`` takes."""

RANGES_V = (50, 100, 500)
"""What ``HVRANGE`` takes."""


class Prompt(StrEnum):
    """What the module waits with."""

    USERNAME = "Username: "
    PASSWORD = "Password: "  # noqa: S105 - a prompt
    COMMAND = "APD1768> "


@dataclass(frozen=True, slots=True)
class Heard:
    """Text up to and without a prompt."""

    before: str
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Listening:
    """What a stretch of console text holds."""

    heard: tuple[Heard, ...]
    rest: str
    """Text after the last prompt."""


@dataclass(frozen=True, slots=True)
class TelnetScan:
    """What a stretch of the telnet stream holds."""

    text: bytes
    """Data, commands taken out."""
    answers: bytes
    """What to send back: every option is refused."""
    rest: bytes
    """Start of a telnet command that is not complete; to be put before the next bytes."""


_SE, _SB, _WILL, _WONT, _DO, _DONT, _IAC = 240, 250, 251, 252, 253, 254, 255


def scan_telnet(data: bytes) -> TelnetScan:
    """Take telnet commands out of ``data``. Splitting makes no difference, as with ``scan_prompts``."""
    text = bytearray()
    answers = bytearray()
    position = 0
    while (start := data.find(_IAC, position)) >= 0:
        text += data[position:start]
        end = _end_of_command(data, start)
        if end is None:
            return TelnetScan(bytes(text), bytes(answers), data[start:])
        verb = data[start + 1]
        if verb == _IAC:
            text.append(_IAC)
        elif verb in (_WILL, _DO):
            answers += bytes((_IAC, _DONT if verb == _WILL else _WONT, data[start + 2]))
        position = end
    return TelnetScan(bytes(text + data[position:]), bytes(answers), b"")


def _end_of_command(data: bytes, start: int) -> int | None:
    if len(data) < start + 2:
        return None
    verb = data[start + 1]
    if verb == _SB:
        end = data.find(bytes((_IAC, _SE)), start + 2)
        return None if end < 0 else end + 2
    end = start + 3 if verb in (_WILL, _WONT, _DO, _DONT) else start + 2
    return end if len(data) >= end else None


def scan_prompts(text: str) -> Listening:
    """Cut console text at its prompts."""
    heard: list[Heard] = []
    while True:
        places = [(place, prompt) for prompt in Prompt if (place := text.find(prompt)) >= 0]
        if not places:
            return Listening(tuple(heard), text)
        place, prompt = min(places)
        heard.append(Heard(text[:place], prompt))
        text = text[place + len(prompt) :]


def reply_text(command: str, before: str) -> str:
    """What the module answered, its echo of the command taken off.

    Raises:
        DeviceRefused: the module refused the command.
    """
    lines = [line.strip() for line in before.replace("\r", "\n").split("\n")]
    lines = [line for line in lines if line]
    if lines and lines[0] == command:
        del lines[0]
    for line in lines:
        if line.startswith("ERR"):
            raise DeviceRefused(f"{command.split(' ', maxsplit=1)[0]}: {line}")
    return "\n".join(lines)


def set_voltage(channel: int, volts: float) -> str:
    """Command that gives a channel its voltage; channel 0 is all of them.

    Raises:
        DeviceRefused: no such channel or voltage.
    """
    if not 0 <= volts <= MAX_V:
        raise DeviceRefused(f"{volts:g} V is outside 0 to {MAX_V:g} V")
    return f"DACLTC2609 {_channel(channel)} {volts:.3f}"


def switch_card(channel: int, *, on: bool) -> str:
    """Command that switches a channel card; channel 0 is all of them. Raises ``DeviceRefused`` for no such channel."""
    return f"ADCFG {int(on)} {_channel(channel)}"


def switch_hv(*, on: bool) -> str:
    """Command that switches the high voltage of the whole module."""
    return f"HVONOFF {int(on)}"


def set_range(volts: int) -> str:
    """Command that sets the high-voltage range. Raises ``DeviceRefused`` if there is no such range."""
    if volts not in RANGES_V:
        raise DeviceRefused(f"range {volts} V is none of 50, 100 and 500 V")
    return f"HVRANGE {volts}"


def set_slew_rate(rate: int) -> str:
    """Command that sets the slew rate in V/s. Raises ``DeviceRefused`` outside 1 to 250."""
    if not 1 <= rate <= 250:
        raise DeviceRefused(f"slew rate {rate} V/s is outside 1 to 250 V/s")
    return f"SLEWRATE {rate}"


def _channel(channel: int) -> int:
    if not 0 <= channel <= CHANNELS:
        raise DeviceRefused(f"channel {channel} is outside 0 to {CHANNELS}")
    return channel
