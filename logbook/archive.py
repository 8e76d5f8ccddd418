"""Histories of PVs from the archiver, over its HTTP interface (that of the EPICS Archiver Appliance)."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from logbook.fold import Outage, Piece
from logbook.run import iso
from sipmdcs.clock import NS, from_datetime, to_datetime
from sipmdcs.errors import DcsError, ServiceError
from sipmdcs.http.client import error_text
from sipmdcs.site import HttpService

_TIMEOUT_S = 30
_STATUS_TIME = "%b/%d/%Y %H:%M:%S %z"


class ArchiveRefuses(DcsError):
    """The archiver answers, and says no."""


@dataclass(frozen=True, slots=True)
class History:
    """What the archive has of one PV in an interval."""

    unit: str
    piece: Piece | None
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
        return {entry["meta"]["name"]: _history(entry) for entry in answer}

    def lost(self, names: Sequence[str]) -> dict[str, int]:
        """PVs that are not connected now, with the time of their last sign of life, Unix nanoseconds."""
        found: dict[str, int] = {}
        for status in self._ask("/mgmt/bpl/getPVStatus", names) if names else []:
            if status.get("connectionState") != "false":
                continue
            try:
                last = datetime.strptime(status["lastEvent"], _STATUS_TIME).astimezone(UTC)
            except (KeyError, ValueError):  # never since the archiver started
                continue
            found[status["pvName"]] = from_datetime(last)
        return found

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


def _history(entry: Any) -> History:
    data = entry["data"]
    unit = str(entry["meta"].get("EGU", ""))
    if any(isinstance(sample["val"], str | list) for sample in data):
        return History(unit, None)
    outages: dict[int, Outage] = {}
    for index, sample in enumerate(data):
        fields = sample.get("fields", {})
        if "cnxlostepsecs" in fields:
            regained = int(fields.get("cnxregainedepsecs") or sample["secs"])
            outages[index] = Outage(int(fields["cnxlostepsecs"]) * NS, regained * NS)
    nothing = float("nan")
    return History(
        unit,
        Piece(
            np.array([sample["secs"] * NS + sample["nanos"] for sample in data], np.int64),
            np.array([nothing if sample["val"] is None else sample["val"] for sample in data], np.float64),
            np.array([sample["severity"] for sample in data], np.int8),
            outages,
        ),
    )
