"""Every worked frame and number of the hardware reference, and the laws between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.drivers import c11204_codec as codec
from iocs.drivers import c11204_units as units
from iocs.drivers.c11204_codec import Command, Compensation, ErrorCode, Status
from iocs.drivers.c11204_frame import Frame, encode_frame, scan_frames
from iocs.drivers.c11204_units import Variant
from sipmdcs.errors import DeviceRefused, WireError

REQUESTS = [
    (Command.MONITOR, (), "02 48 50 4F 03 45 43 0D"),
    (Command.ON, (), "02 48 4F 4E 03 45 41 0D"),
    (Command.OFF, (), "02 48 4F 46 03 45 32 0D"),
    (Command.RESET, (), "02 48 52 45 03 45 34 0D"),
    (Command.STATUS, (), "02 48 47 53 03 45 37 0D"),
    (Command.VOLTAGE, (), "02 48 47 56 03 45 41 0D"),
    (Command.CURRENT, (), "02 48 47 43 03 44 37 0D"),
    (Command.TEMPERATURE, (), "02 48 47 54 03 45 38 0D"),
    (Command.GET_COMPENSATION, (), "02 48 52 54 03 46 33 0D"),
    (Command.SWITCH_COMPENSATION, (0,), "02 48 43 4D 30 03 30 44 0D"),
    (Command.SWITCH_COMPENSATION, (1,), "02 48 43 4D 31 03 30 45 0D"),
    (Command.IDENTITY, (), "02 48 46 49 03 44 43 0D"),
    (Command.SERIAL, (), "02 48 47 4E 03 45 32 0D"),
    (Command.GET_FUNCTION, (), "02 48 52 43 03 45 32 0D"),
    (Command.SET_FUNCTION, (3,), "02 48 53 43 30 30 30 33 03 41 36 0D"),
    (Command.SET_VOLTAGE, (0x7A3B,), "02 48 42 56 37 41 33 42 03 44 32 0D"),
]


@pytest.mark.parametrize(("command", "words", "frame"), REQUESTS)
def test_worked_requests(command: Command, words: tuple[int, ...], frame: str) -> None:
    assert codec.encode_request(command, *words) == bytes.fromhex(frame)


def test_set_voltage_and_compensation() -> None:
    assert codec.set_voltage(56.7) == bytes.fromhex("02 48 42 56 37 41 33 42 03 44 32 0D")
    frame = codec.set_compensation(Compensation(0, 0, 54, 54, 56.7, 25))
    assert frame == b"\x02HST00000000040904097A3BB7D7\x03EF\r"


@pytest.mark.parametrize(("bits", "sum_"), [(0, "A3"), (1, "A4"), (2, "A5"), (3, "A6")])
def test_set_function_checksums(bits: int, sum_: str) -> None:
    assert codec.encode_request(Command.SET_FUNCTION, bits)[-3:-1] == sum_.encode()


@pytest.mark.parametrize(
    ("text", "sum_"),
    [
        *[("hon", "4A"), ("hof", "42"), ("hre", "44"), ("hbv", "45"), ("hcm", "3D"), ("hst", "54"), ("hsc", "43")],
        *[(f"hxx{code:04X}", f"{0x1D + code:02X}") for code in ErrorCode],
        *[("hgv7A41", "27"), ("hgc0002", "F9"), ("hgtB868", "30"), ("hgs0049", "14"), ("hgs4049", "18"), ("hrc0003", "05")],
        *[("hpo00497A3B7A410002B868", "8D"), ("hpo404900007A410002B868", "64"), ("HBV4b74", "E6"), ("HBV4B74", "C6")],
    ],
)
def test_worked_replies(text: str, sum_: str) -> None:
    frame = encode_frame(text)
    assert frame[-3:-1] == sum_.encode()
    assert scan_frames(frame).found == (Frame(text),)


def test_lengths_on_the_wire() -> None:
    sizes = {c: (8 + codec.REQUEST_DIGITS[c], 8 + codec.REPLY_CHARACTERS[c]) for c in Command}
    assert sizes[Command.MONITOR] == (8, 28)
    assert sizes[Command.SET_COMPENSATION] == (32, 8)
    assert sizes[Command.GET_COMPENSATION] == (8, 32)
    assert sizes[Command.SWITCH_COMPENSATION] == (9, 8)
    assert sizes[Command.IDENTITY] == (8, 51)
    assert sizes[Command.SERIAL] == (8, 24)


def test_monitor_of_both_variants() -> None:
    first = codec.decode_monitor("hpo00497A3B7A410002B868", Variant.C11204_01)
    assert first.status == Status.ON | Status.SENSOR_OK | Status.COMPENSATION
    assert first.set_V == pytest.approx(56.699, abs=5e-4)
    assert first.vmon_V == pytest.approx(56.710, abs=5e-4)
    assert first.current_mA == pytest.approx(2 * 4.980e-3)
    assert first.temperature_C == pytest.approx(24.5, abs=5e-3)
    second = codec.decode_monitor("hpo404900007A410002B868", Variant.C11204_02)
    assert Status.STABLE in second.status
    assert second.set_V is None
    assert second.current_mA == pytest.approx(2 * 5.194e-3)


@pytest.mark.parametrize(("raw", "value"), [(0xB701, 25.743), (0xEA8A, -20.0), (0xD402, 0.0), (0xB7D7, 25.0), (0x9069, 60.0)])
def test_temperature(raw: int, value: float) -> None:
    assert units.celsius(raw) == pytest.approx(value, abs=2e-3)
    assert abs(units.raw_celsius(value) - raw) <= 1


def test_other_worked_numbers() -> None:
    assert units.volts(0x9B38) == pytest.approx(72.002, abs=5e-4)
    assert units.milliampere(0x14, Variant.C11204_02) == pytest.approx(0.1039, abs=5e-5)
    assert units.raw_quadratic(-1.507) == 0xFC18
    assert units.raw_quadratic(1.507) == 0x03E8
    assert units.quadratic(0xFC18) == pytest.approx(-1.507)
    assert Variant.C11204_02.name_on_label == "C11204-02"


word = st.integers(0, 0xFFFF)


@given(word)
def test_conversions_are_inverse(raw: int) -> None:
    assert units.raw_volts(units.volts(raw)) == raw
    assert units.raw_celsius(units.celsius(raw)) == raw
    assert units.raw_linear(units.linear(raw)) == raw
    for variant in Variant:
        assert units.raw_milliampere(units.milliampere(raw, variant), variant) == raw


@given(st.integers(-1000, 1000))
def test_signed_coefficient_is_inverse(counts: int) -> None:
    assert units.raw_quadratic(units.quadratic(counts & 0xFFFF)) == counts & 0xFFFF


@given(st.tuples(st.integers(0, 1000), st.integers(0, 1000), word, word, word, word))
def test_compensation_round_trip(words: tuple[int, ...]) -> None:
    text = "hrt" + "".join(f"{w:04X}" for w in words)
    assert codec.compensation_words(codec.decode_compensation(text)) == words


def test_compensation_shift() -> None:
    comp = Compensation(0.5, -0.25, 54, 50, 56.7, 25)
    assert comp.shift(25) == 0
    assert comp.shift(35) == pytest.approx((0.5 * 100 + 54 * 10) / 1000)
    assert comp.shift(15) == pytest.approx((-0.25 * 100 - 50 * 10) / 1000)


@pytest.mark.parametrize(
    "call",
    [
        lambda: units.raw_volts(-0.1),
        lambda: units.raw_volts(118.9),
        lambda: units.raw_celsius(-45),
        lambda: units.raw_quadratic(1.6),
        lambda: units.raw_linear(3500),
        lambda: codec.encode_request(Command.SET_VOLTAGE),
        lambda: codec.encode_request(Command.SET_VOLTAGE, 0x10000),
        lambda: codec.encode_request(Command.SWITCH_COMPENSATION, 16),
        lambda: codec.encode_request(Command.ON, 1),
    ],
)
def test_what_does_not_fit_is_refused(call: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        call()  # type: ignore[operator]


@pytest.mark.parametrize("code", list(ErrorCode))
def test_error_reply(code: ErrorCode) -> None:
    with pytest.raises(DeviceRefused, match=codec.ERROR_TEXT[code]):
        codec.reply_data(Command.ON, f"hxx{code:04X}")


@pytest.mark.parametrize("text", ["hof", "hon1", "", "hgs004", "hgs00490"])
def test_replies_to_something_else(text: str) -> None:
    with pytest.raises(WireError):
        codec.reply_words(Command.STATUS if text.startswith("hgs") else Command.ON, text)


def test_reply_that_is_not_hex() -> None:
    with pytest.raises(WireError, match="not hex"):
        codec.reply_words(Command.STATUS, "hgs00G9")


def test_unknown_error_code() -> None:
    with pytest.raises(DeviceRefused, match="error 00FF"):
        codec.reply_data(Command.ON, "hxx00FF")


def test_identity() -> None:
    text = "hfi" + "C11204-02".ljust(16) + "Ver 1.10".ljust(16) + "Feb 03 2015"
    assert codec.decode_identity(text) == codec.Identity("C11204-02", "Ver 1.10", "Feb 03 2015")
