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
        filled = {_start(sample, bins.width_s): sample for sample in held["data"]}
        starts = sorted(start for start in filled if bins.start_s <= start < bins.end_s)
        unknown = _unknown(starts, measured)
        trailing = next((place for place in range(len(starts), 0, -1) if starts[place - 1] in measured), 0)
        if trailing < len(starts) and not self._is_connected(pv):
            unknown.update(starts[trailing:])
        for start in starts:
            numbers, samples, source = _numbers(measured.get(start), filled[start], known=start not in unknown)
            yield Row(
                dict(zip(("mean", "rms", "minimum", "maximum"), numbers, strict=True))
                | {
                    "pv": pv,
                    "time": datetime.fromtimestamp(start, UTC),
                    "width": bins.width_s,
                    "epoch": start,
                    "samples": samples,
                    "severity": Severity.INVALID.name if start in unknown else Severity(source["severity"]).name,
                    "regained": _regained(source) and samples > 0,
                    "unit": statistics["meta"].get("EGU", ""),
                }
            )

    def _is_connected(self, pv: str) -> bool:
        found = self._ask(_STATUS, [("pv", pv)])
        return any(row.get("connectionState") == "true" for row in found)

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


def _unknown(starts: Sequence[int], measured: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """Bins without samples right before one in which the PV came back: somewhere in them it was lost."""
    found: set[int] = set()
    empty: list[int] = []
    for start in starts:
        if start not in measured:
            empty.append(start)
            continue
        if _regained(measured[start]):
            found.update(empty)
        empty = []
    return found


def _numbers(
    measured: Mapping[str, Any] | None, held: Mapping[str, Any], *, known: bool
) -> tuple[list[float | None], int, Mapping[str, Any]]:
    """Mean, rms, minimum and maximum, the number of samples, and the sample that tells the severity."""
    if measured is not None:
        *numbers, count = measured["val"]
        mean, std, low, high = (_finite(number) for number in numbers)
        return [mean, std, low, high], int(count), measured
    value = _finite(held["val"]) if known and isinstance(held["val"], int | float) else None
    return [value, None if value is None else 0.0, value, value], 0, held


def _finite(number: float | None) -> float | None:
    return None if number is None or not isfinite(number) else float(number)


@lru_cache(4096)  # whole seconds, the same for most PVs
def _when(text: str) -> datetime | None:
    return None if text == "Never" else datetime.strptime(text, "%b/%d/%Y %H:%M:%S %z")
