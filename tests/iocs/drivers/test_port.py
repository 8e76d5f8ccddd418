"""Where a controller is."""

from __future__ import annotations

from pathlib import Path

import pytest

from iocs.drivers.port import endpoint_source, host_and_port
from sipmdcs.errors import BadInput, ServiceError

NOWHERE = Path("/nonexistent/HV13.json")


@pytest.mark.parametrize(
    ("port", "endpoint"),
    [
        ("serial:///dev/ttyUSB0", {"tty": "/dev/ttyUSB0"}),
        ("tcp://192.168.5.13", {"telnet": "192.168.5.13:23", "http": "192.168.5.13:80", "user": "", "password": ""}),
        ("tcp://nim13:2323", {"telnet": "nim13:2323", "http": "nim13:80", "user": "", "password": ""}),
        ("tcp://nim13:2323:8080/", {"telnet": "nim13:2323", "http": "nim13:8080", "user": "", "password": ""}),
        ("tcp://a:b%40c@nim13", {"telnet": "nim13:23", "http": "nim13:80", "user": "a", "password": "b@c"}),
    ],
)
def test_ports(port: str, endpoint: dict[str, str]) -> None:
    assert endpoint_source(port, NOWHERE)() == endpoint


@pytest.mark.parametrize("port", ["", "simulated", "serial://ttyUSB0", "tcp://", "tcp://host:a", "http://host"])
def test_what_is_no_port(port: str) -> None:
    with pytest.raises(BadInput, match="neither"):
        endpoint_source(port, NOWHERE)


def test_a_wrong_port_does_not_tell_its_password() -> None:
    with pytest.raises(BadInput, match=r"tcp://u:\*\*\*@host:x") as caught:
        endpoint_source("tcp://u:secret@host:x", NOWHERE)
    assert "secret" not in str(caught.value)


def test_simulator_is_looked_up_at_each_connect(tmp_path: Path) -> None:
    file = tmp_path / "HV13.json"
    source = endpoint_source("sim", file)
    with pytest.raises(ServiceError, match="no simulator"):
        source()
    file.write_text('{"tty": "/dev/pts/7"}')
    assert source() == {"tty": "/dev/pts/7"}
    file.write_text('{"tty": "/dev/pts/8"}')
    assert source() == {"tty": "/dev/pts/8"}


@pytest.mark.parametrize("text", ["{", "[]", '{"tty": 1}'])
def test_simulator_file_that_makes_no_sense(tmp_path: Path, text: str) -> None:
    file = tmp_path / "HV13.json"
    file.write_text(text)
    with pytest.raises(ServiceError, match=r"HV13\.json"):
        endpoint_source("sim", file)()


def test_host_and_port() -> None:
    assert host_and_port("127.0.0.1:23") == ("127.0.0.1", 23)
