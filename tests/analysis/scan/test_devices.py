"""The devices in a plan of somebody else: the example of the how-to, typed as it stands."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sipmdcs.outcome import Outcome, Result, SetpointWriter
from tests.analysis.scan.conftest import CHANNELS, HV, WORKING_V, Plant, wait_until

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "iv-scan.md"


@pytest.mark.timeout(120)
def test_the_example_of_the_how_to_runs(installation: Plant) -> None:
    installation.working(CHANNELS[:1])
    match = re.search(r"```python\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    assert match is not None
    code = match[1].replace("PADME:PVETO:HV13:CH05", CHANNELS[0]).replace("PADME:PVETO:HV13", HV).replace("56.0, 41", "56.0, 5")
    done = subprocess.run(
        [sys.executable, "-c", code], env=installation.environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    currents = [float(found) for found in re.findall(r"'data': \{[^}]*'ch05-current': ([0-9.e-]+)", done.stdout)]
    assert len(currents) == 5
    assert currents[-1] > 10 * currents[0]
    assert "'exit_status': 'success'" in done.stdout
    wait_until(lambda: abs(installation.get(f"{CHANNELS[0]}:BIAS") - 56.0) < 1e-6, "stays where the plan left it")


SMALL_STEP = """
import asyncio, sys
from aioca import caget
from ophyd_async.core import init_devices
from analysis.scan.devices import SipmChannel, SipmController

async def main():
    prefix, volts = sys.argv[1], float(sys.argv[2])
    async with init_devices():
        controller = SipmController(prefix.rpartition(":")[0])
        channel = SipmChannel(prefix, controller)
    for step in range(1, 6):
        wanted = volts + 0.004 * step
        await channel.set(wanted)
        print(abs(await caget(f"{prefix}:BIAS_RBV") - wanted) < 0.0011)

asyncio.run(main())
"""


@pytest.mark.timeout(120)
def test_a_step_smaller_than_any_rounding_is_waited_for(installation: Plant) -> None:
    """The readback of before is as near as can be, and proves nothing."""
    installation.working(CHANNELS[:1])
    done = subprocess.run(
        [sys.executable, "-c", SMALL_STEP, CHANNELS[0], str(WORKING_V[CHANNELS[0]])],
        env=installation.environment, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert (done.stdout.split(), done.returncode) == (["True"] * 5, 0), done.stderr


@pytest.mark.timeout(240)
def test_outcomes_of_writes_to_a_real_ioc(installation: Plant) -> None:
    """What the writer says of a ramp, a refusal, a clamp and a command, and of an IOC that does not answer any more."""
    channel = CHANNELS[1]
    installation.working([channel])
    writer = SetpointWriter(installation.channels)

    def write(item: str, value: float) -> Outcome:
        return writer.write({f"{channel}:{item}": value})[f"{channel}:{item}"]

    volts = WORKING_V[channel]
    done = write("BIAS", volts - 2)
    assert (done.result, done.checked) == (Result.DONE, f"{channel}:BIAS_RBV")
    assert abs(installation.get(f"{channel}:BIAS_RBV") - (volts - 2)) < 1e-3
    assert write("OVERVOLTAGE_LIMIT", 5.0).text == "done; it has no readback"
    refused = write("BIAS", volts + 10)
    assert refused.text.startswith("refused: overvoltage ")
    assert refused.text.endswith("V, limit is 5 V")
    assert installation.get(f"{channel}:STATE") == 4, "and nothing else happened"
    assert installation.get(f"{channel}:BIAS.AMSG").startswith("overvoltage ")
    not_a_number = writer.write({f"{channel}:BIAS": "high"})[f"{channel}:BIAS"].text
    assert not_a_number.startswith("refused: refused 'high', expected a number"), "and not the reason of the put before"
    write("OVERVOLTAGE_LIMIT", 0.0)
    assert write("BIAS", volts).result is Result.DONE
    assert write("CURRENT_LIMIT", 20_000.0).text == "clamped to 10000.000 uA: limits are 0.000 uA to 10000.000 uA"
    assert write("CURRENT_LIMIT", 50.0).result is Result.DONE
    assert write("ENABLE", 0).result is Result.DONE
    assert installation.get(f"{channel}:ENABLE_RBV") == 0
    assert write("TRIP_RESET", 1).result is Result.DONE
    installation.processes["all"].send_signal(signal.SIGSTOP)
    try:
        assert write("ENABLE", 1).result is Result.UNKNOWN
    finally:
        installation.processes["all"].send_signal(signal.SIGCONT)
    installation.working([channel])
