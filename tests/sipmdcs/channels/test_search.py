"""Many names are found although answers are late or lost, and each answer is passed on once."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from struct import Struct

import pytest

from sipmdcs.channels_ca_search import WORTHWHILE, BulkSearch

HEADER = Struct(">HHHHII")
TCP_PORT = 4711
NAMES = [f"T:BENCH:PS{n // 16}:CH{n % 16}:X" for n in range(3 * WORTHWHILE)]


def searches(datagram: bytes) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(datagram):
        command, size, _, _, number, _ = HEADER.unpack_from(datagram, at)
        at += HEADER.size + size
        if command == 6:
            yield number, datagram[at - size : at].rstrip(b"\0").decode()


def message(command: int, kind: int, first: int, second: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(command, len(payload), kind, 0, first, second) + payload


class Server:
    """Answers late, loses the first answer of every third name, and has none that is called GONE."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.asked: list[str] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            data, client = self.sock.recvfrom(65_535)
            if not data:
                return
            reply = message(0, 1, 1, 0)
            for number, name in searches(data):
                lost = hash(name) % 3 == 0 and name not in self.asked
                self.asked.append(name)
                if not lost and "GONE" not in name:
                    reply += message(6, TCP_PORT, 0xFFFF_FFFF, number, b"\0\r" + bytes(6))
            threading.Timer(0.1, self._reply, (reply, client)).start()

    def _reply(self, reply: bytes, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):  # the test is over
            self.sock.sendto(reply, client)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with made.sock:
        yield made
        made.sock.sendto(b"", made.sock.getsockname())
        made.thread.join()


def open_search(server: Server, auto: str = "NO") -> BulkSearch:
    port = server.sock.getsockname()[1]
    return BulkSearch({"EPICS_CA_ADDR_LIST": f"127.0.0.1:{port} no.such.host", "EPICS_CA_AUTO_ADDR_LIST": auto})


def ask_as_libca(search: BulkSearch, names: list[str]) -> list[bytes]:
    """Names in one datagram; the messages of the answer, none if there is none."""
    with search.listed():
        host, port = os.environ["EPICS_CA_ADDR_LIST"].split()[-1].split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1.0)
        padded = [(name.encode() + b"\0").ljust(len(name) // 8 * 8 + 8, b"\0") for name in names]
        questions = b"".join(message(6, 5, number, number, name) for number, name in enumerate(padded))
        sock.sendto(message(0, 1, 77, 0) + questions, (host, int(port)))
        try:
            data = sock.recv(65_535)
        except TimeoutError:
            return []
    assert data[:16] == HEADER.pack(0, 0, 1, 13, 77, 0), "the number of the datagram comes back"
    return [data[at : at + 24] for at in range(16, len(data), 24)]


def test_late_and_lost_answers_are_waited_for_and_given_once(server: Server) -> None:
    search = open_search(server)
    search.find([*NAMES, "GONE:1", "GONE:2"], 20.0)
    assert server.asked.count("GONE:1") == 2
    assert max(map(server.asked.count, NAMES)) == 2, "those whose answer was lost, once more"
    for at in range(0, len(NAMES), 20):
        answers = ask_as_libca(search, NAMES[at : at + 20])
        expected = [HEADER.pack(6, 8, TCP_PORT, 0, 0x7F00_0001, number) for number in range(20)]
        assert [answer[:16] for answer in answers] == expected
    assert ask_as_libca(search, [NAMES[0], "GONE:1"]) == []
    search.close()


def test_few_names_and_addresses_that_libca_finds_out_are_left_to_it(server: Server) -> None:
    for search, names in ((open_search(server), NAMES[: WORTHWHILE - 1]), (open_search(server, "YES"), NAMES)):
        search.find(names, 5.0)
        assert server.asked == []
        search.close()
