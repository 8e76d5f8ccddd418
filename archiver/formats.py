"""Answers as the Archiver Appliance writes them: ``json``, ``qw`` and ``csv``.

Written piece by piece, so that a long answer is never in memory as a whole. Differences from the Archiver Appliance:
names and texts are escaped, what is not finite is ``null`` in ``qw`` and, for all but clients that expect otherwise, in
``json``; a CSV value with a comma, quote or line end is quoted. Numeric arrays of different lengths in one JSON answer are
filled up with zeros, as there; ``NORD`` among the fields of the sample says how many elements it had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archiver.query import Answer
from archiver.samples import Samples
from archiver.value_text import finite_only, longest_array, padded_width, times_split, value_texts
from sipmdcs.clock import NS
from sipmdcs.history import GAPS, LOST, REGAINED, Gap, gaps_text

_PIECE = 20_000
"""Samples, or elements of arrays, formatted at a time: some ten milliseconds."""

GAPS_HEADER = "X-Gaps"
_MAX_HEADER = 4_000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write answers."""

    media_type: str
    several: bool
    """Whether it can hold more than one PV."""
    write: Callable[[Sequence[Answer], Wanted], Iterator[str]]
    gaps_in_head: bool = False
    """Whether gaps stand in a header field of the reply, because the text has no place for them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants to see."""

    all_metadata: bool = False
    """Everything that PVs say about themselves, not only unit and precision."""
    bare_nan: bool = False
    """Numbers that are not finite as ``NaN`` and ``Infinity``, not as ``null``: that is not JSON, but what the Archiver
    Appliance writes and clients in Python expect."""


def write_json(answers: Sequence[Answer], wanted: Wanted) -> Iterator[str]:
    """``[{"meta": ..., "data": [{"secs": ..., "val": ..., "nanos": ..., "severity": ..., "status": ...}]}]``."""
    lines = _json_lines if wanted.bare_nan else _strict_json_lines
    return _write(answers, lambda answer: meta(answer, wanted.all_metadata), lines)


def write_qw(answers: Sequence[Answer], wanted: Wanted) -> Iterator[str]:
    """As ``json`` with ``millis`` for the time, no alarm, and ``waveform`` in the meta part."""

    def with_waveform(answer: Answer) -> dict[str, str | bool]:
        found = meta(answer, wanted.all_metadata)
        return {"name": answer.pv.name, "waveform": _is_waveform(answer)} | found

    return _write(answers, with_waveform, _qw_lines)


def write_csv(answers: Sequence[Answer], wanted: Wanted) -> Iterator[str]:
    """``secs,val,severity,status,nanos`` a line, no header, an empty line at the end; gaps stand in the head of the reply."""
    for answer in answers:
        for piece, start in _pieces(answer.samples):
            alarms = zip(piece.severity.tolist(), piece.status.tolist(), strict=True)
            texts = (_csv_value(text) for text in value_texts(piece, answer.types[start : start + len(piece)]))
            rows = zip(times_split(piece), texts, alarms, strict=True)
            yield "".join(f"{secs},{text},{sevr},{stat},{nanos}\n" for (secs, nanos), text, (sevr, stat) in rows)
    yield "\n"


FORMATS: Mapping[str, Format] = {
    "json": Format("application/json", several=True, write=write_json),
    "qw": Format("application/json", several=True, write=write_qw),
    "csv": Format("text/csv", several=False, write=write_csv, gaps_in_head=True),
}
"""Formats by extension."""


def meta(answer: Answer, all_metadata: bool) -> dict[str, str]:
    """The meta part of an answer: name, unit and precision, or everything the PV says about itself, and gaps.

    Our own additions are ``gaps`` (see ``sipmdcs.history``) and ``incomplete``: a file of the archive could not be read.
    """
    known = answer.pv.metadata
    chosen = {key: text for key, text in known.items() if key != "EGU" and (all_metadata or key == "PREC")}
    unit = known.get("EGU", "") if answer.unit is None else answer.unit
    found = {"name": answer.pv.name, **({"EGU": unit} if unit else {}), **chosen}
    if answer.gaps:
        found[GAPS] = gaps_text(answer.gaps)
    return found | gap_meta(answer.ends_in) | ({} if answer.complete else {"incomplete": "true"})


