"""What must not get lost: latches, acknowledgements and pages, whatever dies."""

import time

import pytest

from tests.alarms.bench import Bench, Epics, wait_until

A, B, C = "T:BENCH:PS1:CH01:CURRENT_RBV", "T:BENCH:PS1:CH02:CURRENT_RBV", "T:BENCH:PS1:CH03:CURRENT_RBV"
PLANT = f"""\
 {{"{A}" "BENCH/PS1/CH01" "1" ""}}
 {{"{B}" "BENCH/PS1/CH02" "1" ""}}
 {{"{C}" "BENCH/PS1/CH03" "1" "latch=no"}}
"""


@pytest.fixture
def bench(tmp_path, free_ports):
    bench = Bench(tmp_path / "site", free_ports(4), PLANT)
    bench.start_ioc()
    bench.start_service()
    bench.connected()
    yield bench
    bench.stop()


@pytest.fixture
def epics(bench):
    client = Epics(bench.environment)
    yield client
    client.close()


def raise_major(bench, epics, *pvs):
    epics.put(dict.fromkeys(pvs, 25.0))
    for pv in pvs:
        wait_until(lambda pv=pv: bench.severity(pv) == "MAJOR", 30, f"{pv} MAJOR")


def failed_attempts(bench):
    return sum(page["attempts"] for page in bench.get("/pages"))


def test_mail_server_down_then_up_gives_exactly_one_page(bench, epics):
    raise_major(bench, epics, A)
    wait_until(lambda: failed_attempts(bench) >= 3, 30, "three failed attempts")
    error = bench.get("/pages")[0]["last_error"]
    assert f"mail server 127.0.0.1:{bench.smtp_port} at connecting" in error
    wait_until(lambda: epics.get("T:SYS:ALARMS:PAGES_FAILED")[0] >= 3, 30, "shown")
    test_page = bench.run("alarm", "test-page", "shift", "--timeout", "2", check=False).splitlines()
    assert test_page == [
        f"not accepted yet, and tried again: {error}",
        f"Error: the test page to shift is not accepted after 2 s: {error}",
    ], "why it waits behind another page"
    bench.start_smtp()
    wait_until(lambda: len(bench.mailbox.mails) == 2, 30, "the page and the test page")
    wait_until(lambda: bench.get("/pages")[0]["sent"], 30, "proof")
    time.sleep(1)  # nothing to wait for: nothing more must come
    assert [subject.split(":")[0] for subject in bench.mailbox.subjects] == ["MAJOR", "test page [Bench]"]


def test_killed_service_keeps_latch_acknowledgement_and_page(bench, epics):
    raise_major(bench, epics, A, B, C)
    bench.post("/acknowledge", select=[B], user="ada", comment="known")
    wait_until(lambda: failed_attempts(bench) >= 1, 30, "a page that cannot be sent")
    epics.put({A: 1.0})
    wait_until(lambda: bench.get(f"/pv/{A}")["current_severity"] == "OK", 30, "recovered")
    message_id = bench.get("/pages")[0]["message_id"]
    bench.kill_service()
    bench.start_smtp()
    bench.start_service()
    wait_until(lambda: bench.mailbox.mails, 30, "the page")
    assert bench.severity(A) == "MAJOR"
    assert bench.severity(B) == "MAJOR_ACK"
    assert bench.get(f"/pv/{B}")["acknowledged"] == bench.get(f"/pv/{B}")["acknowledged"] | {"user": "ada", "comment": "known"}
    assert bench.mailbox.mails[0][1]["Message-ID"] == message_id
    # The third went with the first, or came a moment later and makes a mail of its own.
    wait_until(lambda: any("CH03" in mail.get_payload() for _, mail in bench.mailbox.mails), 30, "the page of the third")
    wait_until(lambda: bench.get("/pages")[0]["sent"], 30, "proof")
    ids = [mail["Message-ID"] for _, mail in bench.mailbox.mails]
    bench.kill_service()
    with (bench.folder / "alarms.yaml").open("a") as file:
        file.write(f"pvs:\n  {B}: {{delay_s: 5, description: edited}}\n")
    bench.start_service()
    wait_until(lambda: epics.get("T:ALARM:BENCH"), 30, "the tree")
    time.sleep(1)  # nothing to wait for: nothing must be sent twice
    assert [mail["Message-ID"] for _, mail in bench.mailbox.mails] == ids
    assert not any("CH02" in mail.get_payload() for _, mail in bench.mailbox.mails)
    leaf = bench.get(f"/pv/{B}")
    assert (leaf["severity"], leaf["description"], leaf["configuration"]["delay"]) == ("MAJOR_ACK", "edited", 5)


def test_acknowledged_meanwhile_is_not_paged_any_more(bench, epics):
    raise_major(bench, epics, A)
    wait_until(lambda: failed_attempts(bench) >= 1, 30, "a page that cannot be sent")
    bench.post("/acknowledge", select=[A], user="ada")
    wait_until(lambda: bench.get("/pages")[0]["cancelled"], 30, "cancelled")
    bench.start_smtp()
    raise_major(bench, epics, B)
    wait_until(lambda: bench.mailbox.mails, 30, "the page of the other")
    assert "CH02" in bench.mailbox.subjects[0]
    assert len(bench.mailbox.mails) == 1


def test_dead_ioc_is_undefined_after_the_grace_and_comes_back(bench, epics):
    raise_major(bench, epics, A)
    bench.post("/acknowledge", select=[A], user="ada")
    bench.stop_ioc()
    time.sleep(0.5)
    assert bench.severity(A) == "MAJOR_ACK"
    wait_until(lambda: bench.severity(A) == "UNDEFINED", 30, "UNDEFINED")
    assert bench.get(f"/pv/{A}")["message"] == "Disconnected"
    bench.start_ioc()
    wait_until(lambda: bench.get(f"/pv/{A}")["current_severity"] == "OK", 30, "reconnected")
    wait_until(lambda: bench.severity(C) == "OK", 30, "not latching")
    assert bench.severity(B) == "UNDEFINED"
    assert bench.severity(A) == "OK"
