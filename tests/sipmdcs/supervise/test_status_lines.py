from pathlib import Path

import pytest

from sipmdcs.logs import last_error
from sipmdcs.supervise.run_folder import SOCKET_LIMIT, RunFolder
from sipmdcs.supervise.status import last_exits, tail


def test_last_exit_is_the_newest_of_each_program() -> None:
    lines = [
        "2026-11-21 10:23:31,605 INFO spawned: 'a' with pid 1",
        "2026-11-21 10:23:36,437 WARN exited: a (exit status 1; not expected)",
        "2026-11-21 10:23:36,437 INFO exited: b (exit status 0; expected)",
        "2026-11-21 10:23:37,437 WARN exited: a (terminated by SIGKILL; not expected)",
        "2026-11-21 10:23:37,437 INFO stopped: c (exit status 0)",
    ]
    assert last_exits(lines) == {"a": "terminated by SIGKILL", "b": "exit status 0", "c": "exit status 0"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2026-11-21T10:02:03.123Z ERROR archiver.capture: disk full", "archiver.capture: disk full"),
        ("2026-11-21T10:02:03.123Z CRITICAL iocs: gone", "iocs: gone"),
        ("Error: var/site.yaml:3: prefix: is missing", "var/site.yaml:3: prefix: is missing"),
        ("ModuleNotFoundError: No module named 'x'", "ModuleNotFoundError: No module named 'x'"),
        ("sipmdcs.errors.BadInput: a: b", "sipmdcs.errors.BadInput: a: b"),
        ("2026-11-21T10:02:03.123Z INFO iocs: no ERROR here", ""),
        ("2026-11-21T10:02:03.123Z WARNING iocs: OSError: x", ""),
        ("Traceback (most recent call last):", ""),
        ("CA.Client.Exception" + "." * 47, ""),
        ("  raise ValueError(x)", ""),
    ],
)
def test_last_error_finds_complaints_only(line: str, found: str) -> None:
    assert last_error(["first", line, "2026-11-21T10:02:03.123Z INFO x: later"]) == found


def test_tail_reads_the_end_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 100_000 + b"\nlast \xff\n")
    assert tail(path)[-1] == "last \ufffd"
    assert sum(map(len, tail(path))) < 70_000
    assert tail(tmp_path / "none") == []


@pytest.mark.parametrize("length", [10, 60, 80, 99, 100, 101, 107, 108, 200])
def test_socket_path_always_fits(length: int) -> None:
    var = Path("/" + "x" * (length - 1))
    socket = RunFolder(var).socket
    assert len(bytes(socket)) + len(".1234567") <= SOCKET_LIMIT
    assert socket == RunFolder(var).socket
    assert socket != RunFolder(var.with_name("y" * (length - 1))).socket
