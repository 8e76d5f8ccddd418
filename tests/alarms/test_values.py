from math import inf, nan

import numpy as np
import pytest

from alarms.values import limit_text, value_text
from sipmdcs.channels import Kind, PvMetadata, PvType

VOLT = PvMetadata(PvType.DOUBLE, 1, "V", 3, alarm=(nan, 1.0, nan, 56.5))
COUNT = PvMetadata(PvType.LONG, 1, "Hz")
STATE = PvMetadata(PvType.ENUM, 1, labels=("OFF", "ON"))


@pytest.mark.parametrize(
    ("data", "kind", "metadata", "text"),
    [
        (54.12345, Kind.SCALAR, VOLT, "54.123 V"),
        (54.12367, Kind.SCALAR, None, "54.1237"),
        (nan, Kind.SCALAR, VOLT, "nan V"),
        (inf, Kind.SCALAR, VOLT, "inf V"),
        (1e300, Kind.SCALAR, VOLT, "1e+300 V"),
        (123456789.0, Kind.SCALAR, COUNT, "123456789 Hz"),
        (1.0, Kind.SCALAR, STATE, "ON"),
        (2.0, Kind.SCALAR, STATE, "2"),
        (nan, Kind.SCALAR, STATE, "nan"),
        ("a\tb\nc", Kind.TEXT, None, "a b c"),
        (np.zeros(3), Kind.ARRAY, VOLT, "array"),
        (["a"], Kind.TEXT_ARRAY, None, "array"),
    ],
)
def test_value_on_one_line(data, kind, metadata, text):
    assert value_text(data, kind, metadata) == text


@pytest.mark.parametrize(
    ("message", "text"), [("HIHI", "limit 56.500 V"), ("LOW", "limit 1.000 V"), ("HIGH", ""), ("STATE", ""), ("COMM", "")]
)
def test_limit_that_was_crossed(message, text):
    assert limit_text(message, VOLT) == text
