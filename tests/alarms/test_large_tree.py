"""Ten thousand PVs that do not answer, and two hundred routes: what does answer alarms all the same."""

import pytest

from tests.alarms.bench import Bench, Epics, wait_until

AREAS, SILENT = 200, 10_000
HANG_S = 120
PV = "T:BENCH:PS1:CH01:CURRENT_RBV"
PLANT = f' {{"{PV}" "A7/PS1" "1" ""}}'
LATE = {f"X:LATE{n}": f"A{n}/LATE" for n in range(AREAS)}
RECORDS = "".join(
    f'record(ai, "{pv}") {{ field(INP, "{25 if n == 3 else 1}") field(PINI, "YES") field(HIHI, "20") field(HHSV, "MAJOR") }}\n'
    for n, pv in enumerate(LATE)
)
EXTRA = LATE | {f"X:NOWHERE{n}": f"A{n % AREAS}/C{n % 97}" for n in range(SILENT)}
NOTIFY = """\
channels:
  mail: {{host: 127.0.0.1, port: {smtp}, from: alarms@example.org, retry_s: 0.2, retry_max_s: 0.5}}
receivers:
{receivers}
routes:
{routes}
"""


@pytest.fixture
def bench(tmp_path, free_ports):
    bench = Bench(tmp_path / "site", free_ports(4), PLANT)
    extra = "".join(f'  "{pv}": {{path: {path}}}\n' for pv, path in EXTRA.items())
    bench.write("alarms.yaml", f"connect_timeout_s: 600\nguidance: {{over-current: Switch it off.}}\nextra:\n{extra}")
    receivers = "\n".join(f"  r{n}: {{channel: mail, address: r{n}@example.org}}" for n in range(AREAS))
    routes = "\n".join(f"  route{n}: {{paths: [A{n}, 'A{n}/C?', 'A{n}/C1*'], receivers: [r{n}]}}" for n in range(AREAS))
    bench.write("notify.yaml", NOTIFY.format(smtp=bench.smtp_port, receivers=receivers, routes=routes))
    bench.start_smtp()
    bench.start_ioc()
    bench.start_service()
    yield bench
    bench.stop()


def mails(bench):
    return [(mail["To"], " ".join(mail["Subject"].split()[:2])) for _, mail in bench.mailbox.mails]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_answers_alarms_while_thousands_do_not(bench):
    epics, missing = Epics(bench.environment), "T:SYS:ALARMS:DISCONNECTED"
    try:
        wait_until(lambda: bench.get(f"/pv/{PV}")["current_value"], HANG_S, "the one that answers")
        assert epics.get(missing)[0] >= SILENT + AREAS
        epics.put({PV: 25.0})
        wait_until(lambda: mails(bench), HANG_S, "its page")
        bench.start_other_ioc(RECORDS)
        wait_until(lambda: len(mails(bench)) == 2, HANG_S, "the page of one that came late")
        assert mails(bench) == [("r7@example.org", "MAJOR: A7/PS1"), ("r3@example.org", "MAJOR: A3/LATE")]
        wait_until(lambda: epics.get(missing)[0] == SILENT, HANG_S, "all that came late")
        alive = {leaf["pv"] for leaf in bench.get("/tree")["leaves"] if leaf["current_value"]}
        assert alive >= {PV, *LATE}
        assert len(bench.get("/active")) == 2
    finally:
        epics.close()
