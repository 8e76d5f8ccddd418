"""Checks of one site, none of which starts, writes or switches anything."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ConfigDict
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from sipmdcs.controllers import controller_type
from sipmdcs.database import for_reading, make_engine, parse_url
from sipmdcs.epicsdb import MAX_NAME_LENGTH, Record
from sipmdcs.errors import BadInput, NotRendered, ServiceError
from sipmdcs.finding import Finding, Level
from sipmdcs.installed import installed
from sipmdcs.pvinfo import alarm_info, archive_policy, device_address
from sipmdcs.redaction import redact
from sipmdcs.site import SITE_FILE, Site
from sipmdcs.supervise.ports import is_free, listeners, owner
from sipmdcs.supervise.processes import marked_processes, supervisor_process
from sipmdcs.supervise.programs import programs
from sipmdcs.yamlfile import Strict, read_yaml

CHECKS = "sipmdcs.checks"
"""Entry points of functions that take a ``Site`` and raise ``BadInput`` if a file of their part cannot be used."""

_PV_NAME = re.compile(rf"[A-Z0-9_:]{{1,{MAX_NAME_LENGTH}}}")
_PV_NAMES = re.compile(rf"(?:{_PV_NAME.pattern}\n)*")
"""Thousands of names at once, each with the end of its line."""
_RENDERED = "rendered"
_GB = 1_000_000_000
_SCARCE_BYTES = 10 * _GB
_TOO_LITTLE_BYTES = _GB


class _AnyYaml(Strict):
    """A file whose schema belongs to another part: only syntax and doubled keys are checked."""

    model_config = ConfigDict(extra="allow", frozen=True)


class ReadOnce(Site):
    """A site whose records are kept once they are read: several checks need all of them."""

    @cached_property
    def _kept(self) -> dict[tuple[str, str | None], list[Record]]:
        return {}

    def ioc_records(self, ioc: str) -> list[Record]:
        """As ``Site.ioc_records``; the list is shared and stays as it is."""
        key = ioc, _RENDERED
        if key not in self._kept:
            self._kept[key] = super().ioc_records(ioc)
        return self._kept[key]

    def service_records(self, service: str, kind: str | None = None) -> list[Record]:
        """As ``Site.service_records``; the list is shared and stays as it is."""
        key = service, kind
        if key not in self._kept:
            self._kept[key] = super().service_records(service, kind)
        return self._kept[key]


def check_programs(site: Site) -> Iterator[Finding]:
    """Are all services installed, and does anything run?"""
    names = [program.name for program in programs(site)]
    yield Finding("services", Level.OK, ", ".join(names))
    supervisor = supervisor_process(site.folder)
    if supervisor is not None:
        yield Finding("running", Level.OK, f"the site is up, supervisor pid {supervisor.pid}")
    elif strays := marked_processes(site.folder):
        pids = ", ".join(str(found.process.pid) for found in strays)
        yield Finding("running", Level.WARN, f"processes without a supervisor: {pids}", "run sipmdcs down")
    else:
        yield Finding("running", Level.OK, "nothing, the site is down")


def check_ports(site: Site) -> Iterator[Finding]:
    """Are the ports free, as far as the site does not have them itself?"""
    if marked_processes(site.folder):
        return
    for listener in listeners(site):
        if is_free(listener):
            yield Finding("ports", Level.OK, f"{listener} is free")
        else:
            step = f"stop that, or choose another as {listener.key} in {SITE_FILE}"
            yield Finding("ports", Level.FAIL, f"{listener} is in use by {owner(listener)}", step)


def check_controllers(site: Site) -> Iterator[Finding]:
    """Is every kind of controller installed, and every wire there?"""
    count = 0
    for name, controller in site.file.controllers.items():
        try:
            kind = controller_type(controller.driver)
        except BadInput as err:
            place = f"controllers.{name}.driver"
            yield Finding("wires", Level.FAIL, f"{place}: {err}", f"correct {SITE_FILE}")
            continue
        for template in (*kind.controller_templates, *kind.channel_templates):
            site.find_template(template)
        wire = urlsplit(controller.port)
        if wire.scheme == "serial" and (finding := _serial_line(name, Path(wire.path))) is not None:
            yield finding
            continue
        count += 1
    yield Finding("wires", Level.OK, f"{count} of {len(site.file.controllers)} controllers have a driver and a wire")


def _serial_line(controller: str, device: Path) -> Finding | None:
    if not device.exists():
        return Finding("wires", Level.FAIL, f"{controller}: {device} is not there", "plug it in, or correct port in site.yaml")
    if not os.access(device, os.R_OK | os.W_OK):
        step = f"add this user to group {device.group()} and log in again"
        return Finding("wires", Level.FAIL, f"{controller}: {device} may not be opened", step)
    return None


def check_yaml(site: Site) -> Iterator[Finding]:
    """Is every YAML file of the site YAML?"""
    paths = sorted({*site.folder.glob("*.yaml"), *site.folder.glob("agents/*.yaml")})
    for path in paths:
        read_yaml(path, _AnyYaml)
    yield Finding("YAML", Level.OK, ", ".join(path.name for path in paths))


def check_records(site: Site) -> Iterator[Finding]:
    """Does every template load, and does every record keep the rules?"""
    homes: dict[str, str] = {}
    missing = [ioc for ioc in site.file.iocs if not (site.rendered / f"{ioc}.substitutions").is_file()]
    if missing:
        yield Finding("records", Level.WARN, f"not rendered yet: {', '.join(missing)}", "up does it, or sipmdcs config render")
    for ioc in site.file.iocs:
        if ioc not in missing:
            _note_records(homes, ioc, site.ioc_records(ioc))
    for service in site.file.services:
        _note_records(homes, service, site.service_records(service))
    yield Finding("records", Level.OK, f"{len(homes)} records, names and info items are right")


def _note_records(homes: dict[str, str], process: str, records: list[Record]) -> None:
    named = [(name, record) for record in records for name in (record.name, *record.aliases)]
    names = dict.fromkeys([name for name, _ in named], process)
    if len(names) < len(named) or not homes.keys().isdisjoint(names) or not _PV_NAMES.fullmatch("\n".join([*names, ""])):
        for name, record in named:
            if not _PV_NAME.fullmatch(name):
                message = f"expected upper-case letters, digits, underscores and colons, at most {MAX_NAME_LENGTH} characters"
                raise record.bad("", message)
            if name in homes:
                raise record.bad("", f"is served by {homes[name]} and by {process}")
            homes[name] = process
    homes |= names
    for record in records:
        archive_policy(record)
        alarm_info(record)
        device_address(record)


def check_parts(site: Site) -> Iterator[Finding]:
    """Does each part understand its files? Parts name a function that reads them in the entry-point group ``CHECKS``."""
    for point in sorted(installed(CHECKS), key=lambda point: point.name):
        read: Callable[[Site], object] = point.load()
        try:
            read(site)
        except NotRendered:
            pass  # its files are right as far as they do not refer to records; check_records says that there are none yet
        except BadInput as err:
            yield Finding(point.name, Level.FAIL, str(err), "correct what the message names")
        else:
            yield Finding(point.name, Level.OK, "its files are right")


def check_database(site: Site) -> Iterator[Finding]:
    """Does the configuration database answer?"""
    url = parse_url(site.database_url)
    shown = redact(url.render_as_string(hide_password=True))
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        yield Finding("database", Level.WARN, f"{shown} is not there yet", "run sipmdcs config import --channels TABLE.csv")
        return
    engine = for_reading(make_engine(url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as err:
        reason = redact(str(getattr(err, "orig", None) or err).strip().splitlines()[0])
        step = "control runs without it, but nothing can be configured: start it, or correct database in site.yaml"
        yield Finding("database", Level.FAIL, f"{shown} does not answer: {reason}", step)
    else:
        yield Finding("database", Level.OK, f"{shown} answers")
    finally:
        engine.dispose()


def check_disk(site: Site) -> Iterator[Finding]:
    """Is there room, and may we write?"""
    seen: set[int] = set()
    for folder in (site.var, site.archive_folder):
        there = next(place for place in (folder, *folder.parents) if place.exists())
        if (device := there.stat().st_dev) in seen:
            continue
        seen.add(device)
        if not os.access(there, os.W_OK | os.X_OK):
            raise ServiceError(f"{there} is not writable")
        free = shutil.disk_usage(there).free
        said = f"{free / _GB:.1f} GB free in {there}"
        if free < _TOO_LITTLE_BYTES:
            yield Finding("disk", Level.FAIL, said, "make room before the archive stops")
        elif free < _SCARCE_BYTES:
            yield Finding("disk", Level.WARN, said, "make room, or put the archive elsewhere (archive in site.yaml)")
        else:
            yield Finding("disk", Level.OK, said)


SITE_CHECKS: dict[str, Callable[[Site], Iterator[Finding]]] = {
    "services": check_programs,
    "ports": check_ports,
    "wires": check_controllers,
    "YAML": check_yaml,
    "records": check_records,
    "parts": check_parts,
    "database": check_database,
    "disk": check_disk,
}
"""Checks by the name that a ``DcsError`` of theirs is shown under."""
