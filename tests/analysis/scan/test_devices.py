"""The devices in a plan of somebody else: the example of the how-to, typed as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.analysis.scan.conftest import CHANNELS, HV, Plant, wait_until

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
