"""Every write that has to outlive a loss of power: what is said to be kept is kept, and what the disk refuses is said."""

from __future__ import annotations

import json
import mailbox
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from alarms.mail import NotAccepted
from alarms.maildir import keep
from alarms.notifyfile import MaildirChannel
from alarms.outbox import Page
from analysis.chain.inbox import deliver, inbox
from analysis.chain.intake import take_in, waiting
from analysis.chain.rawfile import unpack
from analysis.outcome import Kind
from analysis.scan.documents import DocumentFile
from analysis.scan.operating_point import Held, OperatingPoint, OperatingPointFile
from analysis.tables import Base
from archiver.catalogue import Catalogue
from archiver.lake import Lake
from archiver.lake_file import Content as LakeContent
from archiver.lake_file import LakeFile
from archiver.lake_file import write as write_lake_file
from archiver.log import Log, LogLimits
from archiver.partition import split
from archiver.pvnumbers import read_numbers, write_numbers
from archiver.segment import Segment
from configtool.content import Content
from configtool.installation import installed_controllers
from configtool.rendering import render_site
from configtool.settings import Settings
from iocs.autosave import Autosave
from logbook.present import Present, read_present, write_present
from sipmdcs.clock import ManualClock
from sipmdcs.database import make_engine
from sipmdcs.durable import write_durably
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from sipmdcs.site import Site
from sipmdcs.spool import Entry, Spool
from tests.archiver.making import START_NS, sample_rows
from tests.losing_power import Writer, Writing, survives_a_loss_of_power, tells_of_a_refusal

WRITERS: dict[str, Writer] = {}


def writer(function: Callable[[Path], Iterator[Writing]]) -> Callable[[Path], Iterator[Writing]]:
    WRITERS[function.__name__.replace("_", " ")] = contextmanager(function)
    return function


def content_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


@writer
def new_file_in_a_new_folder(root: Path) -> Iterator[Writing]:
    place = Path("deep", "er", "file")
    yield Writing(lambda: write_durably(root / place, "new"), lambda disk: content_of(disk / place), OSError)


@writer
def file_in_place_of_another(root: Path) -> Iterator[Writing]:
    (root / "file").write_text("old")
    yield Writing(lambda: write_durably(root / "file", "new"), lambda disk: content_of(disk / "file"), OSError)


def waiting_entries(disk: Path) -> list[int]:
    return [entry.content["n"] for entry in Spool(disk / "var" / "spool").entries()]


@writer
def spool_takes_an_entry(root: Path) -> Iterator[Writing]:
    spool = Spool(root / "var" / "spool")
    yield Writing(lambda: spool.put({"n": 1}), waiting_entries, ServiceError)


@writer
def spool_that_was_drained_takes_an_entry(root: Path) -> Iterator[Writing]:
    spool = Spool(root / "var" / "spool")

    def write() -> None:
        spool.drain(lambda _entry: None)  # makes the folder
        spool.put({"n": 1})

    yield Writing(write, waiting_entries, ServiceError)


def fate(folder: Path) -> str:
    """Of the one thing below ``folder`` that can never be taken: that it waits, else why it is refused."""
    found = [path for path in folder.rglob("*") if path.suffix in (".json", ".npz")]
    if any(path.parent.name != "refused" for path in found):
        return "waits"
    return next((path.read_text("utf-8") for path in folder.rglob("*.reason")), "no reason") if found else "lost"


@writer
def spool_sets_an_entry_aside(root: Path) -> Iterator[Writing]:
    spool = Spool(root)
    spool.put({"n": 1})

    def refuse(entry: Entry) -> None:
        raise BadInput("no such run")

    yield Writing(lambda: spool.drain(refuse), fate, ServiceError, kept=False)


@writer
def present_state_of_runs(root: Path) -> Iterator[Writing]:
    path = Path("logbook", "present.json")
    write_present(root / path, Present(reserved=(1,)))
    yield Writing(
        lambda: write_present(root / path, Present(reserved=(2,))), lambda disk: read_present(disk / path), ServiceError
    )


def saved(disk: Path) -> dict[str, float]:
    return Autosave(disk / "deep" / "ioc.sav", [])._read()


