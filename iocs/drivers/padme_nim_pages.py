"""The two JSON pages of the PADME-NIM module: ``/brdcfg.cgx`` says what it is, ``/brdusr.cgx`` what its channels do.

Source: PADME-Experiment/dcs-modules, ``json_hvsipm.txt``. ``apdCurrent`` is in µA, ``cardSsupplyV`` in mV, voltages come
with one decimal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from iocs.drivers.padme_nim_console import CHANNELS
from sipmdcs.errors import WireError

BOARD_PAGE = "/brdcfg.cgx"
CHANNEL_PAGE = "/brdusr.cgx"
LARGEST = 0xFFFF_FFFF
"""No number of the module is wider than 32 bits."""


@dataclass(frozen=True, slots=True)
class Board:
    """What the module says it is."""

    ip_address: str
    mac_address: str
    name: str
    serial: str
    hardware: str
    software: str


@dataclass(frozen=True, slots=True)
class Card:
    """One channel of the module."""

    channel: int
    """1 to 16."""
    status: int
    """1 when the card is enabled."""
    requested_V: float
    level_V: float
    card_C: float
    current_uA: float
    sensor_C: float
    """Temperature at the SiPM."""
    supply_mV: float
    error_status: int
    """0 is good."""
    error_count: int
    last_error: str


def decode_board(page: bytes) -> Board:
    """The configuration page.

    Raises:
        WireError: this is not that page.
    """
    data = _load(page, BOARD_PAGE)
    if not isinstance(data, dict):
        raise WireError(f"{BOARD_PAGE} is no JSON object")
    return Board(*(_text(data, key, BOARD_PAGE) for key in ("ipAdr", "macAdr", "name", "sn", "hwVer", "swVer")))


def decode_cards(page: bytes) -> tuple[Card, ...]:
    """The channel page; a module may leave channels out.

    Raises:
        WireError: this is not that page, a number is missing or not finite, or a channel is there twice.
    """
    data = _load(page, CHANNEL_PAGE)
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise WireError(f"{CHANNEL_PAGE} is no list of objects")
    cards = tuple(_decode_card(entry) for entry in data)
    if len({card.channel for card in cards}) != len(cards):
        raise WireError(f"{CHANNEL_PAGE} has a channel twice")
    return cards


def _load(page: bytes, name: str) -> Any:
    try:
        return json.loads(page.decode("ascii"))
    except (ValueError, RecursionError) as err:
        raise WireError(f"{name} is not JSON") from err


_NUMBERS = ("ch", "cardSts", "hvReq", "hvLvl", "cardTemp", "apdCurrent", "apdTemp", "cardSsupplyV", "errSts", "errCnt")
"""In the order of the fields of ``Card``."""
_numbers = itemgetter(*_NUMBERS)


def _decode_card(entry: dict[str, Any]) -> Card:
    for key in _NUMBERS:
        value = entry.get(key)
        if (type(value) is not float and type(value) is not int) or not -LARGEST <= value <= LARGEST:
            raise WireError(f"{CHANNEL_PAGE}: {key} is {value!r:.40}")
    number, status, requested_V, level_V, card_C, current_uA, sensor_C, supply_mV, errors, count = _numbers(entry)
    channel = int(number)
    if not 1 <= channel <= CHANNELS:
        raise WireError(f"{CHANNEL_PAGE} has channel {channel}")
    return Card(
        channel,
        _word(status),
        requested_V,
        level_V,
        card_C,
        current_uA,
        sensor_C,
        supply_mV,
        _word(errors),
        _word(count),
        # The firmware writes a word here, its file format a number.
        str(entry.get("lastErr", "")),
    )


def _word(number: float) -> int:
    """A word of 32 bits, as a record of type longin shows it: the highest bit is the sign."""
    value = int(number)
    return value - LARGEST - 1 if value > LARGEST // 2 else value


def _text(data: dict[str, Any], key: str, name: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise WireError(f"{name}: {key} is {value!r}")
    return value


def encode_board(board: Board) -> bytes:
    """The configuration page as the module writes it."""
    return (
        f'{{"id":"","ipAdr":"{board.ip_address}","macAdr":"{board.mac_address}","name":"{board.name}",'
        f'"sn":"{board.serial}","hwVer":"{board.hardware}","swVer":"{board.software}"}}'
    ).encode("ascii")


def encode_cards(cards: Iterable[Card]) -> bytes:
    """The channel page as the module writes it, with its numbers of decimals."""
    return ("[" + ",\n".join(map(_encode_card, cards)) + "]").encode("ascii")


def _encode_card(card: Card) -> str:
    return (
        f'{{"id":"","ch":{card.channel},"cardSts":{card.status},"hvReq":{card.requested_V:.1f},"hvLvl":{card.level_V:.1f},'
        f'"cardTemp":{card.card_C:.2f},"apdCurrent":{round(card.current_uA, 3):g},"apdTemp":{card.sensor_C:.1f},'
        f'"cardSsupplyV":{card.supply_mV:.1f},"errSts":{card.error_status},"errCnt":{card.error_count},'
        f'"lastErr":"{card.last_error}"}}'
    )
