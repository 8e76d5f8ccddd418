"""Rows of the archive's resources, from the archiver over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from math import isfinite
from typing import Any

from sipmdcs.clock import NS, Clock, from_datetime
from sipmdcs.history import Gap, Reason, covers, gap_within, gaps_of
from sipmdcs.severity import Severity
from web.errors import ApiError, bad_parameter
from web.query import MOST_ROWS, Filter, Group, Operator, Query, Row
from web.rowcollection import Rows
from web.upstream import Refused, Upstream

_FRESH_S = 2.0
_MOST_PVS = 20
"""PVs in one query."""
_DEFAULT_SPAN_S = 3600
_LATEST_S = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second that has a name."""

_DATA = "/retrieval/data/getDataForPVs.json"
_STATUS = "/mgmt/bpl/getPVStatus"


@dataclass(frozen=True, slots=True)
class Bins:
    """Which bins are wanted: Unix seconds, whole bins, the end exclusive."""

    start_s: int
    end_s: int
    width_s: int


def wanted_bins(filters: Sequence[Filter], group: Group | None, now_s: float) -> Bins:
    """What the filters on time, width and epoch leave.

    Raises:
        ApiError: these are more bins than fit on a page.
    """
    lowest: float | None = None
    highest = float(_LATEST_S)
    width = group.width_s if group else None
    for item in filters:
        if item.attribute == "width" and item.operator is Operator.EQ and isinstance(item.value, int) and item.value > 0:
            width = item.value
        if item.attribute == "time" and isinstance(item.value, datetime):
            when = from_datetime(item.value) / NS
        elif item.attribute == "epoch" and isinstance(item.value, int):
            when = float(item.value)
        else:
            continue
        if item.operator in (Operator.GE, Operator.GT, Operator.EQ):
            lowest = when if lowest is None else max(lowest, when)
        if item.operator in (Operator.LE, Operator.EQ):
            highest = min(highest, when + 1)
        if item.operator is Operator.LT:
            highest = min(highest, when)
    end = min(highest, now_s)
    start = max(end - _DEFAULT_SPAN_S if lowest is None else lowest, 0.0)
    count = group.count if group else Group().count
    chosen = width or max(1, -int(-(end - start) // count))
    first = int(start // chosen) * chosen
    last = -int(-end // chosen) * chosen
    if (last - first) // chosen > MOST_ROWS:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"{(last - first) // chosen:,} bins of {chosen} s, the limit is {MOST_ROWS:,}; ask for wider bins or less time",
        )
    return Bins(first, max(last, first), chosen)


class ArchiveRows:
    """Makes rows; each method fits ``RowCollection``.

    Args:
        archiver: the archiver.
        channel_of: prefix of the channel that a PV belongs to.
        clock: tells the present.
    """

    def __init__(self, archiver: Upstream, channel_of: Callable[[str], str | None], clock: Clock) -> None:
        self._archiver = archiver
        self._channel_of = channel_of
        self._clock = clock
        self._pvs: tuple[float, list[Row]] | None = None

    def pvs(self, _query: Query) -> Rows:
        """A row per PV, at most two seconds old."""
        kept = self._pvs
        if kept is None or self._clock.monotonic() - kept[0] > _FRESH_S:
            found = self._ask(_STATUS, [("pv", "*")])
            kept = self._clock.monotonic(), [self._pv(row) for row in found]
            self._pvs = kept
        return Rows(kept[1])

    def archive(self, query: Query) -> Rows:
        """A row per bin and PV."""
        names = _names(query.filters)
        if len(names) > _MOST_PVS:
            raise bad_parameter("filter[pv][EQ]", f"{len(names)} PVs in one query, the limit is {_MOST_PVS}")
        now_ns = self._clock.time_ns()
        bins = wanted_bins(query.filters, query.group, now_ns / NS)
        if (count := (bins.end_s - bins.start_s) // bins.width_s * len(names)) > MOST_ROWS:
            raise bad_parameter(
                "filter[pv][EQ]",
                f"{count:,} bins of {len(names)} PVs, the limit is {MOST_ROWS:,}; ask for wider bins or fewer PVs",
            )
        return Rows([row for name in names for row in self._history(name, bins, now_ns)])

    def _ask(self, path: str, parameters: Sequence[tuple[str, str]]) -> Any:
        try:
            return self._archiver.get(path, parameters)
        except Refused as err:
            if err.status == HTTPStatus.NOT_FOUND:
                return []
            raise bad_parameter("filter[pv][EQ]", str(err)) from err

    def _history(self, pv: str, bins: Bins, now_ns: int) -> Iterator[Row]:
        if bins.start_s >= bins.end_s or not _is_name(pv):
            return
        end = min(bins.end_s - 1e-6, now_ns / NS)
        wanted = [(operator, f"{operator}_{bins.width_s}({pv})") for operator in ("statsSample", "lastFill")]
        limits = [("from", _iso(bins.start_s)), ("to", _iso(end))]
        found = self._ask(_DATA, [*(("pv", text) for _, text in wanted), *limits])
        if not found:
            return
        statistics, held = found
        measured = {_start(sample, bins.width_s): sample for sample in statistics["data"]}
        gaps = gaps_of(held)
        unit = held["meta"].get("EGU", "")
        for sample in held["data"]:
            unit = sample.get("fields", {}).get("EGU", unit)
            start = _start(sample, bins.width_s)
            if not bins.start_s <= start < bins.end_s:
                continue
            limits_ns = start * NS, min((start + bins.width_s) * NS, now_ns + 1)
            numbers, samples, source, gap = _bin(measured.get(start), sample, gaps, *limits_ns)
            yield Row(
                dict(zip(("mean", "rms", "minimum", "maximum"), numbers, strict=True))
                | {
                    "pv": pv,
                    "time": datetime.fromtimestamp(start, UTC),
                    "width": bins.width_s,
                    "epoch": start,
                    "samples": samples,
                    "severity": Severity.INVALID.name if numbers[0] is None else Severity(source["severity"]).name,
                    "regained": _regained(source) and samples > 0,
                    "gap": gap,
                    "unit": unit,
                }
            )

    def _pv(self, found: Mapping[str, str]) -> Row:
        return Row(
            {
                "pv": found["pvName"],
                "status": found["status"],
                "connected": found.get("connectionState") == "true",
                "method": "monitor" if found.get("isMonitored") == "true" else "scan",
                "period": float(found["samplingPeriod"]) if "samplingPeriod" in found else None,
                "last_event": _when(found.get("lastEvent", "Never")),
                "losses": int(found.get("connectionLossRegainCount", "0")),
                "channel_prefix": self._channel_of(found["pvName"]),
            }
        )


def _names(filters: Sequence[Filter]) -> list[str]:
    wanted: set[str] | None = None
    for item in filters:
        if item.attribute != "pv" or item.operator not in (Operator.EQ, Operator.IN):
            continue
        given = set(item.value) if isinstance(item.value, tuple) else {str(item.value)}
        wanted = given if wanted is None else wanted & given
    return sorted(wanted or ())


def _is_name(pv: str) -> bool:
    """Whether a PV can have this name; an operator of the archiver's own is none."""
    return bool(pv.strip()) and not any(character in "()*?," or character.isspace() for character in pv)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _start(sample: Mapping[str, Any], width_s: int) -> int:
    return int(sample["secs"]) // width_s * width_s


def _regained(sample: Mapping[str, Any]) -> bool:
    return "connectionChange" in sample.get("fields", {})


def _bin(
    measured: Mapping[str, Any] | None, held: Mapping[str, Any], gaps: Sequence[Gap], from_ns: int, to_ns: int
) -> tuple[list[float | None], int, Mapping[str, Any], str]:
    """Mean, rms, minimum and maximum, the number of samples, the sample that tells the severity, and why there is a gap."""
    gap = gap_within(gaps, from_ns, to_ns)
    reason = gap.reason if gap else ""
    if measured is not None:
        *numbers, count = measured["val"]
        mean, std, low, high = (_finite(number) for number in numbers)
        return [mean, std, low, high], int(count), measured, reason
    if held["severity"] >= Severity.INVALID:
        return [None] * 4, 0, held, reason or Reason.INVALID
    known = gap is None or not covers(gap, from_ns, to_ns)
    value = _finite(held["val"]) if known and isinstance(held["val"], int | float) else None
    return [value, None if value is None else 0.0, value, value], 0, held, reason


def _finite(number: float | None) -> float | None:
    return None if number is None or not isfinite(number) else float(number)


@lru_cache(4096)  # whole seconds, the same for most PVs
def _when(text: str) -> datetime | None:
    return None if text == "Never" else datetime.strptime(text, "%b/%d/%Y %H:%M:%S %z")