@writer
def autosave_for_the_first_time(root: Path) -> Iterator[Writing]:
    save = Autosave(root / "deep" / "ioc.sav", [])
    yield Writing(lambda: save._write({"T:A.VAL": 0.5}), saved, OSError)


@writer
def autosave(root: Path) -> Iterator[Writing]:
    save = Autosave(root / "deep" / "ioc.sav", [])
    for value in (0.5, 1.5):
        save._write({"T:A.VAL": value})
    yield Writing(lambda: save._write({"T:A.VAL": 2.5}), saved, OSError)


@writer
def rendering(root: Path) -> Iterator[Writing]:
    (root / "site.yaml").write_text(
        "name: Test\nprefix: DET\ncontrollers: {A: {driver: c11204, id: A, subsystem: LED, port: sim}}\n"
        "iocs: {a: {controllers: [A]}}\n"
    )
    site = Site(root)
    installed = installed_controllers(site)
    path = (site.rendered / "a.substitutions").relative_to(root)
    yield Writing(
        lambda: render_site(site, installed, Content(None, Settings(), {}, {}, {})),
        lambda disk: content_of(disk / path),
        ServiceError,
    )


POINT = OperatingPoint("abc", "alice", "2026-11-21", None, {"A": Held(56.0, True, 50.0, 5.0, 4.0, (50.0,), 56.0)})


@writer
def operating_point(root: Path) -> Iterator[Writing]:
    file = OperatingPointFile(root / "scan" / "point.json")
    yield Writing(lambda: file.save(POINT), lambda disk: OperatingPointFile(disk / "scan" / "point.json").load(), ServiceError)


@writer
def operating_point_that_is_back(root: Path) -> Iterator[Writing]:
    file = OperatingPointFile(root / "point.json")
    file.save(POINT)
    after = replace(POINT, channels={})
    yield Writing(lambda: file.save(after), lambda disk: OperatingPointFile(disk / "point.json").load(), ServiceError)


@writer
def run_documents(root: Path) -> Iterator[Writing]:
    path = Path("scan", "a.jsonl")

    def write() -> None:
        with closing(DocumentFile(root / path)) as file:
            file("start", {"uid": "a"})
            file("stop", {})

    def read(disk: Path) -> bool:
        return [json.loads(line)[0] for line in (content_of(disk / path) or "").splitlines()] == ["start", "stop"]

    yield Writing(write, read, ServiceError)


def give(raw: Path) -> Path:
    return deliver(raw, key="k", channel="A:B:C:CH01", kind=Kind.SPECTRUM, array=[1.0, 2.0], conditions={}, run=7)


def array_of(path: Path) -> list[float] | None:
    return unpack(path.read_bytes()).array.tolist() if path.exists() else None


@writer
def raw_result_delivered(root: Path) -> Iterator[Writing]:
    yield Writing(lambda: give(root / "raw"), lambda disk: array_of(inbox(disk / "raw") / "k.npz"), ServiceError)


@contextmanager
def database(root: Path) -> Iterator[Engine]:
    """Beside the root, since SQLite asks the kernel itself."""
    engine = make_engine(f"sqlite:///{root}.sqlite")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@writer
def raw_result_taken_in(root: Path) -> Iterator[Writing]:
    give(root)

    def read(disk: Path) -> str:
        stored, delivered = array_of(disk / "000007" / "k.npz"), array_of(inbox(disk) / "k.npz")
        return "stored" if stored else "waits" if delivered else "lost"

    with database(root) as engine:
        yield Writing(lambda: take_in(engine, root, waiting(root), datetime.now(UTC)), read, ServiceError)


@writer
def raw_result_set_aside(root: Path) -> Iterator[Writing]:
    inbox(root).mkdir()
    (inbox(root) / "k.npz").write_text("no raw result")
    with database(root) as engine:
        yield Writing(lambda: take_in(engine, root, waiting(root), datetime.now(UTC)), fate, ServiceError, kept=False)


