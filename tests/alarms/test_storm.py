"""2,000 PVs go into alarm at once."""

import re
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.alarms.bench import Bench, Epics, wait_until

COUNT = 2000
GATHER = timedelta(seconds=1)
"""Between two mails to a receiver."""
HANG_S = 50
"""No measure of speed: after so long something hangs."""
MASTER = "T:BENCH:MASTER"
FIRST = "T:BENCH:C00:CH000:CURRENT_RBV"
PLANT = f' {{"{MASTER}" "MASTER" "1" ""}}\n' + "\n".join(
    f' {{"T:BENCH:C{n // 100:02d}:CH{n % 100:03d}:CURRENT_RBV" "BENCH/C{n // 100:02d}" "{MASTER} CP" ""}}' for n in range(COUNT)
)


def announced(bench):
    """How many alarms the mails so far speak of."""
    return sum(_alarms_in(subject) for subject in bench.mailbox.subjects if subject.startswith("MAJOR: "))


def ended(bench):
    """How many alarms the mails so far say are over."""
    subjects = (re.match(r"(\d+) alarms ended in BENCH ", subject) for subject in bench.mailbox.subjects)
    return sum(int(subject[1]) for subject in subjects if subject)


def _alarms_in(subject):
    if (summary := re.match(r"MAJOR: (\d+) alarms", subject)) is not None:
        return int(summary[1])
    more = re.search(r" \+(\d+) more ", subject)
    return 1 + int(more[1] if more else 0)


def shown(bench, epics):
    """How many alarms clients see; the service answers by HTTP and by Channel Access alike, in the middle of a storm."""
    assert bench.get("/tree?path=MASTER")["nodes"]
    return epics.get("T:ALARM:BENCH:N_UNACKED")[0]


@pytest.fixture
def bench(tmp_path, free_ports):
    bench = Bench(tmp_path / "site", free_ports(4), PLANT)
    bench.start_smtp()
    bench.start_ioc()
    bench.start_service()
    yield bench
    bench.stop()


@pytest.fixture
def epics(bench):
    client = Epics(bench.environment)
    yield client
    client.close()


def test_storm_is_few_mails_and_the_service_stays_responsive(bench, epics):
    wait_until(lambda: epics.get("T:SYS:ALARMS:DISCONNECTED")[0] == 0, HANG_S, "all connected")
    epics.put({MASTER: 25.0})
    wait_until(lambda: shown(bench, epics) == COUNT, HANG_S, "the storm shown")
    wait_until(lambda: announced(bench) == COUNT, HANG_S, "the summaries, each alarm in one of them")
    assert "BENCH/C" in bench.mailbox.mails[0][1].get_payload()
    assert _alarms_in(bench.mailbox.subjects[0]) < COUNT, "the first page does not wait for the end of the storm"
    calls = bench.get(f"/history?of=BENCH&limit={2 * COUNT}")
    assert len(calls) == len({row["pv"] for row in calls}) == COUNT
    changed = bench.post("/acknowledge", select=["BENCH"], user="ada")["changed"]
    assert len(changed) == COUNT
    wait_until(lambda: ended(bench) == COUNT, HANG_S, "the summary of the end")
    assert len(bench.get("/active?path=BENCH")) == 0
    composed = sorted(datetime.fromisoformat(page["composed"]) for page in bench.get("/pages"))
    assert min(later - earlier for earlier, later in pairwise(composed)) >= GATHER, "one a second at most"
