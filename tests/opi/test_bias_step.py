"""What a new setpoint needs before it is sent: nothing, a question, a warning, or it is refused."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opi.bias_step import LARGE_STEP_V, SMALL_STEP_V, USUAL_OVERVOLTAGE_V, SipmRange, judge_bias, judge_switching_on
from opi.verdict import Weight

CHANNEL = "DET:SUB:HV01:CH01"
SIPM = SipmRange((0.0, 80.0), 52.5, 6.0, remark="at 24.5 °C")
FREE = replace(SIPM, limit_V=0.0)
UNKNOWN = SipmRange((0.0, 80.0), None, 6.0, remark="VBR is 0 V")


@pytest.mark.parametrize(
    ("sipm", "present", "wanted", "weight", "says"),
    [
        (SIPM, (57.1, 57.1), 57.1, Weight.NONE, ()),
        (SIPM, (57.1, 57.1), 57.6, Weight.NONE, ()),
        (SIPM, (57.1, 57.1), 56.6, Weight.NONE, ()),
        (SIPM, (57.1, 57.1), 57.7, Weight.QUESTION, ("57.700 V", "From 57.100 V", "+0.600 V", "4.600 V before, 5.200 V after")),
        (SIPM, (55.0, 55.0), 57.0, Weight.QUESTION, ("+2.000 V",)),
        (SIPM, (55.0, 55.0), 57.1, Weight.WARNING, ("+2.100 V", "limit 6.000 V", "0 to 80 V", "at 24.5 °C")),
        (SIPM, (57.1, 57.1), 30.0, Weight.QUESTION, ("-27.100 V",)),
        (SIPM, (57.1, 57.1), 58.5, Weight.QUESTION, ()),
        (SIPM, (58.5, 58.5), 58.501, Weight.REFUSAL, ("overvoltage 6.001 V, limit is 6.000 V",)),
        (SIPM, (57.1, 57.1), 75.1, Weight.REFUSAL, ("overvoltage 22.600 V, limit is 6.000 V",)),
        (SIPM, (57.1, 57.1), 80.00001, Weight.REFUSAL, ("80.00001 V is not within 0 … 80 V",)),
        (SIPM, (57.1, 57.1), -0.001, Weight.REFUSAL, ("-0.001 V is not within",)),
        # On the way down from 57.1 V: the step counts from where the voltage is.
        (SIPM, (57.1, 31.7), 57.1, Weight.WARNING, ("From 31.700 V",)),
        (FREE, (57.1, 57.1), 75.1, Weight.WARNING, ("22.600 V after", "above the usual 8 V", "No overvoltage limit")),
        (FREE, (60.4, 60.4), 60.6, Weight.WARNING, ("above the usual 8 V",)),
        (FREE, (60.6, 60.6), 60.4, Weight.NONE, ()),
        (UNKNOWN, (57.1, 57.1), 57.2, Weight.WARNING, ("breakdown voltage is not known: VBR is 0 V",)),
        (UNKNOWN, (57.1, 57.1), 57.0, Weight.QUESTION, ("breakdown voltage is not known",)),
        (replace(SIPM, limit_V=None), (57.1, 57.1), 57.2, Weight.WARNING, ("overvoltage limit is not known",)),
        (replace(SIPM, device=None), (57.1, 57.1), 57.7, Weight.QUESTION, ("limits of the device are not known",)),
        (replace(SIPM, shift_V=None), (57.1, 57.1), 75.1, Weight.WARNING, ("temperature compensation is not known",)),
        (replace(SIPM, shift_V=0.5), (57.1, 57.1), 58.1, Weight.REFUSAL, ("overvoltage 6.100 V",)),
        (SIPM, (), 57.1, Weight.WARNING, ("present voltage is not known", "Overvoltage there 4.600 V")),
        (SipmRange(), (), 57.1, Weight.WARNING, ("not known",)),
    ],
)
def test_weight_and_text_of_a_step(
    sipm: SipmRange, present: tuple[float, ...], wanted: float, weight: Weight, says: tuple[str, ...]
) -> None:
    verdict = judge_bias(CHANNEL, wanted, present, sipm)
    assert verdict.weight is weight
    assert bool(verdict.text) is (weight is not Weight.NONE)
    for part in says:
        assert part in verdict.text


VOLTS = st.floats(-10, 100)
RANGES = st.builds(
    SipmRange,
    st.none() | st.just((0.0, 80.0)) | st.just((40.0, 90.0)),
    st.none() | st.floats(20, 75),
    st.none() | st.just(0.0) | st.floats(0.1, 20),
    st.none() | st.floats(-2, 2),
)


@given(RANGES, st.lists(VOLTS, max_size=2), VOLTS)
def test_only_small_steps_below_a_known_end_go_without_a_question(sipm: SipmRange, present: list[float], wanted: float) -> None:
    weight = judge_bias(CHANNEL, wanted, present, sipm).weight
    over = sipm.overvoltage(wanted)
    if weight is Weight.NONE:
        assert over is not None
        assert sipm.limit_V is not None
        assert over <= (sipm.limit_V or USUAL_OVERVOLTAGE_V) + 1e-5
        assert present
        assert all(abs(wanted - volts) <= SMALL_STEP_V + 1e-5 for volts in present)
    if weight < Weight.WARNING and present:
        assert wanted - min(present) <= LARGE_STEP_V + 1e-5
    if over is not None and sipm.limit_V and over > sipm.limit_V + 1e-5:
        assert weight is Weight.REFUSAL
    if sipm.device is not None and not sipm.device[0] <= wanted <= sipm.device[1]:
        assert weight is Weight.REFUSAL


@given(RANGES, VOLTS, VOLTS, VOLTS, VOLTS, st.floats(-5, 5))
def test_yes_holds_for_what_was_asked_only(
    sipm: SipmRange, before: float, later: float, wanted: float, other: float, warmer_V: float
) -> None:
    asked = judge_bias(CHANNEL, wanted, (before,), sipm)
    assert asked.covers(asked)
    if asked.about and asked.covers(judge_bias(CHANNEL, other, (before,), sipm)):
        assert f"{wanted:.3f}" == f"{other:.3f}"
    moved = replace(sipm, breakdown_V=None if sipm.breakdown_V is None else sipm.breakdown_V + warmer_V)
    now = judge_bias(CHANNEL, wanted, (later,), moved)
    if asked.about and asked.covers(now):
        assert abs(before - later) <= 0.05
        assert sipm.breakdown_V is None or sipm.shift_V is None or abs(warmer_V) <= 0.05 + 1e-9
        assert now.weight <= asked.weight
    switching, after = (judge_switching_on(CHANNEL, volts, sipm) for volts in (before, later))
    if switching.about and switching.covers(after):
        assert f"{before:.3f}" == f"{later:.3f}", "the setpoint that it names"


@given(RANGES, VOLTS, st.floats(0, 40), st.floats(0, 40))
def test_question_grows_with_the_upward_step(sipm: SipmRange, present: float, one: float, other: float) -> None:
    small, large = sorted((one, other))
    device = sipm.device
    if device is not None and present + small < device[0]:
        return  # both ends of the device's range are refused
    weights = [judge_bias(CHANNEL, present + step, (present,), sipm).weight for step in (small, large)]
    assert weights[0] <= weights[1]


@pytest.mark.parametrize(
    ("sipm", "bias", "weight", "says"),
    [
        (SIPM, 57.1, Weight.QUESTION, ("57.100 V", "Overvoltage there 4.600 V")),
        (SIPM, 75.1, Weight.REFUSAL, ("setpoint 75.100 V: overvoltage 22.600 V",)),
        (FREE, 75.1, Weight.WARNING, ("75.100 V", "above the usual 8 V")),
        (UNKNOWN, 57.1, Weight.WARNING, ("57.100 V", "not known: VBR is 0 V")),
        (SIPM, None, Weight.WARNING, ("its setpoint, which is not known",)),
    ],
)
def test_switching_on_names_the_setpoint(sipm: SipmRange, bias: float | None, weight: Weight, says: tuple[str, ...]) -> None:
    verdict = judge_switching_on(CHANNEL, bias, sipm)
    assert verdict.weight is weight
    for part in says:
        assert part in verdict.text


def test_switching_on_after_a_refused_setpoint_says_so() -> None:
    verdict = judge_switching_on(CHANNEL, 57.1, SIPM, refused="overvoltage 7 V, limit is 4 V")
    assert verdict.weight is Weight.REFUSAL
    assert "57.100 V was refused: overvoltage 7 V" in verdict.text
    verdict = judge_switching_on(CHANNEL, 57.1, SIPM, remark="no reply")
    assert verdict.weight is Weight.WARNING
    assert "has an alarm: no reply" in verdict.text


def test_range_lies_within_the_device_and_an_end_that_is_not_a_voltage_is_refused() -> None:
    assert SIPM.text == "52.50 … 58.50 V"
    assert replace(SIPM, device=(0.0, 55.0)).text == "52.50 … 55.00 V"
    assert UNKNOWN.text == "range not known"
    for wrong in (math.nan, math.inf, -math.inf):
        assert judge_bias(CHANNEL, wrong, (57.1,), SIPM).weight is Weight.REFUSAL