def gaps_header(answers: Sequence[Answer]) -> dict[str, str]:
    """The gaps of answers as a header field; of very many only how many there are, for clients take no longer fields."""
    gaps = [gap for answer in answers for gap in answer.gaps]
    if not gaps:
        return {}
    text = gaps_text(gaps)
    return {GAPS_HEADER: text if len(text) <= _MAX_HEADER else f"{len(gaps)} gaps, listed in json"}


def gap_meta(gap: Gap | None) -> dict[str, str]:
    """What says that nothing is known at the end of an answer: since when, until when if that is over, and why."""
    if gap is None:
        return {}
    regained = {} if gap.known_ns is None else {REGAINED: str(gap.known_ns // NS)}
    return {LOST: str(gap.lost_ns // NS), **regained, "gap": gap.reason}


def _is_waveform(answer: Answer) -> bool:
    samples = answer.samples
    return samples.payload is not None and len(samples) > 0 and isinstance(samples.payload[-1], np.ndarray | list)


def _write(
    answers: Sequence[Answer],
    metadata: Callable[[Answer], Mapping[str, str | bool]],
    lines: Callable[[Samples, list[str], list[str]], Iterator[str]],
) -> Iterator[str]:
    yield "[ "
    for number, answer in enumerate(answers):
        yield ("" if number == 0 else ",\n") + '{ "meta": ' + json.dumps(metadata(answer)) + ',\n"data": [ \n'
        separator = ""
        width = padded_width(answer.samples)
        for piece, start in _pieces(answer.samples):
            texts = value_texts(piece, answer.types[start : start + len(piece)], width)
            extras = [_extra(answer.fields.get(start + index, {}), piece, index, width) for index in range(len(piece))]
            yield separator + ",\n".join(lines(piece, texts, extras))
            separator = ",\n"
        yield "\n] }"
    yield "\n ]\n"


def _extra(fields: Mapping[str, str], samples: Samples, index: int, width: int) -> str:
    if width and samples.payload is not None and isinstance(array := samples.payload[index], np.ndarray):
        fields = {**fields, "NORD": str(len(array))}
    return ', "fields": ' + json.dumps(fields) if fields else ""


def _pieces(samples: Samples) -> Iterator[tuple[Samples, int]]:
    step = max(1, _PIECE // max(longest_array(samples), 1))
    for start in range(0, len(samples), step):
        yield samples.take(slice(start, start + step)), start


def _json_lines(samples: Samples, texts: list[str], extras: list[str]) -> Iterator[str]:
    alarms = zip(samples.severity.tolist(), samples.status.tolist(), strict=True)
    rows = zip(times_split(samples), texts, alarms, extras, strict=True)
    return (
        f'{{ "secs": {secs}, "val": {text}, "nanos": {nanos}, "severity":{severity}, "status":{status}{extra} }}'
        for (secs, nanos), text, (severity, status), extra in rows
    )


def _strict_json_lines(samples: Samples, texts: list[str], extras: list[str]) -> Iterator[str]:
    return _json_lines(samples, finite_only(texts), extras)


def _qw_lines(samples: Samples, texts: list[str], extras: list[str]) -> Iterator[str]:
    millis = (samples.time_ns // 1_000_000).tolist()
    rows = zip(millis, finite_only(texts), extras, strict=True)
    return (f'{{ "millis": {time}, "val": {text}{extra} }}' for time, text, extra in rows)


def _csv_value(text: str) -> str:
    if text[:1] == '"':
        plain: str = json.loads(text)
        return '"' + plain.replace('"', '""') + '"' if any(char in plain for char in ',"\n\r') else plain
    return text.replace(", ", ",") if text[:1] == "[" else text
