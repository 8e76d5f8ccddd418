"""``sipmdcs ioc --db`` serves any database file, without a site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from iocs.commands import parse_macros

PROGRAM = str(Path(sys.executable).with_name("sipmdcs"))
CLIENT = Path(__file__).with_name("ca_process.py")


def test_a_file_with_macros(tmp_path: Path, free_ports) -> None:
    (tmp_path / "my.db").write_text('record(ao, "$(P):SET") { field(VAL, "$(V=1)") field(PINI, "YES") }')
    server_port, repeater_port = free_ports(2)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("EPICS_", "SIPMDCS_"))} | {
        "EPICS_CA_ADDR_LIST": "127.255.255.255",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(server_port),
        "EPICS_CA_REPEATER_PORT": str(repeater_port),
    }
    ioc = [PROGRAM, "--log-level", "info", "ioc", "--db", "my.db", "-m", "P=T,V=2.5"]
    with subprocess.Popen(ioc, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        requests = "\n".join((json.dumps({"put": {"T:SET": 3.5}}), json.dumps({"get": ["T:SET"]})))
        client = [sys.executable, str(CLIENT)]
        done = subprocess.run(client, input=requests, capture_output=True, text=True, env=environment, check=True)
        server.terminate()
    assert f"serving 1 records on 127.0.0.1, port {server_port}" in line
    assert [json.loads(answer) for answer in done.stdout.splitlines()] == [[1], [[3.5, 0]]]


def test_macros() -> None:
    assert parse_macros("") == {}
    assert parse_macros("A=1, B=x=y,C=") == {"A": "1", "B": "x=y", "C": ""}
