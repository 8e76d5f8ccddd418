"""The spool: what was put comes out, once, in order, whatever happens in between."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.spool import Entry, Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def drained(spool: Spool) -> list[int]:
    found: list[int] = []
    spool.drain(lambda entry: found.append(entry.content["n"]))
    return found


def test_first_in_first_out(spool: Spool) -> None:
    assert (len(spool), spool.entries(), drained(spool)) == (0, [], [])
    keys = [spool.put({"n": n, "text": "ü\n"}) for n in range(20)]
    assert keys == sorted(keys)
    assert [entry.key for entry in spool.entries()] == keys
    assert (len(spool), drained(spool), len(spool)) == (20, list(range(20)), 0)


def test_a_clock_that_steps_back_does_not_change_the_order(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.folder.mkdir()
    (spool.folder / "zzz.json").write_text("[]")  # by whomever
    keys: list[str] = []
    for n, time_ns in enumerate((2_000, 3_000, 1_000, 500)):
        monkeypatch.setattr("time.time_ns", lambda time_ns=time_ns: time_ns)
        keys.append(spool.put({"n": n}))
    assert [int(key.split("-")[0]) for key in keys] == [2_000, 3_000, 3_001, 3_002]
    assert drained(spool) == [0, 1, 2, 3]


def test_what_somebody_else_took_meanwhile_does_not_count(spool: Spool) -> None:
    keys = [spool.put({"n": n}) for n in range(2)]
    (spool.folder / "0-taken.json").symlink_to("nowhere")  # it has a name, and no content any more
    assert [entry.key for entry in spool.entries()] == keys
    assert spool.drain(lambda entry: (spool.folder / f"{entry.key}.json").unlink()) == 2


def test_one_that_cannot_be_taken_is_set_aside(spool: Spool) -> None:
    for n in range(3):
        spool.put({"n": n})

    def take(entry: Entry) -> None:
        if entry.content["n"] == 1:
            raise BadInput("no such run")

    assert spool.drain(take) == 2
    assert spool.refused == spool.folder / "refused"
    (reason,) = spool.refused.glob("*.reason")
    assert reason.read_text() == "no such run\n"
    assert reason.with_suffix(".json").is_file()
    assert len(spool) == 0


def test_an_error_keeps_the_rest_waiting(spool: Spool) -> None:
    for n in range(3):
        spool.put({"n": n})

    def take(entry: Entry) -> None:
        if entry.content["n"] == 1:
            raise ServiceError("the database is away")

    with pytest.raises(ServiceError, match="is away"):
        spool.drain(take)
    assert drained(spool) == [1, 2]


def test_one_drains_at_a_time(spool: Spool) -> None:
    other: list[int] = []
    for n in range(2):
        spool.put({"n": n})
    assert spool.drain(lambda _entry: other.append(Spool(spool.folder).drain(lambda entry: pytest.fail(entry.key)))) == 2
    assert other == [0, 0]


@pytest.mark.parametrize("text", ["", "{", "[1]", '"n"', "\x00", "\ud800"])
def test_what_is_no_entry_is_set_aside(spool: Spool, text: str) -> None:
    spool.put({"n": 1})
    (spool.folder / "0-broken.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert drained(spool) == [1]
    assert [path.read_text() for path in spool.refused.glob("*.reason")] == ["not a JSON object\n"]


def test_parts_of_entries_do_not_count(spool: Spool) -> None:
    spool.put({"n": 1})
    (spool.folder / ".0-part.part").write_text('{"n": 0')
    assert (len(spool), drained(spool)) == (1, [1])


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.write_text("a file")
    with pytest.raises(ServiceError, match=f"^{folder}: cannot keep what is to be stored later: "):
        Spool(folder).put({})
    with pytest.raises(ServiceError, match=f"^{folder}: "):
        Spool(folder).drain(lambda _entry: None)


def put_many(folder: str, process: int) -> None:
    for n in range(50):
        Spool(Path(folder)).put({"process": process, "n": n})


def test_many_processes_put_while_others_take(spool: Spool) -> None:
    spool.folder.mkdir()
    found: list[tuple[int, int]] = []
    done = threading.Event()

    def take() -> None:
        while not done.is_set() or len(spool):
            spool.drain(lambda entry: found.append((entry.content["process"], entry.content["n"])))

    takers = [threading.Thread(target=take) for _ in range(2)]
    for taker in takers:
        taker.start()
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(put_many, [(str(spool.folder), process) for process in range(3)])
    done.set()
    for taker in takers:
        taker.join()
    assert sorted(found) == [(process, n) for process in range(3) for n in range(50)]
    for process in range(3):
        assert [n for who, n in found if who == process] == list(range(50))


PUTTER = """
import sys
from pathlib import Path
from sipmdcs.spool import Spool
spool = Spool(Path(sys.argv[1]))
for n in range(100_000):
    spool.put({"n": n})
    print(n, flush=True)
"""


def test_what_was_put_before_a_kill_is_there(spool: Spool) -> None:
    process = subprocess.Popen([sys.executable, "-c", PUTTER, str(spool.folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = -1
    for line in process.stdout:
        said = int(line)
        if said == 30:
            os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = drained(spool)
    assert found == list(range(len(found)))
    assert len(found) > said
