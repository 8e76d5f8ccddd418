"""The whole alarm handler, as its users meet it: EPICS Base IOC, Channel Access, HTTP, command line, mail."""

import json
import time

import pytest

from tests.alarms.bench import Bench, Epics, wait_until

D, MASK = "T:BENCH:PS1:CH04:CURRENT_RBV", "T:BENCH:PS1:CH04:MASK"
A, B, C = "T:BENCH:PS1:CH01:CURRENT_RBV", "T:BENCH:PS1:CH02:CURRENT_RBV", "T:BENCH:PS1:CH03:CURRENT_RBV"
PLANT = f"""\
 {{"{A}" "BENCH/PS1/CH01" "1" ""}}
 {{"{B}" "BENCH/PS1/CH02" "1" "latch=no"}}
 {{"{C}" "BENCH/PS1/CH03" "1" "delay=1"}}
 {{"{D}" "BENCH/PS1/CH04" "1" "mask={MASK}"}}
 {{"{MASK}" "BENCH/PS1/CH04" "0" ""}}
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory, free_ports):
    bench = Bench(tmp_path_factory.mktemp("bench") / "site", free_ports(4), PLANT)
    bench.start_smtp()
    bench.start_ioc()
    bench.start_service()
    bench.connected()
    yield bench
    bench.stop()


@pytest.fixture(scope="module")
def epics(bench):
    client = Epics(bench.environment)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def calm(bench, epics):
    """Each test starts with everything OK and ends so."""
    yield
    epics.put({A: 1.0, B: 1.0, C: 1.0, D: 1.0, MASK: 0.0})
    wait_until(lambda: all(bench.get(f"/pv/{pv}")["current_severity"] == "OK" for pv in (A, B, C, D)), 30, "calm")
    bench.post("/acknowledge", select=["BENCH"], user="test")
    wait_until(lambda: not bench.get("/active?path=BENCH"), 30, "calm")


def test_severities_reach_pvs_and_tree(bench, epics):
    state, channel, area = "T:ALARM:BENCH:PS1:CH01:CURRENT_RBV", "T:ALARM:BENCH:PS1:CH01", "T:ALARM:BENCH"
    for value, expected in ((15.0, (5, 1)), (25.0, (6, 2)), (15.0, (6, 2)), (1.0, (6, 2))):
        epics.put({A: value})
        for name in (state, channel, area):
            wait_until(lambda name=name, expected=expected: epics.get(name) == expected, 30, f"{name} {expected}")
    assert epics.get("T:ALARM:BENCH:N_ALARMS")[0] == 1
    assert epics.get("T:ALARM:BENCH:N_UNACKED")[0] == 1
    assert f"MAJOR {A} 25.00 uA HIHI" in bench.text("T:ALARM:LATEST")
    bench.post("/acknowledge", select=[A], user="test")
    wait_until(lambda: epics.get(area) == (0, 0), 30, "clear")


def test_not_latching_follows(bench, epics):
    for value, expected in ((25.0, "MAJOR"), (15.0, "MINOR"), (1.0, "OK")):
        epics.put({B: value})
        wait_until(lambda expected=expected: bench.severity(B) == expected, 30, expected)


def test_masked_channel_is_silent_until_it_is_unmasked(bench, epics):
    epics.put({MASK: 1.0})
    wait_until(lambda: not bench.get(f"/pv/{D}")["enabled"], 30, "masked")
    epics.put({D: 25.0, A: 25.0})
    wait_until(lambda: bench.severity(A) == "MAJOR" and bench.get(f"/pv/{D}")["current_severity"] == "MAJOR", 30, "reported")
    assert (bench.severity(D), bench.get(f"/pv/{D}")["message"]) == ("OK", "Masked")
    epics.put({MASK: 0.0})
    wait_until(lambda: bench.severity(D) == "MAJOR", 30, "unmasked")
    wait_until(lambda: any("CH04" in mail.get_payload() for _, mail in bench.mailbox.mails), 30, "the page")


def test_delay(bench, epics):
    start = time.monotonic()
    epics.put({C: 25.0})
    wait_until(lambda: bench.get(f"/pv/{C}")["current_severity"] == "MAJOR", 30, "reported")
    assert bench.severity(C) == "OK"
    wait_until(lambda: bench.severity(C) == "MAJOR", 30, "raised")
    assert time.monotonic() - start >= 1


def test_major_is_paged_and_followed_up(bench, epics):
    before = len(bench.mailbox.mails)

    def mails_that_begin(subject):
        """A mail about what ended before this test may come between."""
        return [mail for mail in bench.mailbox.mails[before:] if mail[1]["Subject"].startswith(subject)]

    epics.put({A: 25.0})
    wait_until(lambda: mails_that_begin("MAJOR: BENCH/PS1/CH01 CURRENT_RBV 25.00 uA"), 30, "a page")
    _, mail = mails_that_begin("MAJOR: BENCH/PS1/CH01 CURRENT_RBV 25.00 uA")[0]
    text = mail.get_payload()
    for line in (A, "25.00 uA, HIHI (limit 20.00 uA)", "Switch it off.", f"alarm ack {A} --comment WHY", "UTC"):
        assert line in text
    bench.post("/acknowledge", select=[A], user="ada", comment="light leak")
    wait_until(lambda: mails_that_begin("acknowledged: BENCH/PS1/CH01"), 30, "a follow-up")
    _, follow_up = mails_that_begin("acknowledged: BENCH/PS1/CH01")[0]
    assert follow_up["In-Reply-To"] == mail["Message-ID"]
    assert "by ada" in follow_up.get_payload()
    assert "light leak" in follow_up.get_payload()
    page = next(page for page in bench.get("/pages") if page["message_id"] == mail["Message-ID"])
    assert page["reply"].startswith("250 ")
    assert page["sent"]


def test_acknowledge_by_pv(bench, epics):
    epics.put({A: 25.0})
    wait_until(lambda: bench.severity(A) == "MAJOR", 30, "MAJOR")
    epics.put({"T:ALARM:ACK": "BENCH/PS1"})
    assert bench.severity(A) == "MAJOR_ACK"
    assert bench.get(f"/pv/{A}")["acknowledged"]["user"] == "Channel Access"


def test_acknowledge_of_nothing_by_pv_is_refused(bench, epics):
    epics.put({A: 25.0})
    wait_until(lambda: bench.severity(A) == "MAJOR", 30, "MAJOR")
    assert "T:ALARM:ACK" in bench.put("T:ALARM:ACK", "NOWHERE")
    assert bench.severity(A) == "MAJOR"


def test_command_line(bench, epics):
    epics.put({A: 25.0})
    wait_until(lambda: bench.severity(A) == "MAJOR", 30, "MAJOR")
    listed = bench.run("alarm", "list")
    assert "MAJOR" in listed
    assert A in listed
    assert json.loads(bench.run("alarm", "list", "--json"))[0]["pv"] == A
    assert "1 acknowledged" in bench.run("alarm", "ack", "T:BENCH:*:CH01:*", "--comment", "seen", "--user", "ada")
    assert bench.severity(A) == "MAJOR_ACK"
    assert "no alarms" in bench.run("alarm", "list", "BENCH")
    assert "acknowledged by ada: seen" in bench.run("alarm", "list", "--all", "BENCH")
    assert "PS1  MAJOR_ACK" in bench.run("alarm", "tree")
    assert "1 un-acknowledged" in bench.run("alarm", "unack", A, "--user", "ada")
    assert bench.severity(A) == "MAJOR"
    history = bench.run("alarm", "history", A)
    assert "MAJOR -> MAJOR_ACK" in history
    assert "by ada: seen" in history
    assert "accepted for shift@example.org: 250" in bench.run("alarm", "test-page", "shift")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("ack", "NOWHERE"), "'NOWHERE' is no path, PV or pattern"),
        (("list", "NOWHERE"), "NOWHERE is no path in the alarm tree"),
        (("test-page", "nobody"), "receiver nobody is not in notify.yaml, which has shift"),
        (("history", "T:NO:PV"), "T:NO:PV is neither a PV nor a path in the alarm tree"),
        (("history", "--since", "yesterday"), "since: 'yesterday' is no time"),
    ],
)
def test_command_line_complains_in_one_line(bench, arguments, complaint):
    said = bench.run("alarm", *arguments, check=False)
    assert complaint in said
    assert len(said.splitlines()) == 1


def test_service_pvs(bench, epics):
    def figure(suffix):
        return epics.get(f"T:SYS:ALARMS:{suffix}")[0]

    wait_until(lambda: figure("DISCONNECTED") == 0, 30, "all connected")
    assert figure("PVS") >= 5
    epics.put({A: 25.0})
    wait_until(lambda: figure("ACTIVE") == 1, 30, "one active")
    bench.post("/acknowledge", select=[A], user="test")
    wait_until(lambda: (figure("ACTIVE"), figure("ACKNOWLEDGED")) == (0, 1), 30, "one acknowledged")
