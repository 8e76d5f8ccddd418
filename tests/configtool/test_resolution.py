from __future__ import annotations

from decimal import Decimal

import pytest

from configtool.formula import parse_formula
from configtool.layers import ChannelId, Layer, Place, parse_channel
from configtool.parameters import Parameter
from configtool.resolution import Installed, resolve, resolve_channel, validate
from configtool.settings import Settings
from sipmdcs.errors import BadInput


def make(**entries: str) -> Settings:
    """``d_BIAS``, ``s_HEPVETO_…``, ``c_17_…``, ``n_17o01_…`` to settings."""
    layers = {"d": Layer.DEFAULT, "s": Layer.SUBSYSTEM, "c": Layer.CONTROLLER, "n": Layer.CHANNEL}
    out = {}
    for key, formula in entries.items():
        letter, *target, name = key.split("__")
        out[Place(layers[letter], "".join(target).replace("o", ".")), name] = parse_formula(formula)
    return Settings(out.items())


BASE = {"d__BIAS": "VBR + OVERVOLTAGE", "d__OVERVOLTAGE": "5.00", "n__17o01__VBR": "52.42"}


@pytest.mark.parametrize(
    ("more", "bias", "decides"),
    [
        ({}, "57.42", "default"),
        ({"s__HEPVETO__OVERVOLTAGE": "4"}, "56.42", "subsystem HEPVETO"),
        ({"s__HEPVETO__OVERVOLTAGE": "4", "c__17__OVERVOLTAGE": "3"}, "55.42", "controller 17"),
        ({"c__17__OVERVOLTAGE": "3", "n__17o01__OVERVOLTAGE": "2.5"}, "54.92", "channel 17.01"),
        ({"c__18__OVERVOLTAGE": "3", "n__17o02__OVERVOLTAGE": "2.5", "s__VETO__OVERVOLTAGE": "1"}, "57.42", "default"),
    ],
)
def test_the_strongest_layer_decides(more: dict[str, str], bias: str, decides: str) -> None:
    values = resolve_channel(make(**BASE, **more), ChannelId("17", 1), "HEPVETO")
    assert values["BIAS"].value == Decimal(bias)
    assert str(values["OVERVOLTAGE"].place) == decides
    assert str(values["BIAS"].place) == "default"


def test_a_channel_may_leave_the_rule() -> None:
    values = resolve_channel(make(**BASE, n__17o01__BIAS="56.1"), ChannelId("17", 1), None)
    assert (values["BIAS"].value, values["BIAS"].place.layer) == (Decimal("56.1"), Layer.CHANNEL)


def test_a_spare_has_no_subsystem(installed: dict[str, Installed]) -> None:
    values = resolve(make(d__X="1", s__VETO__X="2", n__02o01__VBR="52"), installed)
    assert values[ChannelId("02", 1)]["X"].value == 1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"d__BIAS": "VBR + OVERVOLTAGE", "n__17o01__VBR": "52"}, "channel 17.01: BIAS needs OVERVOLTAGE, which no layer sets"),
        ({"d__BIAS": "VBR", "n__17o01__VBR": "BIAS"}, "channel 17.01: BIAS -> VBR -> BIAS goes in a circle"),
        ({"n__17o01__VBR": "52", "d__SPEED": "1"}, "default: unknown parameter SPEED, there are BIAS, "),
        ({"n__17o01__VBR": "52", "d__OVERVOLTAGE": "11"}, "channel 17.01: OVERVOLTAGE = 11 V (default) is outside 0 to 10 V"),
        (
            {"n__17o01__VBR": "75.5", "d__OVERVOLTAGE": "5", "d__BIAS": "VBR + OVERVOLTAGE"},
            "channel 17.01: BIAS = 80.5 V (default: VBR + OVERVOLTAGE) is outside 0 to 80 V",
        ),
    ],
)
def test_settings_that_could_not_be_pushed_are_refused(
    entries: dict[str, str], message: str, parameters: dict[str, Parameter], installed: dict[str, Installed]
) -> None:
    with pytest.raises(BadInput) as caught:
        validate(make(**entries), parameters, installed)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["17", "17.", ".03", "17.0", "17.1234", "17.x", "1 7.03", "17.03.1", "\uff11\uff17.03"])
def test_names_that_are_no_channel(text: str) -> None:
    with pytest.raises(BadInput, match="is no channel"):
        parse_channel(text)
