"""Framing laws: round trip, split invariance, resynchronisation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.drivers.c11204_frame import MAX_LENGTH, BadFrame, Flaw, Frame, encode_frame, scan_frames

payload = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
noise = st.binary(max_size=40).map(lambda data: data.replace(b"\x02", b"\x00"))
piece = st.one_of(payload.map(encode_frame), st.binary(max_size=30), st.just(b"\x02"), st.just(b"\x02HPO\x03"))
pieces = st.lists(piece, max_size=6)


@given(payload)
def test_what_is_encoded_is_decoded(text: str) -> None:
    scan = scan_frames(encode_frame(text))
    assert scan.found == (Frame(text),)
    assert (scan.skipped, scan.rest) == (0, b"")


@given(pieces, st.lists(st.integers(0, 400), max_size=8))
def test_any_split_finds_the_same(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    whole = scan_frames(stream)
    found: list[Frame | BadFrame] = []
    skipped, rest, last = 0, b"", 0
    for cut in [*sorted(min(c, len(stream)) for c in cuts), len(stream)]:
        scan = scan_frames(rest + stream[last:cut])
        found += scan.found
        skipped += scan.skipped
        rest, last = scan.rest, cut
    assert (tuple(found), skipped, rest) == (whole.found, whole.skipped, whole.rest)


@given(noise, payload)
def test_garbage_before_a_frame_is_skipped_and_counted(garbage: bytes, text: str) -> None:
    scan = scan_frames(garbage + encode_frame(text))
    assert scan.found == (Frame(text),)
    assert scan.skipped == len(garbage)


@given(pieces, payload)
def test_a_frame_is_found_after_whatever_precedes_it(parts: list[bytes], text: str) -> None:
    scan = scan_frames(b"".join(parts) + encode_frame(text))
    assert scan.found[-1] == Frame(text)
    assert scan.rest == b""


@given(pieces)
def test_every_byte_is_accounted_for(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    scan = scan_frames(stream)
    sizes = [len(f.data) if isinstance(f, BadFrame) else len(encode_frame(f.text)) for f in scan.found]
    assert sum(sizes) + scan.skipped + len(scan.rest) == len(stream)


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (b"\x02hon\x0300\r", Flaw.CHECKSUM),
        (b"\x02hon\x034A\n", Flaw.NO_CR),
        (b"\x02ho\x02hon\x034A\r", Flaw.TRUNCATED),
        (b"\x02hon\x034\x02hon\x034A\r", Flaw.TRUNCATED),
        (b"\x02" + b"h" * (MAX_LENGTH - 1), Flaw.TOO_LONG),
        (b"\x02h\xefn\x03CA\r", Flaw.CHECKSUM),
    ],
)
def test_flaws(data: bytes, flaw: Flaw) -> None:
    first = scan_frames(data).found[0]
    assert isinstance(first, BadFrame)
    assert first.flaw is flaw


def test_lower_case_checksum_is_accepted() -> None:
    assert scan_frames(b"\x02hon\x034a\r").found == (Frame("hon"),)


@pytest.mark.parametrize("text", ["a\x02", "a\x03", "é", "x" * 252])
def test_what_cannot_be_framed(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - two kinds, both ValueError
        encode_frame(text)
