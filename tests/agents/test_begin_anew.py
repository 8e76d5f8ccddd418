"""Changes for which the host serves other records: other agents, other outputs, its own settings."""

import pytest

from tests.agents.bench import wait_until
from tests.agents.conftest import EDITED, QUIET

pytestmark = pytest.mark.timeout(180)
DISABLED, STOPPED = 6, 7


def test_what_was_set_by_pv_survives_a_new_file(site):
    """A colleague who writes an agent starts nothing that was stopped, and changes no setting of others."""
    runs = site.value("EDITED:RUNS")
    site.put("EDITED:INTERVAL", 0.4)
    site.put("SUMMARY:ENABLE", 0)
    site.put("T:SYS:AGENTS:TICK", 0.1)
    site.put("T:SYS:AGENTS:STOP", 1)
    site.until("EDITED:STATE", STOPPED)
    site.plugin("other", EDITED)
    site.until("OTHER:STATE", STOPPED)
    site.until("EDITED:STATE", STOPPED)
    assert site.value("T:SYS:AGENTS:RUNNING") == 0
    assert site.value("T:SYS:AGENTS:TICK") == 0.1
    site.plugin("edited", EDITED.replace('"V": 1', '"V": 4'))
    version = site.value("EDITED:VERSION")
    wait_until(lambda: site.value("EDITED:VERSION") != version, "the edit is taken over")
    site.until("EDITED:STATE", STOPPED)
    site.put("T:SYS:AGENTS:START", 1)
    site.until("EDITED:V", 4.0)
    site.until("OTHER:V", 1.0)
    assert site.value("EDITED:INTERVAL") == 0.4
    assert site.value("EDITED:RUNS") > runs
    assert site.value("SUMMARY:STATE") == DISABLED
    site.put("SUMMARY:ENABLE", 1)
    site.put("EDITED:INTERVAL", 0.2)
    (site.folder / "agents" / "other.py").unlink()


def test_settings_of_the_host_are_reloaded(site):
    site.write("agents.yaml", "tick_s: 0.2\n" + QUIET)
    site.until("T:SYS:AGENTS:TICK", 0.2)
    site.write("agents.yaml", QUIET)
    site.until("T:SYS:AGENTS:TICK", 0.05)
