"""Raw numbers of the Hamamatsu C11204 and what they stand for (C11204-02 command reference, p. 23).

Raw numbers are 16-bit; what lies outside is an error, not a wrap.
"""

from __future__ import annotations

from enum import Enum

VOLTS_PER_COUNT = 1.812e-3
_TEMPERATURE_VOLTS_PER_COUNT = 1.907e-5
_TEMPERATURE_OFFSET_V = 1.035
_TEMPERATURE_SLOPE_V = -5.5e-3
_QUADRATIC_PER_COUNT = 1.507e-3
_LINEAR_PER_COUNT = 5.225e-2
_QUADRATIC_LIMIT = 1000


class Variant(Enum):
    """The two modules; the value is milliampere per count of the current monitor."""

    C11204_01 = 4.980e-3
    C11204_02 = 5.194e-3

    @property
    def name_on_label(self) -> str:
        """``C11204-01`` or ``C11204-02``."""
        return self.name.replace("_", "-")


def _word(value: float, what: str) -> int:
    raw = round(value)
    if not 0 <= raw <= 0xFFFF:
        raise ValueError(f"{what} does not fit into 16 bits")
    return raw


def volts(raw: int) -> float:
    """Volts of a raw voltage."""
    return raw * VOLTS_PER_COUNT


def raw_volts(value_V: float) -> int:
    """Raw voltage nearest to ``value_V``, 0 to 118.75 V.

    Raises:
        ValueError: out of range.
    """
    return _word(value_V / VOLTS_PER_COUNT, f"{value_V} V")


def milliampere(raw: int, variant: Variant) -> float:
    """Current in mA; the factor depends on the module."""
    return raw * variant.value


def raw_milliampere(value_mA: float, variant: Variant) -> int:
    """Raw current nearest to ``value_mA``.

    Raises:
        ValueError: out of range.
    """
    return _word(value_mA / variant.value, f"{value_mA} mA")


def celsius(raw: int) -> float:
    """Temperature in degrees Celsius; a higher raw number is colder."""
    return (raw * _TEMPERATURE_VOLTS_PER_COUNT - _TEMPERATURE_OFFSET_V) / _TEMPERATURE_SLOPE_V


def raw_celsius(value_C: float) -> int:
    """Raw temperature nearest to ``value_C``, about -39 to 188 degrees Celsius.

    Raises:
        ValueError: out of range.
    """
    return _word((_TEMPERATURE_OFFSET_V + _TEMPERATURE_SLOPE_V * value_C) / _TEMPERATURE_VOLTS_PER_COUNT, f"{value_C} C")


def quadratic(raw: int) -> float:
    """Quadratic coefficient in mV/K² from its two's complement word."""
    return (raw - 0x10000 if raw & 0x8000 else raw) * _QUADRATIC_PER_COUNT


def raw_quadratic(value: float) -> int:
    """Two's complement word nearest to ``value`` mV/K², -1.507 to +1.507.

    Raises:
        ValueError: out of range.
    """
    counts = round(value / _QUADRATIC_PER_COUNT)
    if not -_QUADRATIC_LIMIT <= counts <= _QUADRATIC_LIMIT:
        raise ValueError(f"quadratic coefficient {value} mV/K^2 is outside -1.507 to 1.507")
    return counts & 0xFFFF


def linear(raw: int) -> float:
    """Linear coefficient in mV/K."""
    return raw * _LINEAR_PER_COUNT


def raw_linear(value: float) -> int:
    """Word nearest to ``value`` mV/K, 0 to 3424.

    Raises:
        ValueError: out of range.
    """
    return _word(value / _LINEAR_PER_COUNT, f"linear coefficient {value} mV/K")
