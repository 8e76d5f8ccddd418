"""What archiver, alarms and screens learn of agents, whatever plugins do."""

import time

import pytest

from agents import declaring
from agents.inputs import lacking
from agents.plugin import RESERVED
from agents.reading import is_valid
from agents.records import agent_records, servable
from agents.roster import muster
from sipmdcs.pvinfo import alarm_info, archive_policy
from sipmdcs.site import Site
from tests.agents.conftest import BAD, GOOD

pytestmark = pytest.mark.timeout(180)


def test_records_of_a_site_with_plugins_of_every_kind(make_bench):
    bench = make_bench()
    bench.plugin("good", GOOD)
    for name, text in BAD.items():
        bench.plugin(name, text)
    bench.plugin("dies", "import os; os._exit(1)")
    records = {record.name: record for record in bench.site.service_records("agents")}
    assert {"T:SYS:AGENTS:START", "T:AGENT:GOOD:SUM", "T:AGENT:SYNTAX:STATE", "T:AGENT:DIES:STATE"} <= records.keys()
    assert records["T:AGENT:GOOD:SUM"].type == "ai"
    assert records["T:AGENT:GOOD:N"].type == "longin"
    assert records["T:AGENT:GOOD:LABEL"].type == "stringin"
    with_limit, without = alarm_info(records["T:AGENT:GOOD:SUM"]), alarm_info(records["T:AGENT:GOOD:N"])
    assert with_limit is not None
    assert with_limit.path == ("AGENTS", "GOOD")
    assert without is None
    policy = archive_policy(records["T:AGENT:GOOD:SUM"])
    assert policy is not None
    assert policy.period_s == 0.2
    assert "T:AGENT:GOOD:SUM" in {record.name for _, record in bench.site.all_records()}


def test_what_hangs_while_it_is_loaded_keeps_nobody(make_bench, monkeypatch):
    monkeypatch.setattr(declaring, "LOAD_TIMEOUT_S", 2.0)
    bench = make_bench()
    bench.plugin("stuck", "while True: pass\n")
    start = time.monotonic()
    names = {record.name for record in agent_records(bench.site)}
    assert time.monotonic() - start < 30
    assert {name.split(":")[-1] for name in names if name.startswith("T:AGENT:STUCK:")} == RESERVED


def test_broken_settings_keep_nobody(make_bench, caplog):
    bench = make_bench()
    bench.write("agents.yaml", "agents: [1, 2\n")
    assert {record.name for record in agent_records(bench.site)}
    assert "agents run without their settings" in caplog.text


def test_a_name_that_is_too_long_is_the_problem_of_one(make_bench):
    bench = make_bench()
    bench.write("site.yaml", (bench.folder / "site.yaml").read_text().replace("prefix: T", f"prefix: {'T' * 20}"))
    bench.plugin(
        "a2345678901234", f'agent = Agent(interval=1, outputs=[Output("{"V" * 30}")])\ndef work(inputs): return {{}}\n'
    )
    site = Site(bench.folder)
    names = {record.name for record in agent_records(site)}
    assert f"{'T' * 20}:AGENT:SUMMARY:STATE" in names
    assert {name.split(":")[-1] for name in names if ":A2345678901234:" in name} == RESERVED
    problem = servable(site, muster(site)).members["a2345678901234"].problem
    assert problem is not None
    assert "EPICS allows 60" in problem.text


GOOD_ROW, BAD_ROW, NEVER = [1.0, 0, "", 0.0, 0.1], [1.0, 3, "COMM", 0.0, 0.1], [None, 3, "UDF", 0.0, None]


@pytest.mark.parametrize(
    ("require", "rows", "reason"),
    [
        ("any", {"A": GOOD_ROW, "B": BAD_ROW}, ""),
        ("any", {"A": BAD_ROW, "B": NEVER}, "all of x are INVALID"),
        ("any", {}, "no PV in x"),
        ("all", {"A": GOOD_ROW, "B": GOOD_ROW}, ""),
        ("all", {"A": GOOD_ROW, "B": BAD_ROW}, "B is INVALID"),
        ("all", {"A": NEVER, "B": BAD_ROW}, "2 of x are INVALID: A, …"),
        ("none", {"A": NEVER}, ""),
    ],
)
def test_what_an_agent_lacks(require, rows, reason):
    invalid = {"x": [index for index, row in enumerate(rows.values()) if not is_valid(row)]}
    assert lacking(require, {"x": tuple(rows)}, invalid.__getitem__) == reason
