"""Which PVs are archived, and how.

Every record says so itself with ``info(archive, …)``. A site refines that in ``archiver.yaml``, which it need not have::

    policies:
      - pattern: "PADME:*:CARD_STATUS"      # * and ? as in file names; matches whole PV names
        archive: "scan, 60"                 # as in info(archive); off: not at all
    compact_s: 300                          # how often the log goes into the lake

Of several policies that match a PV the last one holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from sipmdcs.epicsdb import Record
from sipmdcs.inputfile import read_text
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy, archive_policy
from sipmdcs.site import Site
from sipmdcs.yamlfile import Strict, read_yaml

logger = logging.getLogger(__name__)

ARCHIVER_FILE = "archiver.yaml"
_MOST_BYTES = 64_000_000
"""A list of a million PVs."""


def _policy(given: object) -> ArchivePolicy | None:
    if given is False or given == "off":  # YAML reads a bare off as false
        return None
    method, _, period = (part.strip() for part in str(given).partition(","))
    try:
        policy = ArchivePolicy(ArchiveMethod(method), float(period))
    except ValueError:
        policy = None
    if policy is None or not 0 < policy.period_s < 1e6:
        raise ValueError('expected "monitor, SECONDS", "scan, SECONDS" or off')
    return policy


class Rule(Strict):
    """How PVs that match a pattern are archived."""

    pattern: Annotated[str, Field(min_length=1)]
    archive: Annotated[ArchivePolicy | None, BeforeValidator(_policy)]


class ArchiverFile(Strict):
    """Schema of ``archiver.yaml``."""

    policies: tuple[Rule, ...] = ()
    compact_s: Annotated[float, Field(ge=5, le=86_400)] = 300.0
    """The log is compacted into the lake this often, seconds."""


def read_archiver_file(site: Site) -> ArchiverFile:
    """The site's ``archiver.yaml``, or the defaults where it has none.

    Raises:
        BadInput: it is not what the schema expects.
    """
    path = site.folder / ARCHIVER_FILE
    return read_yaml(path, ArchiverFile) if path.is_file() else ArchiverFile()


def policies(records: Iterable[Record], rules: Iterable[Rule]) -> dict[str, ArchivePolicy]:
    """PVs to be archived, by name.

    Raises:
        BadInput: a record's ``info(archive)`` makes no sense.
    """
    rules = tuple(rules)
    used: set[str] = set()
    chosen: dict[str, ArchivePolicy] = {}
    for record in records:
        policy = archive_policy(record)
        for rule in rules:
            if fnmatchcase(record.name, rule.pattern):
                policy = rule.archive
                used.add(rule.pattern)
        if policy is not None:
            chosen[record.name] = policy
    for rule in rules:
        if rule.pattern not in used:
            logger.warning("%s: pattern %s matches no PV", ARCHIVER_FILE, rule.pattern)
    return chosen


def aliases(records: Iterable[Record]) -> dict[str, str]:
    """Name of the record by alias."""
    return {alias: record.name for record in records for alias in record.aliases}


def read_pv_list(path: Path) -> dict[str, ArchivePolicy]:
    """PVs of a plain list, one a line, each archived at every change; empty lines and those with ``#`` in front do not count.

    ``X.VAL`` is ``X``.

    Raises:
        BadInput: it cannot be read, or is no text.
    """
    lines = (line.strip() for line in read_text(path, _MOST_BYTES).splitlines())
    names = (line.removesuffix(".VAL") for line in lines if line and not line.startswith("#"))
    return {name: ArchivePolicy(ArchiveMethod.MONITOR, 1.0) for name in names}
