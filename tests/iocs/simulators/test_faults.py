"""Fault knobs: what may be turned, and what each does to a reply."""

from __future__ import annotations

import pytest

from iocs.simulators.faults import CHANNEL_KNOBS, NOISE, Faults, Knob, Spoilers
from sipmdcs.errors import BadInput

SPOILERS = Spoilers(lambda reply: reply.upper(), lambda reply: b"other")


@pytest.fixture
def faults() -> Faults:
    return Faults(16, frozenset(Knob))


@pytest.mark.parametrize(
    ("knob", "sent"),
    [
        (Knob.DROP, []),
        (Knob.GARBAGE, [NOISE]),
        (Knob.LETTERS, [b"other"]),
        (Knob.CHECKSUM, [b"ABCDEF"]),
        (Knob.TRUNCATE, [b"abc"]),
        (Knob.EXTRA_BYTES, [NOISE + b"abcdef"]),
        (Knob.SPLIT, [b"ab", b"cd", b"ef"]),
        (Knob.DELAY, [b"abcdef"]),
    ],
)
def test_what_a_knob_does(faults: Faults, knob: Knob, sent: list[bytes]) -> None:
    faults.turn(None, knob, "1")
    assert [chunk.data for chunk in faults.spoil(b"abcdef", SPOILERS)] == sent


def test_counting_knobs_run_out(faults: Faults) -> None:
    faults.turn(None, Knob.DROP, "2")
    assert [bool(faults.spoil(b"x", SPOILERS)) for _ in range(4)] == [False, False, True, True]


def test_delay_and_unplug_stay_until_turned_back(faults: Faults) -> None:
    faults.turn(None, Knob.DELAY, "0.25")
    assert [faults.spoil(b"x", SPOILERS)[0].delay_s for _ in range(3)] == [0.25] * 3
    faults.turn(None, Knob.DELAY, "0")
    faults.turn(None, Knob.UNPLUG, "1")
    assert faults.unplugged
    assert faults.spoil(b"x", SPOILERS) == ()
    faults.turn(None, Knob.UNPLUG, "0")
    assert faults.spoil(b"x", SPOILERS)[0].delay_s == 0


def test_channel_knobs(faults: Faults) -> None:
    assert faults.turn(5, Knob.EXTRA_CURRENT, "10") == 10
    assert faults.channel(5, Knob.EXTRA_CURRENT) == 10
    assert faults.channel(6, Knob.EXTRA_CURRENT) is None
    assert faults.turn(5, Knob.EXTRA_CURRENT, "0") is None
    assert faults.turn(5, Knob.TEMPERATURE, "0") == 0
    assert faults.turn(5, Knob.TEMPERATURE, "off") is None


@pytest.mark.parametrize(
    ("channel", "knob", "text", "message"),
    [
        (None, Knob.EXTRA_CURRENT, "1", "needs channel"),
        (5, Knob.DROP, "1", "takes no channel"),
        (17, Knob.EXTRA_CURRENT, "1", "outside 1 to 16"),
        (5, Knob.EXTRA_CURRENT, "much", "not a number"),
        (None, Knob.DROP, "1.5", "not a number of replies"),
        (None, Knob.DROP, "-1", "not a number of replies"),
        (None, Knob.DROP, "inf", "not a finite number"),
        (5, Knob.TEMPERATURE, "nan", "not a finite number"),
    ],
)
def test_what_cannot_be_turned(faults: Faults, channel: int | None, knob: Knob, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        faults.turn(channel, knob, text)


def test_knob_that_a_controller_lacks() -> None:
    with pytest.raises(BadInput, match="has no knob card-error"):
        Faults(1, frozenset(Knob) - CHANNEL_KNOBS).turn(1, Knob.CARD_ERROR, "1")
