"""Every write that has to outlive a loss of power: forced to the disk, named after that, and the folder forced last."""

from pathlib import Path

import pytest

from tests.fsync_recorder import Call, FsyncRecorder, durable

SPOOL = """
import sys
from pathlib import Path
from sipmdcs.errors import BadInput
from sipmdcs.spool import Spool
spool = Spool(Path(sys.argv[1]) / "deep" / "spool")
spool.put({"n": 1})
def take(entry):
    raise BadInput("no such run")
spool.drain(take)
"""

PRESENT = """
import sys
from pathlib import Path
from logbook.present import Present, write_present
write_present(Path(sys.argv[1]) / "deep" / "present.json", Present())
"""

DURABLE = """
import sys
from pathlib import Path
from sipmdcs.durable import write_durably
write_durably(Path(sys.argv[1]) / "deep" / "er" / "file", "content")
"""

AUTOSAVE = """
import sys
from pathlib import Path
from iocs.autosave import Autosave
save = Autosave(Path(sys.argv[1]) / "deep" / "ioc.sav", [])
save._write({"T:A.VAL": 1.5})
save._write({"T:A.VAL": 2.5})
"""

CATALOGUE = """
import sys
from pathlib import Path
from archiver.catalogue import Catalogue
catalogue = Catalogue(Path(sys.argv[1]) / "deep" / "catalogue.sqlite")
catalogue.path.unlink()
catalogue.numbers()
catalogue.close()
"""


@pytest.fixture
def recorder(tmp_path: Path) -> FsyncRecorder:
    return FsyncRecorder(tmp_path / "shim")


@pytest.mark.parametrize(
    ("program", "pattern", "count"),
    [
        (SPOOL, "deep/spool/*.json", 1),
        (PRESENT, "deep/present.json", 1),
        (DURABLE, "deep/er/file", 1),
        (AUTOSAVE, "deep/ioc.sav", 2),
        (CATALOGUE, "deep/catalogue.sqlite", 1),
    ],
    ids=["spool", "present state of runs", "durable", "autosave", "catalogue"],
)
def test_content_then_name_then_folder(tmp_path: Path, recorder: FsyncRecorder, program: str, pattern: str, count: int) -> None:
    calls = recorder.run(program, [tmp_path])
    renamed = [call for call in calls if call.name == "rename" and call.path.match(pattern)]
    assert len(renamed) == count
    start = 0
    for call in renamed:
        place = calls.index(call, start)
        assert durable(calls[start : calls.index(Call("fsync", call.path.parent), place) + 1], call.path)
        start = place + 1
    assert Call("fsync", tmp_path) in calls, "a new folder has its name in the one above"
