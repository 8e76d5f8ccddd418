"""A process that is killed after a given step of compaction or merging, once for every step."""

import os
import signal
import sys
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from archiver import manifest
from archiver.compactor import Compactor
from archiver.merger import Merger
from archiver.storage import Storage
from sipmdcs.clock import ManualClock
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from tests.archiver.making import START_NS, link_rows, payload_rows, sample_rows

SEGMENTS = 2


def fill(storage: Storage) -> None:
    """As many sealed segments as ``SEGMENTS``."""
    for number in range(SEGMENTS):
        storage.log.append(sample_rows([(1, number, float(number)), (2, 86_400 + number, float(number))]))
        storage.log.append(payload_rows([(1, number + 0.5, f"text {number}")]))
        storage.log.append(link_rows([(2, number, True)]))
        storage.log.request_seal()
        storage.log.write()


def run(folder: Path, kill_after: int) -> None:
    """Compact and merge; die by SIGKILL after so many steps."""
    clock = ManualClock(START_NS)
    storage = Storage(folder, clock)
    storage.start(dict.fromkeys(["T:A", "T:B"], ArchivePolicy(ArchiveMethod.MONITOR, 1.0)))
    fill(storage)
    step = count(1)

    def done() -> None:
        if next(step) == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    compactor = Compactor(storage.log, storage.catalogue, storage.lake)
    for segment in storage.log.sealed:
        for _ in compactor.steps(segment):
            done()
    with storage.catalogue.reading() as db:
        files = manifest.files(db)
    merger = Merger(storage.catalogue, storage.lake, clock)
    for partition in sorted({file.partition for file in files}):
        for _ in merger.steps([file for file in files if file.partition == partition]):
            done()
    storage.close()


def main(root: Path) -> None:
    """One child for every step, each in a folder of its own, until one is not killed."""
    with TemporaryDirectory() as folder:
        run(Path(folder), 0)  # what PyArrow loads late is loaded once here, not in each child
    for kill_after in count(1):
        child = os.fork()
        if child == 0:
            run(root / str(kill_after), kill_after)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
