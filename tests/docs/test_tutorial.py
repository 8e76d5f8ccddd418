"""The tutorial works when typed: every command of it, in order, in one shell, in an empty home."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TUTORIAL = PROJECT / "docs" / "tutorial" / "first-light.md"
DONE = "---done---"


class Shell:
    """A bash that runs one command after the other and keeps its environment, as a terminal does."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash"],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, command: str) -> tuple[str, int]:
        """Output and exit status of a command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\necho {DONE}$?\n")
        self._process.stdin.flush()
        output = ""
        while DONE not in (line := self._process.stdout.readline()):
            assert line, f"the shell ended in: {command}\n{output}"
            output += line
        rest, _, status = line.partition(DONE)
        return output + rest, int(status)

    def close(self) -> None:
        self._process.communicate(timeout=10)


@pytest.fixture
def shell(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> Iterator[Shell]:
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    opened = Shell(environment)
    yield opened
    opened.type("sipmdcs down")
    opened.close()


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", TUTORIAL.read_text("utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line != "make install"]


def on_free_ports(shell: Shell, ports: list[int]) -> None:
    """The tests of a machine may run beside a real site: not on the default ports."""
    server, repeater, archiver, alarms = ports
    shell.type("sed -i '/^alarms:/d' ~/mysite/site.yaml")
    access = f"channel_access: {{server_port: {server}, repeater_port: {repeater}}}"
    for line in (access, f"archiver: {{port: {archiver}}}", f"alarms: {{port: {alarms}}}"):
        shell.type(f"echo '{line}' >> ~/mysite/site.yaml")
    shell.type(f"export EPICS_CA_SERVER_PORT={server} EPICS_CA_REPEATER_PORT={repeater}")


@pytest.mark.system
@pytest.mark.timeout(240)
@pytest.mark.skipif(Path(sys.prefix) != PROJECT / ".venv", reason="the tutorial's program is the one in .venv of the checkout")
def test_every_command_works_when_typed(shell: Shell, free_ports: Callable[[int], list[int]]) -> None:
    said: dict[str, str] = {}
    for command in commands():
        output, status = shell.type(command)
        if command.startswith(("sipmdcs alarm list", "cat ")):  # typed by hand some seconds later than by a test
            deadline = time.monotonic() + 30
            while "CURRENT_RBV" not in output and time.monotonic() < deadline:
                output, status = shell.type(command)
        assert status == 0, f"{command}\n{output}"
        said[command] = output
        if command.startswith("cp -r"):
            on_free_ports(shell, free_ports(4))
    assert "55.8" in said["caproto-get LAB:BENCH:PS1:CH01:BIAS_RBV"], said["caproto-get LAB:BENCH:PS1:CH01:BIAS_RBV"]
    assert "MAJOR" in said["sipmdcs alarm list"]
    assert "verified" in said["sipmdcs config push"]
    history = next(output for command, output in said.items() if command.startswith("sipmdcs archive get"))
    assert "MAJOR" in history
