"""Answers as the Archiver Appliance writes them: ``json``, ``qw`` and ``csv``.

Written piece by piece, so that a long answer is never in memory as a whole. Differences from the Archiver Appliance:
names and texts are escaped, infinities are ``null`` in ``qw``, and a CSV value with a comma, quote or line end is quoted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archiver.query import Answer
from archiver.samples import Samples
from archiver.value_text import finite_only, times_split, value_texts
from sipmdcs.channels import PvType

_PIECE = 20_000
"""Samples formatted at a time: some ten milliseconds."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write answers."""

    media_type: str
    several: bool
    """Whether it can hold more than one PV."""
    write: Callable[[Sequence[Answer], bool], Iterator[str]]
    """Takes answers and whether all metadata are wanted."""


def write_json(answers: Sequence[Answer], all_metadata: bool) -> Iterator[str]:
    """``[{"meta": ..., "data": [{"secs": ..., "val": ..., "nanos": ..., "severity": ..., "status": ...}]}]``."""
    return _write(answers, lambda answer: meta(answer, all_metadata), _json_lines)


def write_qw(answers: Sequence[Answer], all_metadata: bool) -> Iterator[str]:
    """As ``json`` with ``millis`` for the time, no alarm, and ``waveform`` in the meta part."""

    def with_waveform(answer: Answer) -> dict[str, str | bool]:
        found = meta(answer, all_metadata)
        return {"name": answer.pv.name, "waveform": _is_waveform(answer)} | found

    return _write(answers, with_waveform, _qw_lines)


def write_csv(answers: Sequence[Answer], all_metadata: bool) -> Iterator[str]:
    """``secs,val,severity,status,nanos`` a line, no header, and an empty line at the end."""
    for answer in answers:
        for piece, _ in _pieces(answer.samples):
            alarms = zip(piece.severity.tolist(), piece.status.tolist(), strict=True)
            texts = (_csv_value(text) for text in value_texts(piece, answer.type))
            rows = zip(times_split(piece), texts, alarms, strict=True)
            yield "".join(f"{secs},{text},{sevr},{stat},{nanos}\n" for (secs, nanos), text, (sevr, stat) in rows)
    yield "\n"


FORMATS: Mapping[str, Format] = {
    "json": Format("application/json", several=True, write=write_json),
    "qw": Format("application/json", several=True, write=write_qw),
    "csv": Format("text/csv", several=False, write=write_csv),
}
"""Formats by extension."""


def meta(answer: Answer, all_metadata: bool) -> dict[str, str]:
    """The meta part of an answer: name, unit and precision, or everything the PV says about itself.

    ``incomplete``, our own addition, says that a file of the archive could not be read.
    """
    known = answer.pv.metadata
    chosen = known if all_metadata else {key: known[key] for key in ("EGU", "PREC") if key in known}
    return {"name": answer.pv.name, **chosen, **({} if answer.complete else {"incomplete": "true"})}


def _is_waveform(answer: Answer) -> bool:
    samples = answer.samples
    return samples.payload is not None and len(samples) > 0 and isinstance(samples.payload[-1], np.ndarray | list)


def _write(
    answers: Sequence[Answer],
    metadata: Callable[[Answer], Mapping[str, str | bool]],
    lines: Callable[[Samples, PvType, list[str]], Iterator[str]],
) -> Iterator[str]:
    yield "[ "
    for number, answer in enumerate(answers):
        yield ("" if number == 0 else ",\n") + '{ "meta": ' + json.dumps(metadata(answer)) + ',\n"data": [ \n'
        separator = ""
        for piece, start in _pieces(answer.samples):
            extras = [""] * len(piece)
            for index, fields in answer.fields.items():
                if start <= index < start + len(piece):
                    extras[index - start] = ', "fields": ' + json.dumps(fields)
            yield separator + ",\n".join(lines(piece, answer.type, extras))
            separator = ",\n"
        yield "\n] }"
    yield "\n ]\n"


def _pieces(samples: Samples) -> Iterator[tuple[Samples, int]]:
    for start in range(0, len(samples), _PIECE):
        yield samples.take(slice(start, start + _PIECE)), start


def _json_lines(samples: Samples, kind: PvType, extras: list[str]) -> Iterator[str]:
    alarms = zip(samples.severity.tolist(), samples.status.tolist(), strict=True)
    rows = zip(times_split(samples), value_texts(samples, kind), alarms, extras, strict=True)
    return (
        f'{{ "secs": {secs}, "val": {text}, "nanos": {nanos}, "severity":{severity}, "status":{status}{extra} }}'
        for (secs, nanos), text, (severity, status), extra in rows
    )


def _qw_lines(samples: Samples, kind: PvType, extras: list[str]) -> Iterator[str]:
    millis = (samples.time_ns // 1_000_000).tolist()
    texts = finite_only(value_texts(samples, kind))
    rows = zip(millis, texts, extras, strict=True)
    return (f'{{ "millis": {time}, "val": {text}{extra} }}' for time, text, extra in rows)


def _csv_value(text: str) -> str:
    if text[:1] == '"':
        plain: str = json.loads(text)
        return '"' + plain.replace('"', '""') + '"' if any(char in plain for char in ',"\n\r') else plain
    return text.replace(", ", ",") if text[:1] == "[" else text
