"""Controllers come and go, their PVs alarm and recover without end: alarms may be late, and none of another is lost."""

import threading

import pytest

from tests.alarms.bench import Bench, Epics, wait_until

COUNT = 400
HANG_S = 50
MASTER = "T:BENCH:MASTER"
PLANT = f' {{"{MASTER}" "FLAP" "1" ""}}\n' + "\n".join(
    f' {{"T:BENCH:PV{n:03d}" "FLAP/C{n // 100}" "{MASTER} CP" ""}}' for n in range(COUNT)
)
STEADY = ("X:ONE", "X:TWO")
RECORDS = "".join(
    f'record(ai, "{pv}") {{ field(INP, "1") field(PINI, "YES") field(HIHI, "20") field(HHSV, "MAJOR") }}\n' for pv in STEADY
)
EXTRA = "".join(f'  "{pv}": {{path: STEADY}}\n' for pv in STEADY)
NOTIFY = """\
gather_max_s: 1
channels:
  mail: {{host: 127.0.0.1, port: {smtp}, from: alarms@example.org, retry_s: 0.2, retry_max_s: 0.5}}
receivers:
  shift: {{channel: mail, address: shift@example.org}}
  expert: {{channel: mail, address: expert@example.org}}
routes:
  flapping: {{paths: [FLAP], receivers: [shift]}}
  steady: {{paths: [STEADY], receivers: [expert]}}
"""


@pytest.fixture
def bench(tmp_path, free_ports):
    bench = Bench(tmp_path / "site", free_ports(4), PLANT, grace=0.2)
    bench.write("alarms.yaml", (bench.folder / "alarms.yaml").read_text() + "extra:\n" + EXTRA)
    bench.write("notify.yaml", NOTIFY.format(smtp=bench.smtp_port))
    bench.start_smtp()
    bench.start_ioc()
    bench.start_other_ioc(RECORDS)
    bench.start_service()
    wait_until(lambda: all(leaf["current_value"] for leaf in bench.get("/tree")["leaves"]), HANG_S, "all connected")
    yield bench
    bench.stop()


class Flapping(threading.Thread):
    """All PVs of the plant go into alarm and recover, over and over, and now and then their IOC is gone."""

    def __init__(self, bench):
        super().__init__()
        self._bench = bench
        self._enough = threading.Event()
        self.rounds = 0

    def run(self):
        while not self._enough.is_set():
            epics = Epics(self._bench.environment)
            for _ in range(5):
                epics.put({MASTER: 25.0})
                epics.put({MASTER: 1.0})
                self.rounds += 1
            epics.close()
            self._bench.stop_ioc()
            self._bench.start_ioc()
            wait_until(lambda: self._bench.get(f"/pv/{MASTER}")["current_value"], HANG_S, "the IOC is back")

    def stop(self):
        self._enough.set()
        self.join()


def paged(bench, pv):
    return [mail for _, mail in bench.mailbox.mails if mail["To"] == "expert@example.org" and pv in mail.get_payload()]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_alarm_of_a_steady_pv_is_paged_while_all_others_flap(bench):
    flapping, epics = Flapping(bench), Epics(bench.environment)
    flapping.start()
    try:
        for pv in STEADY:
            everything = {"select": ["FLAP"], "user": "ada"}
            acknowledging = threading.Thread(target=bench.post, args=("/acknowledge",), kwargs=everything)
            rounds = flapping.rounds
            wait_until(lambda rounds=rounds: flapping.rounds > rounds + 5, HANG_S, "flapping")
            acknowledging.start()
            epics.put({pv: 25.0})
            wait_until(lambda pv=pv: paged(bench, pv), HANG_S, f"the page of {pv}")
            assert flapping.is_alive()
            acknowledging.join()
    finally:
        flapping.stop()
        epics.close()

    def settled():
        leaves = bench.get("/tree?path=FLAP")["leaves"]
        return len(leaves) == COUNT + 1 and all(leaf["current_value"] == "1.00 uA" for leaf in leaves)

    wait_until(settled, HANG_S, "every PV shows what it is")
    assert all(len(paged(bench, pv)) == 1 for pv in STEADY)
    log = (bench.folder / "alarms.log").read_text()
    assert not [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line or "locked" in line]
