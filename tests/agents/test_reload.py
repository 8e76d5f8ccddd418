"""Files that change while the host runs."""

import pytest

from tests.agents.bench import Bench, wait_until
from tests.agents.conftest import QUIET

pytestmark = pytest.mark.timeout(180)
DISABLED, STOPPED = 6, 7
ONE = 'agent = Agent(interval=0.2, outputs=[Output("V", unit="V")])\ndef work(inputs):\n    return {"V": 1}\n'


@pytest.fixture(scope="module")
def host(tmp_path_factory, free_ports):
    """One host for all tests here; not the one of the package, whose agents keep their versions."""
    bench = Bench(tmp_path_factory.mktemp("reload") / "site", free_ports(3), {"X": 1.0})
    bench.write("agents.yaml", QUIET)
    bench.plugin("edited", ONE)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()


@pytest.fixture
def site(host):
    """The host with the plugin as it was at first."""
    host.plugin("edited", ONE)
    host.write("agents.yaml", QUIET)
    host.until("EDITED:INTERVAL", 0.2)
    host.until("EDITED:V", 1.0)
    host.until("EDITED:STATE", 1)
    return host


def test_an_edit_is_loaded(site):
    version, runs = site.value("EDITED:VERSION"), site.value("EDITED:RUNS")
    site.plugin("edited", ONE.replace('"V": 1', '"V": 2'))
    site.until("EDITED:V", 2.0)
    assert site.value("EDITED:VERSION") != version
    assert site.value("EDITED:RUNS") > runs
    site.until("EDITED:STATE", 1)


def test_a_broken_edit_is_told_and_the_version_before_goes_on(site):
    version, errors = site.value("EDITED:VERSION"), site.value("EDITED:ERRORS")
    site.plugin("edited", ONE.replace("return", "return return"))
    wait_until(lambda: site.value("EDITED:LAST_ERROR").startswith("edited.py:3: SyntaxError"), "the complaint")
    runs = site.value("EDITED:RUNS")
    wait_until(lambda: site.value("EDITED:RUNS") > runs, "the version before goes on")
    assert site.read("EDITED:V")["severity"] == 0
    assert site.value("EDITED:VERSION") == version
    assert site.value("EDITED:ERRORS") == errors + 1
    site.plugin("edited", ONE.replace('"V": 1', '"V": 3'))
    site.until("EDITED:V", 3.0)


def test_a_broken_edit_survives_a_crash_of_the_worker(site):
    errors, restarts = site.value("EDITED:ERRORS"), site.value("EDITED:RESTARTS")
    site.plugin("edited", "1/0\n")
    wait_until(lambda: site.value("EDITED:ERRORS") > errors, "the complaint")
    for worker in site.workers():
        worker.kill()
    wait_until(lambda: site.value("EDITED:RESTARTS") > restarts, "another process")
    runs = site.value("EDITED:RUNS")
    wait_until(lambda: site.value("EDITED:RUNS") > runs, "with the text that was good")


def test_a_new_file_and_a_new_output_are_served(site):
    site.plugin("added", ONE)
    site.until("ADDED:V", 1.0)
    site.until("EDITED:V", 1.0)
    site.plugin(
        "added", ONE.replace('[Output("V", unit="V")]', '[Output("V", unit="V"), Output("W")]').replace("}", ', "W": 5}')
    )
    site.until("ADDED:W", 5.0)
    (site.folder / "agents" / "added.py").unlink()
    wait_until(lambda: site.run("agents", "list").stdout.count("added") == 0, "gone from the list")
    wait_until(lambda: site.log().count("agents is ready") >= 4, "the host served once more each time")
    site.until("EDITED:V", 1.0)


def test_settings_are_reloaded_and_broken_ones_are_not(site):
    site.write("agents.yaml", QUIET + "  edited: {interval: 0.5}\n")
    site.until("EDITED:INTERVAL", 0.5)
    site.write("agents.yaml", QUIET + "  edited: {interval: -1}\n")
    wait_until(lambda: "agents.edited.interval: input should be greater" in site.log(), "told")
    runs = site.value("EDITED:RUNS")
    wait_until(lambda: site.value("EDITED:RUNS") > runs, "the settings before go on")
    assert site.value("EDITED:INTERVAL") == 0.5


def test_what_was_set_by_pv_survives_a_new_file(site):
    """A colleague who writes an agent starts nothing that was stopped, and changes no setting of others."""
    runs = site.value("EDITED:RUNS")
    site.put("EDITED:INTERVAL", 0.4)
    site.put("SUMMARY:ENABLE", 0)
    site.put("T:SYS:AGENTS:TICK", 0.1)
    site.put("T:SYS:AGENTS:STOP", 1)
    site.until("EDITED:STATE", STOPPED)
    site.plugin("other", ONE)
    site.until("OTHER:STATE", STOPPED)
    site.until("EDITED:STATE", STOPPED)
    assert site.value("T:SYS:AGENTS:RUNNING") == 0
    assert site.value("T:SYS:AGENTS:TICK") == 0.1
    site.plugin("edited", ONE.replace('"V": 1', '"V": 4'))
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


def test_an_edit_of_a_module_that_plugins_import_is_noticed(site):
    site.write("agents/_numbers.py", "V = 7\n")
    site.plugin("edited", "from _numbers import V; " + ONE.replace('"V": 1', '"V": V'))
    site.until("EDITED:V", 7.0)
    site.write("agents/_numbers.py", "V = 88\n")
    site.until("EDITED:V", 88.0)


def test_settings_of_the_host_are_reloaded(site):
    site.write("agents.yaml", "tick_s: 0.2\n" + QUIET)
    site.until("T:SYS:AGENTS:TICK", 0.2)
    site.write("agents.yaml", QUIET)
    site.until("T:SYS:AGENTS:TICK", 0.05)


def test_what_runs_is_the_text_whose_version_is_told(site):
    """A process that was started while the version before was being ended ran that version's text."""
    for number in range(10, 18):
        site.plugin("edited", ONE.replace('"V": 1', f'"V": {number}'))
        site.until("EDITED:V", float(number))
