"""A plugin to start from."""

from __future__ import annotations

from pathlib import Path

from agents.discovery import FOLDER, LONGEST_NAME, find_plugins, is_agent_name
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

_TEXT = '''\
"""NAME: mean temperature of all channels."""

from statistics import fmean

from agents import Agent, Inputs, Output, Outputs, run_alone

agent = Agent(
    interval=10,
    offset=0,
    description="Mean temperature of all channels",
    inputs={"temperature": "*:CH??:TEMP_RBV"},
    outputs=[Output("MEAN", "Mean of all channels", unit="degC", precision=2, high=35, hihi=40)],
)


def work(inputs: Inputs) -> Outputs:
    temperatures = inputs["temperature"].numbers
    return {"MEAN": fmean(temperatures.values())}


if __name__ == "__main__":
    run_alone()
'''


def write_plugin(site: Site, name: str) -> Path:
    """Write ``agents/NAME.py``.

    Raises:
        BadInput: not a name, or there is such an agent.
    """
    if not is_agent_name(name):
        raise BadInput(f"{name!r} is no name for an agent, expected a-z, 0-9 and _, {LONGEST_NAME} characters at most")
    if (there := find_plugins(site).get(name)) is not None:
        raise BadInput(f"there is an agent {name} already", file=there.path)
    path = site.folder / FOLDER / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_TEXT.replace("NAME", name.capitalize()), "utf-8")
    return path
