"""Requests one by one: how a stream is cut into them, and that one which cannot be granted fails by itself."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.server_requests import SMALL_REQUEST, ProtocolError, RequestReader, message_header
from tests.iocs.server.raw import TIME_DOUBLE, Host, create, event_add

NUMBER = st.integers(0, 0xFFFF_FFFF)
SHORT = st.integers(0, 0xFFFF)
PAYLOAD = st.binary(max_size=5).map(lambda words: words * 8) | st.sampled_from([SMALL_REQUEST + 8, 70_000]).map(bytes)
MESSAGE = st.tuples(SHORT, SHORT, NUMBER, NUMBER, NUMBER, PAYLOAD)


@given(messages=st.lists(MESSAGE, max_size=6), cuts=st.lists(st.integers(1, 40_000), max_size=40), room=st.booleans())
def test_requests_come_out_as_they_went_in_however_the_stream_is_cut(
    messages: list[tuple[int, int, int, int, int, bytes]], cuts: list[int], room: bool
) -> None:
    """Those with a large payload without it, where there is no room."""
    stream = b"".join(message_header(m[0], len(m[5]), *m[1:5]) + m[5] for m in messages)
    reader = RequestReader(lambda _: room)
    found = []
    while stream:
        cut = cuts.pop() if cuts else len(stream)
        reader.feed(stream[:cut])
        stream = stream[cut:]
        while request := reader.next():
            found.append(request)
    expected = [(*m[:5], m[5] if room or len(m[5]) <= SMALL_REQUEST else None, len(m[5])) for m in messages]
    assert [tuple(request) for request in found] == expected
    assert reader.is_between_requests


def test_a_payload_that_is_not_a_multiple_of_eight_breaks_the_protocol() -> None:
    reader = RequestReader(lambda _: True)
    reader.feed(message_header(23, 12, 0, 0, 0, 0))
    with pytest.raises(ProtocolError, match="12 bytes"):
        reader.next()


FILTERS = ["{}", "[0:3]", '{"dbnd":{"d":1}}', '{"dbnd":{"abs":1.5}}', '{"arr":{"s":1}}', '{"ts":{}}', '{"dec":{"n":3}}']
FILTERS += [
    '{"sync":{"m":"while","s":"x"}}',
    '{"nofilter":{}}',
    ' {"ts":{}}',
    '{"µ":1}',
    "{bad",
    "{",
    "}",
    "[",
    "]",
    "[a]",
    "[::::]",
]
FILTERS += [
    '{"a":' * 200,
    '{"a":1',
    "{" * 500,
    '{"a":NaN}',
    "{1}",
    "[]",
    "[1,2]",
    "{'a':1}",
    '{"a":"\x01"}',
    "{}{}",
    "VAL$",
    "VAL$$",
    "$",
]


async def test_a_name_that_is_no_channel_fails_by_itself(host: Host) -> None:
    """Channel filters, well formed or not, which are not implemented; names of any bytes and length."""
    client = await host.connect()
    names = (
        [f"VALUE.{text}" for text in FILTERS] + [f"VALUE.VAL{text}" for text in FILTERS] + [f"VALUE{text}" for text in FILTERS]
    )
    names += ["", ".", "..", "VALUE..VAL", "VALUE.val", " VALUE", "VALUE ", "N" * 500, "N" * 16_000, "VALUE." * 300, "µ"]
    client.writer.write(b"".join(create(name, cid) for cid, name in enumerate(names)))
    client.writer.write(message_header(18, 0, 0, 0, 997, 13) + message_header(18, 8, 0, 0, 998, 13) + b"\xff" * 8)
    failed = await client.answers({18, 26}, len(names) + 2)
    assert {names[message[3]] if message[3] < 900 else message[3] for message in failed if message[0] == 18} == set()
    sid = await client.open("VALUE", 999)
    client.writer.write(message_header(15, 0, TIME_DOUBLE, 0, sid, 5))
    assert (await client.message())[3:5] == (1, 5)


REFUSED = {
    "monitor of a type that there is not": (event_add(1, 5, dbr=39), (11, 114)),
    "monitor without reason": (event_add(1, 5, mask=0), (11, 48)),
    "monitor without mask": (message_header(1, 0, 20, 0, 1, 5), (11, 48)),
    "monitor of a type that cannot be read": (event_add(1, 5, dbr=35), (1, 152)),
    "read of a type that there is not": (message_header(15, 0, 300, 0, 1, 5), (15, 152)),
    "old read of a type that there is not": (message_header(3, 0, 39, 1, 1, 5), (11, 152)),
    "put of a type that there is not": (message_header(4, 8, 39, 1, 1, 5) + bytes(8), (11, 114)),
    "put with completion of such a type": (message_header(19, 8, 39, 1, 1, 5) + bytes(8), (19, 114)),
    "put of fewer bytes than elements": (message_header(19, 8, 6, 5, 1, 5) + bytes(8), (19, 114)),
    "put of nothing": (message_header(19, 0, 6, 1, 1, 5), (19, 114)),
    "acknowledgement without severity": (message_header(19, 0, 35, 1, 1, 5), (19, 1)),
    "put that is too large": (struct.pack(">HHHHIIII", 4, 0xFFFF, 6, 0, 1, 5, 8 << 20, 1) + bytes(8 << 20), (11, 72)),
    "name that is too large": (struct.pack(">HHHHIIII", 18, 0xFFFF, 0, 0, 5, 13, 100_000, 0) + bytes(100_000), (26, 0)),
    "another name once there are channels": (message_header(20, 8, 0, 0, 0, 0) + b"eve\0\0\0\0\0", (11, 142)),
}


@pytest.mark.parametrize(("request_", "answer"), REFUSED.values(), ids=REFUSED)
async def test_a_request_that_cannot_be_granted_fails_by_itself(host: Host, request_: bytes, answer: tuple[int, int]) -> None:
    client = await host.connect()
    assert await client.open("VALUE") == 1
    client.writer.write(request_)
    (message,) = await client.sync()
    status = {11: 4, 1: 3, 15: 3, 19: 3, 26: 4}[message[0]]
    assert (message[0], message[status]) == answer


BROKEN = {
    "request that is none": (message_header(30, 0, 0, 0, 0, 0), 142),
    "answer as a request": (message_header(26, 0, 0, 0, 0, 0), 142),
    "read of an unknown channel": (message_header(15, 0, 6, 1, 99, 5), 142),
    "put to an unknown channel": (message_header(19, 8, 6, 1, 99, 5) + bytes(8), 142),
    "monitor of an unknown channel": (event_add(99, 1), 142),
    "clearing an unknown channel": (message_header(12, 0, 0, 0, 99, 1), 142),
    "end of an unknown monitor": (message_header(2, 0, 20, 0, 1, 77), 242),
    "version of long ago": (message_header(0, 0, 0, 3, 0, 0), 142),
}


@pytest.mark.parametrize(("request_", "status"), BROKEN.values(), ids=BROKEN)
async def test_a_client_that_has_lost_its_way_is_told_and_disconnected(host: Host, request_: bytes, status: int) -> None:
    """As EPICS Base does; other clients do not notice."""
    client, other = await host.connect(), await host.connect()
    await client.open("VALUE")
    await other.watch("VALUE")
    client.writer.write(request_)
    command, _, _, _, code, payload = await client.message()
    assert (command, code, payload[:16]) == (11, status, request_[:16])
    assert await client.reader.read() == b""
    host.server.post({"VALUE": 3.5})
    assert await other.double() == 3.5


async def test_what_base_answers_too(host: Host) -> None:
    """An echo with header and payload, the synchronisation of old clients, a name up to its terminator, without a version."""
    client = await host.connect(version=False)
    assert (await client.message())[:3] == (0, 0, 13), "the server says its version first"
    for payload, count in ((b"12345678", 4), (bytes(1 << 18), 4), (b"12345678", 1 << 20)):
        client.writer.write(message_header(23, len(payload), 3, count, 5, 6) + payload)
        assert await client.message() == (23, 3, count, 5, 6, payload)
    client.writer.write(message_header(10, 8, 0, 0, 7, 8) + bytes(8))
    client.writer.write(message_header(18, 16, 0, 0, 9, 13) + b"VALUE\0rubbish\0\0\0")
    assert await client.message() == (10, 0, 0, 7, 8, b"")
    assert (await client.message())[0] == 22
    assert (await client.message())[0] == 18
