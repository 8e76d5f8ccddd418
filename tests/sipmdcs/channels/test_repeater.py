"""No noise: a client starts the CA repeater that it needs, and says nothing on stderr."""

import os
import subprocess
import sys
from pathlib import Path

from sipmdcs.channels_ca_repeater import answers

_CLIENT = """
import sys
from sipmdcs.channels import open_channels
pvs = open_channels()
pvs.get(["NOWHERE"], timeout=0.2)
with pvs.capture(["NOWHERE"]):
    sys.stdout.write("there\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def _start(port: int, empty: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CLIENT],
        env=os.environ
        | {
            "EPICS_CA_REPEATER_PORT": str(port),
            "EPICS_CA_ADDR_LIST": f"127.0.0.1:{port}",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "PATH": str(empty),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_first_client_repeats_for_all(free_port, tmp_path):
    assert not answers(free_port, timeout=0.01)
    clients = []
    for _ in range(2):
        clients.append(client := _start(free_port, tmp_path))
        assert client.stdout is not None
        assert client.stdout.readline() == "there\n"
        assert answers(free_port)
    for client in clients:
        assert client.communicate("") == ("", "")
        assert client.returncode == 0
    assert not answers(free_port, timeout=0.01), "nothing stays behind"


def test_process_that_never_closes(free_port, tmp_path):
    """An exit with channels and captures open is as quiet."""
    client = subprocess.run(
        [sys.executable, "-c", _CLIENT.replace("with pvs.capture", "if pvs.capture")],
        env=os.environ | {"EPICS_CA_REPEATER_PORT": str(free_port), "EPICS_CA_ADDR_LIST": "127.0.0.1", "PATH": str(tmp_path)},
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    assert client.stderr == ""
