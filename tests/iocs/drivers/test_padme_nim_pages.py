"""The two JSON pages of the PADME-NIM: published examples, round trip, nonsense."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.drivers.padme_nim_pages import Board, Card, decode_board, decode_cards, encode_board, encode_cards
from sipmdcs.errors import WireError

BOARD = (
    b'{"id":"","ipAdr":"192.168.0.100","macAdr":"62:A4:17:80:FF:0D",\n'
    b'"name":"PADME-NIM","sn":"FG001","hwVer":"1.0","swVer":"1.0.168"}'
)
CARDS = (
    b'[{"id":"","ch":1,"cardSts":1,"hvReq":62.0,"hvLvl":61.6,"cardTemp":33.58,"apdCurrent":0,"apdTemp":31.2,'
    b'"cardSsupplyV":4975.3,"errSts":0,"errCnt":0,"lastErr":"Ok"},\n'
    b'{"id":"","ch":5,"cardSts":1,"hvReq":61.2,"hvLvl":61.0,"cardTemp":33.70,"apdCurrent":0,"apdTemp":31.1,'
    b'"cardSsupplyV":4961.5,"errSts":0,"errCnt":0,"lastErr":"Ok"}]'
)


def test_published_examples() -> None:
    assert decode_board(BOARD) == Board("192.168.0.100", "62:A4:17:80:FF:0D", "PADME-NIM", "FG001", "1.0", "1.0.168")
    first, fifth = decode_cards(CARDS)
    assert first == Card(1, 1, 62.0, 61.6, 33.58, 0, 31.2, 4975.3, 0, 0, "Ok")
    assert fifth.channel == 5


def test_examples_are_written_as_they_were_published() -> None:
    assert encode_cards(decode_cards(CARDS)) == CARDS
    assert encode_board(decode_board(BOARD)) == BOARD.replace(b"\n", b"")


tenths = st.integers(0, 1800).map(lambda n: n / 10)
hundredths = st.integers(0, 6000).map(lambda n: n / 100)
cards = st.builds(
    Card, st.integers(1, 16), st.integers(0, 1), tenths, tenths, hundredths, st.integers(0, 999).map(lambda n: n / 1000),
    tenths, tenths, st.integers(0, 255), st.integers(0, 9999), st.sampled_from(["Ok", "HV", "12"]),
)  # fmt: skip


@given(st.lists(cards, unique_by=lambda card: card.channel))
def test_round_trip(page: list[Card]) -> None:
    assert decode_cards(encode_cards(page)) == tuple(page)


def test_a_status_word_with_its_highest_bit_set() -> None:
    card = decode_cards(CARDS.replace(b'"errSts":0', b'"errSts":2147483649', 1))[0]
    assert card.error_status == -0x7FFF_FFFF


def test_last_error_may_be_a_number() -> None:
    assert decode_cards(CARDS.replace(b'"Ok"', b"17"))[0].last_error == "17"


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"{}",
        b"[1]",
        CARDS[:100],
        b"\xff" + CARDS,
        CARDS.replace(b'"ch":5', b'"ch":1'),
        CARDS.replace(b'"ch":5', b'"ch":17'),
        CARDS.replace(b'"hvLvl":61.6', b'"hvLvl":"61.6"'),
        CARDS.replace(b'"hvLvl":61.6', b'"hvLvl":NaN'),
        CARDS.replace(b'"hvLvl":61.6', b'"hvLvl":true'),
        CARDS.replace(b'"hvReq":62.0,', b""),
        CARDS.replace(b'"hvLvl":61.6', b'"hvLvl":1e999'),
        CARDS.replace(b'"hvLvl":61.6', b'"hvLvl":1' + b"0" * 400),
        b"[" * 100_000,
    ],
)
def test_nonsense_is_a_wire_error(page: bytes) -> None:
    with pytest.raises(WireError):
        decode_cards(page)


@pytest.mark.parametrize("page", [b"[]", b"nothing", BOARD.replace(b'"sn":"FG001",', b"")])
def test_nonsense_board(page: bytes) -> None:
    with pytest.raises(WireError):
        decode_board(page)


@given(st.binary(max_size=80))
def test_garbage_never_raises_anything_else(page: bytes) -> None:
    for decode in (decode_board, decode_cards):
        with contextlib.suppress(WireError):
            decode(page)
