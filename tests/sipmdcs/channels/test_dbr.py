"""Channel Access structures: what goes out can be read back, what does not fit is refused in words."""

import ctypes
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.channels import PvType
from sipmdcs.channels_ca_dbr import DTYPES, elements, encode, text

NUMBERS = [PvType.SHORT, PvType.FLOAT, PvType.ENUM, PvType.CHAR, PvType.LONG, PvType.DOUBLE]


@pytest.mark.parametrize(
    ("value", "type_", "sent", "count"),
    [
        (1.5, PvType.DOUBLE, PvType.DOUBLE, 1),
        (1, PvType.DOUBLE, PvType.DOUBLE, 1),
        (True, PvType.LONG, PvType.LONG, 1),
        (2**31 - 1, PvType.LONG, PvType.LONG, 1),
        (-(2**15), PvType.SHORT, PvType.LONG, 1),
        (255, PvType.CHAR, PvType.LONG, 1),
        (-128, PvType.CHAR, PvType.LONG, 1),
        (3, PvType.ENUM, PvType.ENUM, 1),
        (3.0, PvType.ENUM, PvType.ENUM, 1),
        ("On", PvType.ENUM, PvType.STRING, 1),
        ("abc", PvType.DOUBLE, PvType.STRING, 1),
        (1.5, PvType.STRING, PvType.STRING, 1),
        ([1, 2, 3], PvType.DOUBLE, PvType.DOUBLE, 3),
        (np.arange(4, dtype=np.int64), PvType.LONG, PvType.LONG, 4),
        (["a", "b"], PvType.STRING, PvType.STRING, 2),
    ],
)
def test_encode(value, type_, sent, count):
    wire = encode(value, type_)
    assert (wire.type, wire.count) == (sent, count)
    assert len(wire.data) == count * DTYPES[PvType(sent)].itemsize


@pytest.mark.parametrize(
    ("value", "type_", "reason"),
    [
        (2**31, PvType.LONG, "2147483648 does not fit a 32-bit integer (-2147483648 to 2147483647)"),
        (40_000, PvType.SHORT, "40000 does not fit a 16-bit integer (-32768 to 32767)"),
        (-129, PvType.CHAR, "-129 does not fit an 8-bit integer (0 to 255)"),
        (math.nan, PvType.LONG, "nan does not fit a 32-bit integer (-2147483648 to 2147483647)"),
        (1.5, PvType.ENUM, "1.5 does not fit an enumeration index (0 to 65535)"),
        (-1, PvType.ENUM, "-1 does not fit an enumeration index (0 to 65535)"),
        ([1, 2, 3e10], PvType.LONG, "30000000000.0 does not fit a 32-bit integer (-2147483648 to 2147483647)"),
        ("x" * 40, PvType.STRING, f"'{'x' * 40}' is longer than the 39 bytes a string holds"),
        ("a\0b", PvType.STRING, "'a\\x00b' holds a NUL"),
        ([], PvType.DOUBLE, "an empty list holds nothing to write"),
        ([[1, 2], [3, 4]], PvType.DOUBLE, "list of type int64 is no number, text or list of them"),
        (1j, PvType.DOUBLE, "complex of type complex128 is no number, text or list of them"),
        (None, PvType.DOUBLE, "NoneType of type object is no number, text or list of them"),
    ],
)
def test_encode_refuses(value, type_, reason):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the text is compared whole)
        encode(value, type_)
    assert str(caught.value) == reason


@given(st.lists(st.floats(), min_size=1))
def test_doubles_go_out_exactly(values):
    back = elements(encode(values, PvType.DOUBLE).data, PvType.DOUBLE, len(values))
    np.testing.assert_array_equal(back, values)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=9), min_size=1))
def test_strings_go_out_exactly(values):
    assert elements(encode(values, PvType.STRING).data, PvType.STRING, len(values)) == values


@pytest.mark.parametrize("type_", NUMBERS)
def test_no_elements(type_):
    assert len(elements(b"", type_, 0)) == 0


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ""),
        (b"mV\0junk", "mV"),
        ("°C".encode(), "°C"),
        (b"\xb0C", "°C"),
        (b"x" * 40, "x" * 40),
        ("µA/cm²".encode()[:7], "µA/cm"),
        (b"caf\xe9", "café"),
        ("µ".encode() + b"\xb0C", "Âµ°C"),
    ],
)
def test_text(raw, expected):
    assert text(raw) == expected


def test_arrays_do_not_alias_the_wire():
    buffer = ctypes.create_string_buffer(b"\1\2\3", 3)
    array = elements(memoryview(buffer).cast("B"), PvType.CHAR, 3)
    buffer[0] = b"\7"
    assert list(array) == [1, 2, 3]
