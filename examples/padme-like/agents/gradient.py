"""Gradient: how much warmer the warmest controller is than the coldest one; a blocked air inlet shows here first."""

from collections import defaultdict
from statistics import fmean

from agents import Agent, Inputs, Output, Outputs, run_alone

agent = Agent(
    interval=10,
    offset=5,
    description="Warmest controller less coldest",
    inputs={"temperature": "$(DET):*VETO:*:CH??:TEMP_RBV"},
    outputs=[Output("SPREAD", "Warmest less coldest controller", unit="degC", high=5, hihi=10), Output("WARMEST", kind="text")],
)


def work(inputs: Inputs) -> Outputs:
    """One run."""
    by_controller: dict[str, list[float]] = defaultdict(list)
    for pv, temperature in inputs["temperature"].numbers.items():
        by_controller[pv.split(":")[2]].append(temperature)
    means = {controller: fmean(temperatures) for controller, temperatures in by_controller.items()}
    warmest = max(means, key=means.__getitem__)
    return {"SPREAD": means[warmest] - min(means.values()), "WARMEST": warmest}


if __name__ == "__main__":
    run_alone()
