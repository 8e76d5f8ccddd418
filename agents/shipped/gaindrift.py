"""Gain drift: what the temperature does to the gain through the breakdown voltage, and what the bias should be corrected by.

Gain is proportional to the overvoltage, G = C_d (V - V_br) / e, and V_br(T) = V_br(T0) + b (T - T0), so that without a
correction of the bias the gain drifts by -b / V_over per kelvin (arXiv:1606.03727, arXiv:1403.8104). The IOC gives the
overvoltage at the present temperature; its ratio to the nominal one is the expected gain ratio, the difference the correction.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from statistics import fmean

from agents import Agent, Context, Inputs, Output, Outputs, run_alone

STATE_ON = 4


def outputs(context: Context) -> Iterator[Output]:
    """What is made of each area."""
    limit = context.parameters["drift_limit"]
    for area in ("ALL", *context.subsystems):
        limits = {"lolo": 1 - 2 * limit, "low": 1 - limit, "high": 1 + limit, "hihi": 1 + 2 * limit, "alarm": False}
        yield Output(f"{area}:GAIN_RATIO", "Expected gain over nominal, mean", precision=4, **limits)
        yield Output(f"{area}:WORST_RATIO", "The same of the worst channel", precision=4, **limits)
        yield Output(f"{area}:WORST", "Channel whose gain is off most", kind="text")
        yield Output(f"{area}:CORRECTION", "What the bias should change by, mean", unit="mV", precision=1)
        yield Output(f"{area}:TEMP_SHIFT", "Breakdown now less at VBR_TREF, mean", unit="mV", precision=1)
        # The alarm: unlike a ratio it has a value, 0, while everything is off.
        alarm = {"high": 1, "alarm_delay_s": 60, "guidance": "gain-drift", "alarm": area != "ALL"}
        yield Output(f"{area}:N_DRIFTED", "Channels beyond the limit", kind="int", **alarm)


agent = Agent(
    interval=10,
    offset=3,
    description="Expected gain drift from temperatures",
    inputs={name: f"*:CH??:{name}" for name in ("STATE", "MASK", "BIAS_RBV", "OVERVOLTAGE_RBV")}
    | {name: f"*:CH??:{name}" for name in ("VBR", "TEMP_RBV", "VBR_TREF", "VBR_TCOEF")},
    outputs=lambda context: list(outputs(context)),
    require="none",
    # Nominal overvoltage in V by pattern of channels, first match; without one, the setpoint less VBR, which holds only as
    # long as nobody has corrected the bias for temperature.
    parameters={"overvoltage_V": {}, "drift_limit": 0.05},
)


def work(inputs: Inputs) -> Outputs:
    """One run."""
    ratios: dict[str, float] = {}
    corrections: dict[str, float] = {}
    shifts: dict[str, float] = {}
    by_name = {
        group: {pv.rpartition(":")[0]: number for pv, number in inputs[group].numbers.items()} for group in inputs.groups
    }
    for channel, over in by_name["OVERVOLTAGE_RBV"].items():
        wanted = nominal(channel, inputs, by_name)
        if wanted is None or by_name["STATE"].get(channel) != STATE_ON or by_name["MASK"].get(channel) == 1:
            continue
        ratios[channel] = over / wanted
        corrections[channel] = 1e3 * (wanted - over)
        if all(channel in by_name[name] for name in ("TEMP_RBV", "VBR_TREF", "VBR_TCOEF")):
            warmer_K = by_name["TEMP_RBV"][channel] - by_name["VBR_TREF"][channel]
            shifts[channel] = by_name["VBR_TCOEF"][channel] * warmer_K
    values: dict[str, float | int | str | None] = {}
    for area in ("ALL", *inputs.context.subsystems):
        home = f"{inputs.context.prefix}:" if area == "ALL" else f"{inputs.context.prefix}:{area}:"
        own = {channel: ratio for channel, ratio in ratios.items() if channel.startswith(home)}
        worst = max(own, key=lambda channel: abs(own[channel] - 1), default="")
        moved = [shift for channel, shift in shifts.items() if channel in own]
        values[f"{area}:GAIN_RATIO"] = fmean(own.values()) if own else None
        values[f"{area}:WORST_RATIO"] = own.get(worst)
        values[f"{area}:WORST"] = worst
        values[f"{area}:CORRECTION"] = fmean(corrections[channel] for channel in own) if own else None
        values[f"{area}:TEMP_SHIFT"] = fmean(moved) if moved else None
        values[f"{area}:N_DRIFTED"] = sum(abs(ratio - 1) > inputs.parameters["drift_limit"] for ratio in own.values())
    return values


def nominal(channel: str, inputs: Inputs, by_name: dict[str, dict[str, float]]) -> float | None:
    """Overvoltage at which the channel should be, volts; ``None`` if nobody knows."""
    for pattern, volts in inputs.parameters["overvoltage_V"].items():
        if fnmatchcase(channel, pattern):
            return float(volts)
    bias, vbr = by_name["BIAS_RBV"].get(channel), by_name["VBR"].get(channel)
    return bias - vbr if bias is not None and vbr is not None and bias > vbr else None


if __name__ == "__main__":
    run_alone()
