"""Producers: one file, atomically, whatever the key; clear errors; no waiting for anything but the disk."""

import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.chain.inbox import deliver, inbox
from analysis.chain.rawfile import RawResult, pack, unpack
from analysis.outcome import Kind
from sipmdcs.errors import BadInput, ServiceError

CHANNEL = "PADME:PVETO:HV13:CH01"


def good(**change: Any) -> dict[str, Any]:
    return {"key": "k1", "channel": CHANNEL, "kind": Kind.SPECTRUM, "array": [1.0, 2.0], "conditions": {}} | change


def result(key: str = "k1") -> RawResult:
    return RawResult(key, CHANNEL, Kind.SPECTRUM, np.arange(1000.0), {"temperature_C": 24.5}, 7, datetime.now(UTC))


def test_what_is_delivered_comes_back(tmp_path: Path) -> None:
    at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    curve = np.array([[50.0, 1e-9], [51.0, 2e-9]])
    conditions = {"temperature_C": 24.5}
    path = deliver(
        tmp_path,
        key="run/7",
        channel=CHANNEL,
        kind=Kind.IV,
        array=curve,
        conditions=conditions,
        run=7,
        taken_at=at,
    )
    assert path.parent == inbox(tmp_path)
    found = unpack(path.read_bytes())
    assert (found.key, found.channel, found.kind, found.run, found.taken_at) == ("run/7", CHANNEL, Kind.IV, 7, at)
    assert found.conditions == {"temperature_C": 24.5}
    np.testing.assert_array_equal(found.array, curve)


def test_a_key_given_twice_is_one_result_and_the_first_counts(tmp_path: Path) -> None:
    first = deliver(tmp_path, **good())
    again = deliver(tmp_path, **good(array=[3.0]))
    assert first == again
    assert [path.name for path in inbox(tmp_path).iterdir()] == [first.name]
    assert unpack(first.read_bytes()).array.tolist() == [1.0, 2.0]


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80))
def test_any_key_makes_one_file_in_the_inbox(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    folder = tmp_path_factory.mktemp("raw")
    path = deliver(folder, **good(key=key))
    assert [found for found in folder.rglob("*") if found.is_file()] == [path]
    assert unpack(path.read_bytes()).key == key


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"key": ""}, "key: ''"),
        ({"key": "x" * 81}, "1 to 80 visible ASCII"),
        ({"key": "a\nb"}, "visible ASCII"),
        ({"channel": "../etc"}, "channel: '../etc'"),
        ({"run": -1}, "run: -1"),
        ({"taken_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - that is the fault
        ({"conditions": {"temperature_C": float("nan")}}, "temperature_C=nan"),
        ({"array": [[1.0, 2.0]]}, r"array: spectrum k1: shape (1, 2), expected (N,)"),
        ({"array": 3.0}, "shape ()"),
        ({"array": ["a"]}, "expected numbers"),
        ({"kind": Kind.IV}, "expected (N, 2)"),
    ],
)
def test_what_no_analysis_can_be_made_of_is_refused_at_once(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput) as caught:
        deliver(tmp_path, **good(**change))
    assert text in str(caught.value)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from analysis.chain.inbox import deliver
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # the kernel refuses the rest of the file
try:
    deliver(Path(sys.argv[1]), key="k1", channel="A:B", kind="spectrum", array=np.zeros(10_000), conditions={})
except Exception as err:
    sys.exit(f"{type(err).__name__}: {err}")
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"ServiceError: {inbox(tmp_path) / 'k1.npz'}: raw result k1 of A:B cannot be kept: File too large"
    )
    assert list(inbox(tmp_path).iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file", "utf-8")
    with pytest.raises(ServiceError, match="raw result k1 of PADME:PVETO:HV13:CH01 cannot be kept: Not a directory"):
        deliver(tmp_path / "raw", **good())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:500] + b"\xff" + content[501:],
        lambda content: os.urandom(5000),
        lambda content: content.replace(b'"run": 7', b'"run": x'),
    ],
    ids=["empty", "cut", "flipped", "noise", "edited"],
)
def test_a_damaged_file_is_named_as_such(spoil: Any) -> None:
    with pytest.raises(BadInput, match="no raw result"):
        unpack(spoil(pack(result())))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    np.savez(path, about=np.array([{"key": "k"}], dtype=object), array=np.zeros(3))
    with pytest.raises(BadInput, match="no raw result"):
        unpack(path.read_bytes())
