"""Requests, levels, grids, texts in waveforms."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.scan.chartext import from_chars, to_chars, to_wire
from analysis.scan.grid import voltages
from analysis.scan.level import Level, parse_level
from analysis.scan.request import MAX_POINTS, ScanRequest, parse_request
from sipmdcs.errors import BadInput


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("54.5", Level(54.5)),
        (" 54 ", Level(54.0)),
        ("VBR", Level(0.0, relative=True)),
        ("VBR-2", Level(-2.0, relative=True)),
        ("vbr + 4.25", Level(4.25, relative=True)),
    ],
)
def test_levels(text: str, level: Level) -> None:
    assert parse_level(text) == level


@pytest.mark.parametrize("text", ["", "VBR4", "4+VBR", "nan", "-3", "1e3", "54 V", "VBR--2", "VBR-", "inf"])
def test_what_is_no_level_is_said(text: str) -> None:
    with pytest.raises(BadInput, match=r"is no voltage, expected such as 54\.5, VBR-2 or VBR\+4"):
        parse_level(text)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"channels": []}, "channels"),
        ({"channels": [3]}, "channels"),
        ({"who": ""}, "who"),
        ({"step_V": 0}, "step_V"),
        ({"step_V": "NaN"}, "step_V"),
        ({"samples": 0}, "samples"),
        ({"samples": 1.5}, "samples"),
        ({"settle_s": -1}, "settle_s"),
        ({"max_current_uA": 0}, "max_current_uA"),
        ({"poll_s": 0.01}, "poll_s"),
        ({"start": "there"}, "start: 'there' is no voltage"),
        ({"volts": 3}, "volts"),
    ],
)
def test_a_bad_key_is_named_in_one_line(change: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_request(json.dumps({"who": "x", "channels": ["A"], **change}))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "3", '{"who": "x"', "\0"])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_request(text)


def request(**keys: Any) -> ScanRequest:
    return ScanRequest(who="x", channels=("A",), **keys)


@given(
    start=st.integers(-500, 500), length=st.integers(1, 2000), step=st.integers(2, 1000), breakdown=st.floats(45, 60)
)  # fmt: skip
def test_a_grid_starts_where_it_should_and_never_goes_beyond(start: int, length: int, step: int, breakdown: float) -> None:
    asked = request(start=f"VBR{start / 100:+.2f}", stop=f"VBR{(start + length) / 100:+.2f}", step_V=max(step, 2) / 100)
    if length // step + 1 > MAX_POINTS:
        return
    grid = voltages(asked, breakdown)
    assert grid[0] == pytest.approx(breakdown + start / 100, abs=0.6e-3)
    assert grid[-1] <= breakdown + (start + length) / 100 + 0.6e-3
    assert grid[-1] > breakdown + (start + length) / 100 - asked.step_V - 0.6e-3
    assert all(later - earlier == pytest.approx(asked.step_V, abs=1.1e-3) for earlier, later in pairwise(grid))


@pytest.mark.parametrize(
    ("keys", "breakdown_V", "reason"),
    [
        ({"start": "55", "stop": "55"}, 52.0, "goes nowhere"),
        ({"start": "VBR+4", "stop": "VBR-2"}, 52.0, "goes nowhere"),
        ({"start": "10", "stop": "80", "step_V": 0.02}, 52.0, "3501 points are more than 1000"),
        ({}, math.nan, "is not known, give the range in volts"),
    ],
)
def test_ranges_that_cannot_be(keys: dict[str, Any], breakdown_V: float, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        voltages(request(**keys), breakdown_V)


def test_a_range_in_volts_needs_no_breakdown_voltage() -> None:
    assert voltages(request(start="50", stop="51", step_V=0.5), math.nan) == (50.0, 50.5, 51.0)


@given(st.text(alphabet=st.characters(min_codepoint=1, max_codepoint=126), max_size=50))
def test_text_survives_a_waveform(text: str) -> None:
    assert from_chars(to_chars(text, 100)) == text
    assert from_chars(to_wire(text)) == text


def test_text_is_cut_to_the_waveform_and_made_ascii() -> None:
    assert to_chars("abcdef", 4) == [97, 98, 99, 0]
    assert from_chars(to_chars("5 µA", 10)) == "5 ?A"
    assert from_chars([-62, 0, 65]) == "\N{REPLACEMENT CHARACTER}"
