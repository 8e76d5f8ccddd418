"""What an IOC says that is not ours, and what becomes of it: real records of EPICS Base, the real service, real mails."""

from datetime import UTC, datetime

import pytest

from tests.alarms.bench import Bench, Epics, wait_until

COUNT = 400
PLANT = "\n".join(f' {{"T:BENCH:PV{n:03d}" "BENCH/C{n // 100}" "1" "latch=no"}}' for n in range(COUNT))
RECORDS = """\
record(ai, "X:ODD")  { field(INP, "1") field(PINI, "YES") field(EGU, "mA\\nBcc: e@x") field(HIHI, "20") field(HHSV, "MAJOR") }
record(ai, "X:BOTH") { field(INP, "1") field(PINI, "YES")
    field(HIHI, "20") field(HHSV, "MAJOR") field(LOLO, "-20") field(LLSV, "MAJOR") }
record(ai, "X:NEVER") { }
record(ai, "T/SL/ASH") { field(INP, "1") field(PINI, "YES") field(HIHI, "20") field(HHSV, "MAJOR") }
record(mbbo, "X:FAULT") { field(DOL, "0") field(PINI, "YES") field(ZRST, "GOOD")
    field(ONST, "FAULT_A") field(ONSV, "MAJOR") field(TWST, "FAULT_B") field(TWSV, "MAJOR") field(FLNK, "X:FAULT_RBV") }
record(mbbi, "X:FAULT_RBV") { field(INP, "X:FAULT") field(PINI, "YES") field(ZRST, "GOOD")
    field(ONST, "FAULT_A") field(ONSV, "MAJOR") field(TWST, "FAULT_B") field(TWSV, "MAJOR") }
record(ao, "X:MASTER") { field(VAL, "1") field(PINI, "YES") }
record(ai, "X:ONE") { field(INP, "X:MASTER CP") field(PINI, "YES") field(HIHI, "20") field(HHSV, "MAJOR") }
record(ai, "X:TWO") { field(INP, "X:MASTER CP") field(PINI, "YES")
    field(HIHI, "20") field(HHSV, "MAJOR") field(LOLO, "-20") field(LLSV, "MAJOR") }
"""
EXTRA = {
    "X:ODD": "OTHER/ODD",
    "X:BOTH": "OTHER/BOTH",
    "X:NEVER": "LATE",
    "T/SL/ASH": "OTHER/SLASH",
    "X:FAULT": "FAULT/SET",
    "X:FAULT_RBV": "FAULT/RBV",
    "X:ONE": "OTHER/PAIR",
    "X:TWO": "OTHER/PAIR",
}
NOTIFY = """\
gather_max_s: 1
channels:
  mail: {{host: 127.0.0.1, port: {smtp}, from: alarms@example.org, retry_s: 0.2, retry_max_s: 0.5}}
receivers:
  Überwachung: {{channel: mail, address: shift@example.org}}
routes:
  all: {{paths: [OTHER, BENCH, LATE], receivers: [Überwachung]}}
  faults: {{paths: [FAULT], receivers: [Überwachung], repeat_s: 1}}
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory, free_ports):
    bench = Bench(tmp_path_factory.mktemp("bench") / "site", free_ports(4), PLANT)
    extra = "".join(f'  "{pv}": {{path: {path}}}\n' for pv, path in EXTRA.items())
    bench.write("alarms.yaml", (bench.folder / "alarms.yaml").read_text() + "extra:\n" + extra)
    bench.write("notify.yaml", NOTIFY.format(smtp=bench.smtp_port))
    bench.start_smtp()
    bench.start_ioc()
    bench.start_other_ioc(RECORDS)
    bench.start_service()
    bench.connected()
    wait_until(lambda: all(leaf["current_value"] for leaf in bench.get("/tree")["leaves"]), 30, "all connected")
    yield bench
    bench.stop()


@pytest.fixture(scope="module")
def epics(bench):
    client = Epics(bench.environment)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def calm(bench):
    """A test leaves no alarm that somebody is told of again."""
    yield
    bench.post("/acknowledge", select=["/"], user="test")


def mails(bench, word):
    return [mail for _, mail in bench.mailbox.mails if word in mail.get_payload(decode=True).decode()]


def page(bench, word):
    """The first mail with a word in its text."""
    return wait_until(lambda: mails(bench, word), 30, f"a mail that names {word}")[0]


def text(mail):
    return mail.get_payload(decode=True).decode()


def test_a_receiver_may_have_any_name(bench):
    assert "accepted for shift@example.org" in bench.run("alarm", "test-page", "Überwachung")


def test_a_record_that_was_never_processed_says_so_and_when_that_was_seen(bench):
    mail = text(page(bench, "X:NEVER"))
    assert "never processed" in mail
    assert "1990" not in mail
    since = next(line for line in mail.splitlines() if line.startswith("Since"))
    age_s = (datetime.now(UTC) - datetime.strptime(since, "Since  %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)).total_seconds()
    assert 0 <= age_s < 300
    assert "1990" not in bench.run("alarm", "history", "X:NEVER")


def test_a_unit_with_a_line_break_makes_no_header_and_harms_no_other_page(bench, epics):
    epics.put({"X:ODD": 25.0})
    mail = page(bench, "X:ODD")
    assert mail["Bcc"] is None
    lines = [line for line in text(mail).splitlines() if "Bcc" in line]
    assert lines == ["Value  25 mA Bcc:, HIHI (limit 20 mA Bcc:)"], "Channel Access carries seven characters of a unit"
    epics.put({"T/SL/ASH": 25.0})
    page(bench, "T/SL/ASH")


def test_history_of_a_pv_with_slashes_and_without_colon(bench, epics):
    epics.put({"T/SL/ASH": 1.0})
    wait_until(lambda: bench.get("/pv/T/SL/ASH")["current_severity"] == "OK", 30, "OK")
    epics.put({"T/SL/ASH": 30.0})
    wait_until(lambda: bench.severity("T/SL/ASH") == "MAJOR", 30, "MAJOR")
    assert "T/SL/ASH  OK -> MAJOR  30" in bench.run("alarm", "history", "T/SL/ASH")


def test_the_other_limit_of_equal_severity_is_shown_and_recorded(bench, epics):
    for value, message in ((25.0, "HIHI"), (-25.0, "LOLO")):
        epics.put({"X:BOTH": value})
        wait_until(lambda message=message: bench.get("/pv/X:BOTH")["message"] == message, 30, message)
    assert bench.get("/pv/X:BOTH")["value"].startswith("-25")
    rows = bench.get("/history?pv=X:BOTH")
    assert [(row["message"], row["severity"]) for row in rows[:2]] == [("LOLO", "MAJOR"), ("HIHI", "MAJOR")]


def test_one_fault_after_another_of_a_multibit_record_is_told_by_its_text(bench, epics):
    epics.put({"X:FAULT": 1})
    for pv in ("X:FAULT", "X:FAULT_RBV"):
        assert any("FAULT_A, STATE" in text(mail) for mail in wait_until(lambda pv=pv: mails(bench, pv), 30, pv))
    epics.put({"X:FAULT": 2})
    for pv in ("X:FAULT", "X:FAULT_RBV"):
        wait_until(lambda pv=pv: bench.get(f"/pv/{pv}")["value"] == "FAULT_B", 30, f"{pv} shows FAULT_B")
        assert bench.severity(pv) == "MAJOR"
        rows = bench.get(f"/history?pv={pv}")
        assert [row["value"] for row in rows[:2]] == ["FAULT_B", "FAULT_A"]
    listed = bench.run("alarm", "list", "FAULT")
    assert "FAULT_B" in listed
    assert "FAULT_A" not in listed
    reminder = page(bench, "FAULT_B, STATE")
    assert reminder["Subject"].startswith("still MAJOR: FAULT")
    assert "FAULT_B" in reminder["Subject"]


def test_of_two_alarms_in_a_mail_that_waits_the_acknowledged_one_is_left_out_and_the_other_told_as_it_is(bench, epics):
    bench.stop_smtp()
    epics.put({"X:BOTH": 1.0, "X:ODD": 1.0})
    wait_until(lambda: bench.get("/pv/X:ODD")["current_severity"] == "OK", 30, "OK")
    bench.post("/acknowledge", select=["OTHER"], user="test")
    epics.put({"X:ODD": 26.0})  # goes into a mail of its own, so that the two come after it and together
    wait_until(lambda: any(row["attempts"] and "X:ODD" in row["body"] for row in bench.get("/pages")), 30, "an attempt")
    epics.put({"X:MASTER": 25.0})
    for pv in ("X:ONE", "X:TWO"):
        wait_until(lambda pv=pv: any(pv in row["body"] for row in bench.get("/pages")), 30, f"a mail that names {pv}")
    bench.post("/acknowledge", select=["X:ONE"], user="ada")
    epics.put({"X:MASTER": -25.0})
    wait_until(lambda: bench.get("/pv/X:TWO")["message"] == "LOLO", 30, "LOLO")
    before = len(bench.mailbox.mails)
    bench.start_smtp()
    told = wait_until(lambda: [m for _, m in bench.mailbox.mails[before:] if "X:TWO" in text(m)], 30, "the page")[0]
    assert "Value  -25, LOLO" in text(told)
    assert not any("alarm ack X:ONE" in text(mail) for _, mail in bench.mailbox.mails[before:])


def test_a_bad_value_is_named_beside_hundreds_of_an_ioc_that_died(bench, epics):
    bench.stop_smtp()
    before = len(bench.mailbox.mails)
    bench.stop_ioc()
    wait_until(lambda: bench.severity("T:BENCH:PV399") == "UNDEFINED", 30, "UNDEFINED")
    wait_until(lambda: any(row["attempts"] and not row["sent"] for row in bench.get("/pages")), 30, "an attempt")
    epics.put({"X:BOTH": 25.0})  # goes into the next mail, with all of the others that are not in this one
    wait_until(lambda: bench.severity("X:BOTH") == "MAJOR", 30, "MAJOR")
    bench.start_smtp()
    mail = wait_until(lambda: [m for _, m in bench.mailbox.mails[before:] if "X:BOTH" in text(m)], 30, "the page")[0]
    assert mail["Subject"].startswith("MAJOR: OTHER/BOTH BOTH 25"), mail["Subject"]
