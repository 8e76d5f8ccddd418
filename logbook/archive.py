"""Histories of PVs from the archiver, over its HTTP interface (that of the EPICS Archiver Appliance)."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from logbook.moments import NOT_TAKEN, Steps
from logbook.run import iso
from sipmdcs.clock import to_datetime
from sipmdcs.errors import DcsError, ServiceError
from sipmdcs.history import in_gap, read_answer
from sipmdcs.http.client import error_text
from sipmdcs.site import HttpService

_TIMEOUT_S = 30


class ArchiveRefuses(DcsError):
    """The archiver answers, and says no."""


@dataclass(frozen=True, slots=True)
class History:
    """What the archive has of one PV in an interval."""

    unit: str
    steps: Steps | None
    """``None`` if its values are no numbers."""


class Archive:
    """One archiver.

    Every method raises ``ServiceError`` where it does not answer and ``ArchiveRefuses`` where it says no.
    """

    def __init__(self, where: HttpService) -> None:
        host = "127.0.0.1" if where.interface == "0.0.0.0" else where.interface  # noqa: S104 - only compared with
        self._base = f"http://{host}:{where.port}"

    def names(self, patterns: Iterable[str]) -> list[str]:
        """Archived PVs that match one of the patterns, sorted."""
        globs = ",".join(patterns)
        return sorted(self._ask(f"/mgmt/bpl/getAllPVs?{urllib.parse.urlencode({'pv': globs, 'limit': -1})}")) if globs else []

    def histories(self, names: Sequence[str], from_ns: int, to_ns: int) -> dict[str, History]:
        """By name: the newest sample at or before ``from_ns``, then every one up to ``to_ns``. Of PVs without any: nothing."""
        query = urllib.parse.urlencode({"from": iso(to_datetime(from_ns)), "to": iso(to_datetime(to_ns))})
        try:
            answer = self._ask(f"/retrieval/data/getDataForPVs.json?{query}", names)
        except _NothingThere:
            return {}
        try:
            return {entry["meta"]["name"]: History(str(entry["meta"].get("EGU", "")), _numbers(entry)) for entry in answer}
        except (ValueError, TypeError, LookupError) as err:
            raise ServiceError(f"what answers at {self._base} is not the archiver: {err}") from err

    def _ask(self, target: str, names: Sequence[str] | None = None) -> Any:
        body = None if names is None else json.dumps(list(names)).encode()
        request = urllib.request.Request(self._base + target, body, {"Content-Type": "application/json"})  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310
                return json.load(reply)
        except urllib.error.HTTPError as err:
            with err:
                text = error_text(err.read(), f"status {err.code}")
            if err.code == 404:
                raise _NothingThere(text) from err
            if err.code < 500:
                raise ArchiveRefuses(f"the archiver says: {text}") from err
            raise ServiceError(f"the archiver says: {text}") from err
        except (OSError, http.client.HTTPException, ValueError) as err:
            reason = getattr(err, "reason", err)
            raise ServiceError(f"the archiver does not answer at {self._base}: {reason}") from err


class _NothingThere(ArchiveRefuses):
    """No sample of any of the PVs, or no such PV."""


def _numbers(entry: Any) -> Steps | None:
    return None if any(isinstance(sample["val"], str | list) for sample in entry["data"]) else steps_of(entry)


def steps_of(entry: Any) -> Steps:
    """The entry of one PV in an answer as a step function, not taken in gaps: numbers, not binned.

    Raises:
        ValueError: it has another shape, or a value is not a number.
    """
    reading = read_answer(entry)
    edges = [edge for gap in reading.gaps for edge in (gap.lost_ns, gap.known_ns) if edge is not None]
    time_ns = np.union1d(reading.time_ns, np.array(edges, np.int64))
    held = np.searchsorted(reading.time_ns, time_ns, "right") - 1
    severity = np.append([sample["severity"] for sample in entry["data"]], NOT_TAKEN).astype(np.int8)
    unknown = in_gap(reading.gaps, time_ns)
    taken = np.isin(time_ns, reading.time_ns)
    return Steps(time_ns, reading.at(time_ns), np.where(unknown, NOT_TAKEN, severity[held]), taken)
