"""What every part's tests share: free ports and the folder of real data."""

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """So many different ports, free on 127.0.0.1 for UDP and TCP, none of them given out twice in this session."""
    given: set[int] = set()

    def find(count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            port = _free_for_udp_and_tcp()
            if port is not None and port not in given:
                given.add(port)
                found.append(port)
        return found

    return find


@pytest.fixture
def free_port(free_ports: Callable[[int], list[int]]) -> int:
    """One free port."""
    return free_ports(1)[0]


def _free_for_udp_and_tcp() -> int | None:
    with ExitStack() as stack:
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        port: int = udp.getsockname()[1]
        tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        try:
            tcp.bind(("127.0.0.1", port))
        except OSError:
            return None
        return port


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data that does not come with the project: ``SIPMDCS_DATA``, else ``../shared/data``."""
    folder = Path(os.environ.get("SIPMDCS_DATA") or PROJECT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real data are not in {folder}; name their folder in SIPMDCS_DATA")
    return folder
