"""What the kernel is asked for, by SQLite as well: a shim before libc sees it, and refuses."""

from pathlib import Path

import pytest

from tests.fsync_recorder import Call, FsyncRecorder, durable

DURABLE = """
import sys
from pathlib import Path
from sipmdcs.durable import write_durably
write_durably(Path(sys.argv[1]) / "deep" / "er" / "file", "content")
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
    ("program", "pattern"), [(DURABLE, "deep/er/file"), (CATALOGUE, "deep/catalogue.sqlite")], ids=["file", "catalogue"]
)
def test_the_kernel_is_asked_for_content_then_name_then_folder(
    tmp_path: Path, recorder: FsyncRecorder, program: str, pattern: str
) -> None:
    calls = recorder.run(program, [tmp_path])
    (renamed,) = [call for call in calls if call.name == "rename" and call.path.match(pattern)]
    assert durable(calls, renamed.path)
    assert Call("fsync", tmp_path) in calls, "a new folder has its name in the one above"


ENGINE = """
from sqlalchemy import text
from sipmdcs.database import make_engine, transaction
engine = make_engine(f"sqlite:///{path}")
def put(n):
    with transaction(engine) as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)"))
        db.execute(text(f"INSERT INTO t VALUES ({n})"))
def found():
    with transaction(engine) as db:
        return list(db.scalars(text("SELECT n FROM t ORDER BY n")))
"""

ARCHIVE = """
from archiver.catalogue import Catalogue
catalogue = Catalogue(path)
def put(n):
    with catalogue.writing() as db:
        db.execute("INSERT INTO run (started_ns) VALUES (?)", (n,))
def found():
    with catalogue.reading() as db:
        return [n for (n,) in db.execute("SELECT started_ns FROM run ORDER BY 1")]
"""

REFUSED = """
import os, sys
from pathlib import Path
from sipmdcs.errors import ServiceError
path, control = Path(sys.argv[1]), Path(os.environ["FSYNC_CONTROL"])
{opened}
def step(name):
    (path.parent / name).touch()
    os.rename(path.parent / name, path.parent / f"{{name}} done")
put(1)
step("put")
control.write_text("fsync -wal fail\\nfdatasync -wal fail\\n")
try:
    put(2)
    sys.exit("nothing is said")
except ServiceError as err:
    assert "disk I/O error" in str(err) and "\\n" not in str(err), err
assert found() == [1], "what was refused is not there"
control.write_text("")
put(2)
assert found() == [1, 2]
"""


@pytest.mark.parametrize("opened", [ENGINE, ARCHIVE], ids=["engine", "catalogue"])
def test_a_transaction_is_on_the_disk_when_it_ends_or_not_there_at_all(
    tmp_path: Path, recorder: FsyncRecorder, opened: str
) -> None:
    path = tmp_path / "deep" / "one.sqlite"
    calls = recorder.run(REFUSED.format(opened=opened), [path])
    ended = next(index for index, call in enumerate(calls) if call.path.name == "put done")
    forced = [call for call in calls[:ended] if call.name in ("fsync", "fdatasync")]
    assert forced[-1].path.name == "one.sqlite-wal", "the transaction"
    assert {call.path for call in forced} >= {path.parent, tmp_path}, "the name of its file, and that of its folder"
