"""Files that change while the host runs."""

import pytest

from tests.agents.bench import wait_until
from tests.agents.conftest import EDITED, QUIET

pytestmark = pytest.mark.timeout(180)


def test_an_edit_is_loaded(site):
    version, runs = site.value("EDITED:VERSION"), site.value("EDITED:RUNS")
    site.plugin("edited", EDITED.replace('"V": 1', '"V": 2'))
    site.until("EDITED:V", 2.0)
    assert site.value("EDITED:VERSION") != version
    assert site.value("EDITED:RUNS") > runs
    site.until("EDITED:STATE", 1)


def test_a_broken_edit_is_told_and_the_version_before_goes_on(site):
    version, errors = site.value("EDITED:VERSION"), site.value("EDITED:ERRORS")
    site.plugin("edited", EDITED.replace("return", "return return"))
    wait_until(lambda: site.value("EDITED:LAST_ERROR").startswith("edited.py:3: SyntaxError"), "the complaint")
    runs = site.value("EDITED:RUNS")
    wait_until(lambda: site.value("EDITED:RUNS") > runs, "the version before goes on")
    assert site.read("EDITED:V")["severity"] == 0
    assert site.value("EDITED:VERSION") == version
    assert site.value("EDITED:ERRORS") == errors + 1
    site.plugin("edited", EDITED.replace('"V": 1', '"V": 3'))
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


def test_settings_are_reloaded_and_broken_ones_are_not(site):
    site.write("agents.yaml", QUIET + "  edited: {interval: 0.5}\n")
    site.until("EDITED:INTERVAL", 0.5)
    site.write("agents.yaml", QUIET + "  edited: {interval: -1}\n")
    wait_until(lambda: "agents.edited.interval: input should be greater" in site.log(), "told")
    runs = site.value("EDITED:RUNS")
    wait_until(lambda: site.value("EDITED:RUNS") > runs, "the settings before go on")
    assert site.value("EDITED:INTERVAL") == 0.5


def test_an_edit_of_a_module_that_plugins_import_is_noticed(site):
    site.write("agents/_numbers.py", "V = 7\n")
    site.plugin("edited", "from _numbers import V; " + EDITED.replace('"V": 1', '"V": V'))
    site.until("EDITED:V", 7.0)
    site.write("agents/_numbers.py", "V = 88\n")
    site.until("EDITED:V", 88.0)


def test_what_runs_is_the_text_whose_version_is_told(site):
    """A process that was started while the version before was being ended ran that version's text."""
    for number in range(10, 18):
        site.plugin("edited", EDITED.replace('"V": 1', f'"V": {number}'))
        site.until("EDITED:V", float(number))
