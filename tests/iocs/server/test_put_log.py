"""Puts that the access file wants logged: who changed what from which value to which, and no more lines than one can read."""

from __future__ import annotations

import asyncio
import logging
import struct
from pathlib import Path

import pytest

import iocs.server_put_log
from iocs.access import READ, WRITE, load_access_security
from iocs.server_put_log import MAX_LINES, PutLog
from iocs.server_requests import message_header
from tests.iocs.server.raw import Host


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(iocs.server_put_log, "PERIOD_S", 0.05)
    caplog.set_level(logging.INFO, "iocs.server_put_log")
    return caplog


def name(command: int, text: str) -> bytes:
    return message_header(command, 16, 0, 0, 0, 0) + text.encode().ljust(16, b"\0")


async def lines(caplog: pytest.LogCaptureFixture, count: int) -> list[str]:
    for _ in range(500):
        found = [record.getMessage() for record in caplog.records if record.name == "iocs.server_put_log"]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("nothing is logged")


async def test_a_put_is_logged_with_who_and_what(often: pytest.LogCaptureFixture, host: Host) -> None:
    client = await host.connect()
    client.writer.write(name(20, "alice\nroot put X") + name(21, "DAQ1"))
    logged, plain = await client.open("LOGGED", 1), await client.open("VALUE", 2)
    for sid, value in ((plain, 1.0), (logged, 2.5), (logged, 3.0), (logged, 4.0)):
        client.writer.write(message_header(4, 8, 6, 1, sid, 1) + struct.pack(">d", value))
    client.writer.write(message_header(4, 8, 0, 1, logged, 1) + b"rubbish\0")
    await client.sync()
    assert await lines(often, 1) == ["alice?root put X@daq1 put LOGGED.VAL: 0.0 -> 4.0 (3 puts)"]
    choice, array = await client.open("LOGGED.SCAN", 3), await client.open("ARRAY", 4)
    client.writer.write(message_header(4, 8, 3, 1, choice, 1) + struct.pack(">Hxxxxxx", 6))
    client.writer.write(message_header(4, 48, 6, 6, array, 1) + struct.pack(">6d", *range(6)))
    assert (await lines(often, 3))[1:] == [
        "alice?root put X@daq1 put LOGGED.SCAN: 0 'Passive' -> 6 '1 second'",
        "alice?root put X@daq1 put ARRAY.VAL: [] -> [0.0, 1.0, 2.0, 3.0, … 6 elements]",
    ]


async def test_a_flood_of_puts_is_counted(often: pytest.LogCaptureFixture) -> None:
    log = PutLog()
    for number in range(10_000):
        log.add("eve@pc", f"PV{number % 1000}", "0", "1")
    task = asyncio.create_task(log.run())
    found = await lines(often, MAX_LINES + 1)
    task.cancel()
    assert len(found) == MAX_LINES + 1
    assert found[0] == "eve@pc put PV0: 0 -> 1 (10 puts)"
    assert found[-1].startswith(f"{10_000 - 10 * MAX_LINES} further puts")


@pytest.mark.parametrize(
    ("rules", "user", "rights", "trapped"),
    [
        ("RULE(1, WRITE, TRAPWRITE)", "bob", READ | WRITE, True),
        ("RULE(1, WRITE, NOTRAPWRITE)", "bob", READ | WRITE, False),
        ("RULE(1, READ, TRAPWRITE) RULE(1, WRITE)", "bob", READ | WRITE, False),
        ("RULE(1, WRITE) { UAG(me) } RULE(1, WRITE, TRAPWRITE)", "alice", READ | WRITE, False),
        ("RULE(1, WRITE) { UAG(me) } RULE(1, WRITE, TRAPWRITE)", "bob", READ | WRITE, True),
        ("RULE(1, READ) RULE(1, WRITE, TRAPWRITE) { UAG(me) }", "alice", READ | WRITE, True),
        ("RULE(1, READ) RULE(1, WRITE, TRAPWRITE) { UAG(me) }", "bob", READ, False),
    ],
)
def test_the_rule_that_lets_a_client_write_says_whether_its_puts_are_logged(
    tmp_path: Path, rules: str, user: str, rights: int, trapped: bool
) -> None:
    file = tmp_path / "test.acf"
    file.write_text(f"UAG(me) {{ alice }}\nASG(DEFAULT) {{ {rules} }}")
    security = load_access_security(file)
    assert security.rights("DEFAULT", 0, user, "pc") == rights
    assert security.traps_writes("DEFAULT", 0, user, "pc") == trapped
