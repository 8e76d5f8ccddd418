"""Detector summary: channels that are on, tripped, alarmed or lost, and how readings spread; whole and by subsystem."""

from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import fmean, pstdev

from agents import Agent, Context, Inputs, Output, Outputs, run_alone

STATE_ON, STATE_TRIPPED = 4, 6
READINGS = {"VDEV": ("mV", 1), "CURRENT": ("uA", 3), "TEMP": ("degC", 2)}


def areas(context: Context) -> tuple[str, ...]:
    """The whole detector, and each subsystem."""
    return ("ALL", *context.subsystems)


def outputs(context: Context) -> Iterator[Output]:
    """What is made of each area."""
    for area in areas(context):
        yield Output(f"{area}:N_ON", "Channels that are on", kind="int")
        yield Output(f"{area}:N_TRIPPED", "Channels that are tripped", kind="int")
        yield Output(f"{area}:N_ALARM", "Channels with a reading in alarm", kind="int")
        yield Output(f"{area}:N_LOST", "Channels that cannot be read", kind="int")
        yield Output(f"{area}:N_MASKED", "Channels known to be bad, left out", kind="int")
        for name, (unit, precision) in READINGS.items():
            for figure in ("MEAN", "MIN", "MAX", "SPREAD"):
                yield Output(f"{area}:{name}_{figure}", f"{name} of its channels, {figure.lower()}", unit, precision)


agent = Agent(
    interval=5,
    offset=1,
    description="Counts and spreads of all channels",
    inputs={
        "STATE": "*:CH??:STATE",
        "MASK": "*:CH??:MASK",
        "VDEV": "*:CH??:VDEV_RBV",
        "CURRENT": "*:CH??:CURRENT_RBV",
        "TEMP": "*:CH??:TEMP_RBV",
    },
    outputs=lambda context: list(outputs(context)),
    require="none",
)


def work(inputs: Inputs) -> Outputs:
    """One run."""
    values: dict[str, float | int | None] = {}
    masked = {channel(pv) for pv, mask in inputs["MASK"].numbers.items() if mask == 1}
    states = by_channel(inputs["STATE"].numbers)
    lost = {channel(pv) for pv in inputs["STATE"].invalid}
    in_alarm = {channel(pv) for name in ("STATE", *READINGS) for pv in inputs[name].alarmed}
    readings = {name: by_channel(inputs[name].numbers) for name in READINGS}
    known = states.keys() | lost
    for area in areas(inputs.context):
        home = f"{inputs.context.prefix}:" if area == "ALL" else f"{inputs.context.prefix}:{area}:"
        own = {name for name in known if name.startswith(home)} - masked
        held = Counter(states[name] for name in own & states.keys())
        values[f"{area}:N_MASKED"] = sum(name.startswith(home) for name in masked)
        values[f"{area}:N_ON"] = held[STATE_ON]
        values[f"{area}:N_TRIPPED"] = held[STATE_TRIPPED]
        values[f"{area}:N_LOST"] = len(own & lost)
        values[f"{area}:N_ALARM"] = len(own & in_alarm)
        for name, numbers_of in readings.items():
            numbers = [number for name, number in numbers_of.items() if name in own]
            figures = (fmean(numbers), min(numbers), max(numbers), pstdev(numbers)) if numbers else (None,) * 4
            values.update(zip((f"{area}:{name}_{figure}" for figure in ("MEAN", "MIN", "MAX", "SPREAD")), figures, strict=True))
    return values


def by_channel(numbers: Mapping[str, float]) -> dict[str, float]:
    """Numbers by channel instead of by PV."""
    return {channel(pv): number for pv, number in numbers.items()}


def channel(pv: str) -> str:
    """``DET:SUB:CTRL:CHnn`` of one of its PVs."""
    return pv.rpartition(":")[0]


if __name__ == "__main__":
    run_alone()
