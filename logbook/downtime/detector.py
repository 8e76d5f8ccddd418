"""Which detector a call is about: from where it comes, and what the message says."""

from __future__ import annotations

from fnmatch import fnmatchcase

from logbook.downtime.call import shortened
from logbook.downtime.file import Detector, DowntimeFile
from sipmdcs.errors import BadInput


def detector_of(file: DowntimeFile, host: str, partition: str, named: str = "") -> str:
    """The detector that is meant.

    Args:
        file: which hosts and partitions belong to which detector.
        host: name of the machine that calls.
        partition: as the message names it; empty if it does not.
        named: by the caller; goes before everything else.

    Raises:
        BadInput: there is none, or more than one.
    """
    if named:
        return known_detector(file, named)
    where = f"host {host}" + (f", partition {shortened(partition, 40)}" if partition else "")
    found = [name for name, detector in file.detectors.items() if _fits(detector, host, partition)]
    if not found:
        raise BadInput(
            f"{where} belongs to no detector of downtime.yaml; name one with --detector: {', '.join(file.detectors)}"
        )
    if len(found) > 1:
        raise BadInput(f"{where} belongs to several detectors; name one with --detector: {', '.join(found)}")
    return found[0]


def known_detector(file: DowntimeFile, name: str) -> str:
    """``name``, if there is such a detector.

    Raises:
        BadInput: there is none.
    """
    if name not in file.detectors:
        raise BadInput(f"detector {name!r} is not in downtime.yaml, expected {' or '.join(file.detectors)}")
    return name


def _fits(detector: Detector, host: str, partition: str) -> bool:
    names = {host.lower(), host.lower().partition(".")[0]}
    here = any(fnmatchcase(name, pattern.lower()) for pattern in detector.hosts for name in names)
    mine = partition in detector.partitions
    if not partition:
        return here
    if detector.hosts and detector.partitions:
        return here and mine
    return here or mine
