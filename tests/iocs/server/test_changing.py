"""Records that come and go while the server runs: clients of those that stay notice nothing."""

from __future__ import annotations

import pytest

from iocs.server_requests import message_header
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput, NotConnected
from tests.iocs.server.raw import TIME_DOUBLE, Host, event_add

CLEAR_CHANNEL, READ_NOTIFY, WRITE_NOTIFY, EVENT_CANCEL, DISCONNECT = 12, 15, 19, 2, 27


def ai(name: str, value: str = "5") -> Record:
    return Record("ai", name, {"VAL": value}, {})


async def test_a_new_record_is_served_to_clients_that_are_connected(host: Host) -> None:
    client = await host.connect()
    await client.watch("VALUE", 1)
    await host.server.change([ai("NEW")], [])
    sid = await client.open("NEW", 2)
    client.writer.write(event_add(sid, 2))
    assert await client.double() == 5.0
    host.server.post({"NEW": 6.0, "VALUE": 7.0})
    assert [await client.double(), await client.double()] == [6.0, 7.0]


async def test_only_channels_of_a_record_that_goes_are_disconnected(host: Host) -> None:
    client, other = await host.connect(), await host.connect()
    sid = await client.watch("VALUE", 11)
    await client.watch("OUT", 12)
    await other.watch("OUT", 12)
    budget = host.server._server.budget
    used = budget.used
    await host.server.change([], ["VALUE"])
    assert budget.used < used
    command, _, _, cid, _, _ = await client.message()
    assert (command, cid) == (DISCONNECT, 11)
    # What was on its way when the channel went, from reading to clearing, ends nothing.
    client.writer.write(
        message_header(READ_NOTIFY, 0, TIME_DOUBLE, 0, sid, 1)
        + message_header(WRITE_NOTIFY, 8, 6, 1, sid, 2)
        + bytes(8)
        + message_header(EVENT_CANCEL, 0, TIME_DOUBLE, 0, sid, 11)
        + event_add(sid, 13)
        + message_header(CLEAR_CHANNEL, 0, 0, 0, sid, 11)
    )
    assert await client.sync() == []
    assert await other.sync() == []
    host.server.post({"OUT": 3.0})
    assert [await client.double(), await other.double()] == [3.0, 3.0]
    with pytest.raises(NotConnected):
        host.server.post({"VALUE": 1.0})


async def test_a_record_of_another_kind_takes_the_place_of_one_that_goes(host: Host) -> None:
    client = await host.connect()
    sid = await client.watch("VALUE", 1)
    written: list[object] = []

    async def write(value: object) -> None:
        written.append(value)

    host.server.on_write("VALUE", write)
    await host.server.change([Record("longout", "VALUE", {"VAL": "8"}, {})], ["VALUE"])
    assert (await client.message())[0] == DISCONNECT
    fresh = await client.open("VALUE", 1)
    assert fresh != sid
    client.writer.write(event_add(fresh, 1))
    assert await client.double() == 8.0
    client.writer.write(message_header(WRITE_NOTIFY, 8, 5, 1, fresh, 2) + (4).to_bytes(4, "big") + bytes(4))
    await client.answers({WRITE_NOTIFY}, 1)
    assert written == [], "the handler went with its record"


@pytest.mark.parametrize(
    ("added", "removed", "problem"),
    [
        ([ai("OUT")], ["VALUE"], BadInput),
        ([ai("NEW"), ai("NEW")], ["VALUE"], BadInput),
        ([Record("ai", "NEW", {"NOSUCH": "1"}, {})], ["VALUE"], BadInput),
        ([ai("NEW")], ["VALUE", "NOBODY"], NotConnected),
    ],
)
async def test_a_change_that_cannot_be_made_changes_nothing(
    host: Host, added: list[Record], removed: list[str], problem: type[Exception]
) -> None:
    client = await host.connect()
    await client.watch("VALUE")
    with pytest.raises(problem):
        await host.server.change(added, removed)
    host.server.post({"VALUE": 2.0})
    assert await client.double() == 2.0
    assert await client.sync() == []


async def test_new_records_are_scanned_and_processed_as_at_the_start(host: Host) -> None:
    fields = {"INP": "4", "PINI": "YES", "SCAN": ".1 second"}
    await host.server.change([Record("ai", "SCANNED", fields, {})], [])
    assert host.server.value("SCANNED") == 4.0
    assert host.server.alarm("SCANNED")[0] == 0
    assert any(host.server._scanner._lists.values())
    await host.server.change([], ["SCANNED"])
    assert not any(host.server._scanner._lists.values())