@writer
def mail_in_a_folder(root: Path) -> Iterator[Writing]:
    channel = MaildirChannel.model_validate({"kind": "maildir", "folder": "var/mail", "from": "alarms@b.c"})
    page = Page(1, "<1@b.c>", "me", "me@b.c", "MAJOR", "what", in_reply_to="", composed_ns=0, attempts=0)

    def read(disk: Path) -> list[str]:
        if not (disk / "var" / "mail" / "new").exists():
            return []
        return [mail["Subject"] for mail in mailbox.Maildir(disk / "var" / "mail")]

    yield Writing(lambda: keep(channel, page, root), read, NotAccepted)


@writer
def numbers_of_archived_pvs(root: Path) -> Iterator[Writing]:
    write_numbers(root, {"T:A": 1})
    yield Writing(lambda: write_numbers(root, {"T:A": 1, "T:B": 2}), read_numbers, OSError)


POLICY = ArchivePolicy(ArchiveMethod.MONITOR, 1.0)


def catalogue_in(disk: Path) -> dict[str, int] | None:
    path = disk / "archive" / "catalogue.sqlite"
    if not path.exists():
        return None
    with closing(Catalogue(path)) as catalogue:
        return catalogue.numbers() if not catalogue.is_new else None


@writer
def catalogue_that_was_removed(root: Path) -> Iterator[Writing]:
    with closing(Catalogue(root / "archive" / "catalogue.sqlite")) as catalogue:
        catalogue.register({"T:A": POLICY}, 0)
        catalogue.path.unlink()
        (root / "archive" / "catalogue.sqlite.copy").write_text("half of it")  # of a try that was stopped
        yield Writing(catalogue.numbers, catalogue_in, ServiceError)


@writer
def catalogue_made_anew(root: Path) -> Iterator[Writing]:
    with closing(Catalogue(root / "archive" / "catalogue.sqlite")) as catalogue:

        def write() -> None:
            anew = Catalogue(root / "archive" / "catalogue.anew")
            anew.register({"T:B": POLICY}, 0)
            anew.close()
            catalogue.replace(anew.path)

        # What is set aside is damaged; without any it is made again from the rest of the archive.
        yield Writing(write, lambda disk: catalogue_in(disk) or None, ServiceError)


def values_in_the_log(disk: Path) -> list[float]:
    log = Log(disk / "log", ManualClock(START_NS))
    return [value for view in log.views() for value in view.rows["value"].tolist()]


@writer
def rows_in_the_log(root: Path) -> Iterator[Writing]:
    clock = ManualClock(START_NS)
    log = Log(root / "log", clock, LogLimits(segment_bytes=1))  # sealed at once
    log.start()
    log.append(sample_rows([(1, 0, 1.0)]))
    clock.advance(1)
    yield Writing(log.write, values_in_the_log, OSError)
    log.close()


@writer
def rows_that_a_process_left_that_was_killed(root: Path) -> Iterator[Writing]:
    log = Log(root / "log", ManualClock(START_NS))
    log.start()

    def write() -> None:
        if not log.views()[0].rows.size:
            log.append(sample_rows([(1, 0, 1.0)]))
            log.write()  # and not forced to the disk: that is not due
        Log(root / "log", ManualClock(START_NS))

    yield Writing(write, values_in_the_log, OSError)
    log.close()


@writer
def file_of_the_lake(root: Path) -> Iterator[Writing]:
    segment = Segment(1, root / "unused", START_NS)
    segment.append(sample_rows([(1, 0, 1.0)]))
    ((partition, batch),) = split(segment.view(), {1: "T:A"})
    path = partition.folder() / "00000001.parquet"
    with closing(Catalogue(Path(f"{root}.sqlite"))) as catalogue:
        lake = Lake(root / "lake", catalogue)

        def write() -> None:
            write_lake_file(lake.folder / path, partition.content, [batch])
            lake.publish(path)

        def read(disk: Path) -> list[float] | None:
            file = disk / "lake" / path
            return LakeFile(file, LakeContent.SCALAR).read(0, 1)["value"].to_pylist() if file.exists() else None

        yield Writing(write, read, OSError)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_what_is_kept_outlives_a_loss_of_power(tmp_path: Path, writer: Writer) -> None:
    survives_a_loss_of_power(writer, tmp_path)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_disk_that_refuses_is_told_and_costs_nothing_but_a_retry(tmp_path: Path, writer: Writer) -> None:
    tells_of_a_refusal(writer, tmp_path)
