"""What the agents that ship make of inputs whose answer is known."""

from importlib.resources import files

import pytest

from agents.loading import Plugin, load_plugin
from agents.plugin import Context
from agents.reading import Reading, Readings
from agents.running import run_plugin

SUBSYSTEMS = ("EVETO", "PVETO")
CHANNELS = ("T:PVETO:HV1:CH01", "T:PVETO:HV1:CH02", "T:PVETO:HV1:CH03", "T:EVETO:HV2:CH01")


def shipped(name: str, parameters: dict[str, object] | None = None) -> Plugin:
    path = files("agents.shipped") / f"{name}.py"
    return load_plugin(path.read_text("utf-8"), str(path), Context("T", SUBSYSTEMS, parameters or {}))


def group(suffix: str, *values: float | None, severity: int = 0) -> Readings:
    """Readings of one PV of each channel; ``None`` is not connected."""
    pairs = zip(CHANNELS, values, strict=True)
    return Readings((f"{c}:{suffix}", Reading() if v is None else Reading(v, severity, "", 0.0, 0.1)) for c, v in pairs)


def test_summary():
    inputs = {
        "STATE": group("STATE", 4, 6, None, 4),
        "MASK": group("MASK", 0, 0, 0, 0),
        "VDEV": group("VDEV_RBV", 10.0, -10.0, None, 0.0),
        "CURRENT": group("CURRENT_RBV", 1.0, 2.0, None, 3.0),
        "TEMP": group("TEMP_RBV", 20.0, 22.0, None, 30.0),
    }
    high = {"T:EVETO:HV2:CH01:CURRENT_RBV": Reading(3.0, 2, "HIHI", 0.0, 0.1)}
    inputs["CURRENT"] = Readings(inputs["CURRENT"] | high)
    values = run_plugin(shipped("summary"), inputs, 0.0)
    counts = {
        area: [values[f"{area}:{n}"] for n in ("N_ON", "N_TRIPPED", "N_ALARM", "N_LOST")] for area in ("ALL", *SUBSYSTEMS)
    }
    assert counts == {"ALL": [2, 1, 1, 1], "PVETO": [1, 1, 0, 1], "EVETO": [1, 0, 1, 0]}
    figures = ("MEAN", "MIN", "MAX", "SPREAD")
    assert [values[f"ALL:CURRENT_{figure}"] for figure in figures] == pytest.approx([2.0, 1.0, 3.0, 0.8164966])
    assert [values[f"PVETO:TEMP_{figure}"] for figure in figures] == pytest.approx([21.0, 20.0, 22.0, 1.0])
    assert [values[f"PVETO:VDEV_{figure}"] for figure in figures] == pytest.approx([0.0, -10.0, 10.0, 10.0])


def test_summary_leaves_masked_channels_out_and_has_no_figures_of_nothing():
    inputs = {
        "STATE": group("STATE", 4, 4, 4, None),
        "MASK": group("MASK", 0, 1, 0, 0),
        **{name: group(f"{name}_RBV", 1.0, 99.0, 3.0, None) for name in ("VDEV", "CURRENT", "TEMP")},
    }
    values = run_plugin(shipped("summary"), inputs, 0.0)
    assert (values["PVETO:N_ON"], values["PVETO:N_MASKED"], values["PVETO:CURRENT_MAX"]) == (2, 1, 3.0)
    assert values["EVETO:CURRENT_MEAN"] is None
    assert values["EVETO:N_LOST"] == 1


def drift_inputs(over: list[float | None], temperature: float, state: tuple[int, ...] = (4, 4, 4, 4)) -> dict[str, Readings]:
    return {
        "STATE": group("STATE", *state),
        "MASK": group("MASK", 0, 0, 0, 0),
        "BIAS_RBV": group("BIAS_RBV", 57.0, 57.0, 57.0, 55.0),
        "OVERVOLTAGE_RBV": group("OVERVOLTAGE_RBV", *over),
        "VBR": group("VBR", 52.0, 52.0, 52.0, 52.0),
        "TEMP_RBV": group("TEMP_RBV", *([temperature] * 4)),
        "VBR_TREF": group("VBR_TREF", *([25.0] * 4)),
        "VBR_TCOEF": group("VBR_TCOEF", *([54.0] * 4)),
    }


@pytest.mark.parametrize("warmer_K", [-10.0, 0.0, 2.0, 5.0])
def test_gain_drifts_by_the_slope_over_the_overvoltage(warmer_K):
    shift = 0.054 * warmer_K  # S13360: 54 mV/K; 1.8 % per kelvin at 3 V, 1.08 % at 5 V
    values = run_plugin(shipped("gaindrift"), drift_inputs([5 - shift] * 3 + [3 - shift], 25 + warmer_K), 0.0)
    assert values["PVETO:GAIN_RATIO"] == pytest.approx(1 - 0.0108 * warmer_K)
    assert values["EVETO:GAIN_RATIO"] == pytest.approx(1 - 0.018 * warmer_K)
    assert values["PVETO:CORRECTION"] == pytest.approx(54 * warmer_K)
    assert values["PVETO:TEMP_SHIFT"] == pytest.approx(54 * warmer_K)
    assert values["ALL:N_DRIFTED"] == {-10.0: 4, 0.0: 0, 2.0: 0, 5.0: 4}[warmer_K]


def test_worst_channel_and_what_is_off_or_lost():
    values = run_plugin(shipped("gaindrift"), drift_inputs([5.0, 4.0, None, 3.0], 25.0, (4, 4, 4, 1)), 0.0)
    assert (values["ALL:WORST"], values["ALL:WORST_RATIO"]) == ("T:PVETO:HV1:CH02", 0.8)
    assert values["PVETO:GAIN_RATIO"] == pytest.approx(0.9)
    assert values["EVETO:GAIN_RATIO"] is None
    assert values["EVETO:N_DRIFTED"] == 0


def test_nominal_overvoltage_of_the_site_holds_after_a_correction():
    """A bias raised by 270 mV because of 5 K is right: seen from the setpoint it would look like a drift."""
    corrected = drift_inputs([5.0] * 4, 30.0) | {"BIAS_RBV": group("BIAS_RBV", *([57.27] * 4))}
    values = run_plugin(shipped("gaindrift", {"overvoltage_V": {"T:EVETO:*": 3.0, "*": 5.0}}), corrected, 0.0)
    assert values["PVETO:GAIN_RATIO"] == pytest.approx(1.0)
    assert values["PVETO:CORRECTION"] == pytest.approx(0.0)
    assert values["EVETO:GAIN_RATIO"] == pytest.approx(5 / 3)


def test_limits_of_the_drift_follow_its_parameter():
    outputs = {output.name: output for output in shipped("gaindrift", {"drift_limit": 0.1}).declaration.outputs}
    ratio = outputs["PVETO:GAIN_RATIO"]
    assert (ratio.lolo, ratio.low, ratio.high, ratio.hihi) == pytest.approx((0.8, 0.9, 1.1, 1.2))
    assert outputs["PVETO:N_DRIFTED"].alarm
    assert not ratio.alarm


def test_hot_cache_selects_what_the_site_says():
    plugin = shipped("hotcache", {"pvs": ["A", "B*"]})
    assert plugin.declaration.inputs["pvs"].names == ("A", "B*")
    assert plugin.declaration.mirror
    readings = Readings({"A": Reading(1.0, 0, "", 0.0, 7.0), "B": Reading()})
    assert run_plugin(plugin, {"pvs": readings}, 0.0) == {"N": 2, "N_VALID": 1, "OLDEST_AGE": 7.0}
