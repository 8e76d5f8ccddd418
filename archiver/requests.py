"""What clients ask over HTTP, as values."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from starlette.requests import Request

from archiver.bins import Interval
from archiver.errors import BadQuery
from archiver.moment import parse_iso
from archiver.operators import Processing, parse_operator, parse_pv, plain_name
from sipmdcs.clock import NS
from sipmdcs.http.body import content_type, parse_json
from sipmdcs.http.errors import JSON_TYPE

MAX_PVS = 2000
"""PVs in one request."""


def pv_list(texts: Sequence[str], operator: str | None) -> list[tuple[str, Processing]]:
    """PVs and what to do with each.

    Args:
        texts: PV names, plain or in an operator.
        operator: of parameter ``pp``, for all that are plain.

    Raises:
        BadQuery: there is none, there are too many, or one makes no sense.
    """
    if not texts:
        raise BadQuery("no PV is named; expected pv=NAME")
    if len(texts) > MAX_PVS:
        raise BadQuery(f"{len(texts):,} PVs in one request, the limit is {MAX_PVS:,}")
    found = [parse_pv(text) for text in texts]
    if operator:
        processing = parse_operator(operator)
        found = [(name, processing if given == Processing() else given) for name, given in found]
    return found


def interval(parameters: Mapping[str, str], now_ns: int) -> Interval:
    """From and to; ``to`` is in an hour if left out, ``from`` a day before ``to``.

    Raises:
        BadQuery: one is no time, or they are in the wrong order.
    """
    if "timeranges" in parameters:
        raise BadQuery("timeranges: several intervals in one request are not served; expected from and to")
    to_ns = moment(parameters, "to", now_ns + 3600 * NS)
    from_ns = moment(parameters, "from", to_ns - 86_400 * NS)
    if to_ns < from_ns:
        raise BadQuery(f"to ({parameters.get('to')}) is before from ({parameters.get('from')})")
    return Interval(from_ns, to_ns)


def moment(parameters: Mapping[str, str], key: str, default_ns: int) -> int:
    """A time among the parameters.

    Raises:
        BadQuery: it is none.
    """
    if key not in parameters:
        return default_ns
    try:
        return parse_iso(parameters[key])
    except ValueError as err:
        raise BadQuery(f"{key}: {err}") from err


_NUMERIC_CLIENTS = re.compile(r"python-(requests|urllib)\b|Mozilla/5\.0$", re.IGNORECASE)
"""``User-Agent`` of the libraries under aapy, arvpyf and pyarchappl, and of Qt under PyDM: they make arrays of numbers of what
they get, and fail on ``None``."""


def wants_bare_nan(headers: Mapping[str, str]) -> bool:
    """Whether a client takes ``NaN`` in JSON: a known one that does not name JSON as what it accepts."""
    return "application/json" not in headers.get("accept", "") and bool(_NUMERIC_CLIENTS.match(headers.get("user-agent", "")))


def limit(parameters: Mapping[str, str], default: int) -> int:
    """How many names are wanted; -1 for all.

    Raises:
        BadQuery: it is no number.
    """
    text = parameters.get("limit", str(default))
    try:
        return min(int(text), sys.maxsize)
    except ValueError as err:
        raise BadQuery(f"limit: {text[:40]!r} is no whole number") from err


async def posted_names(request: Request) -> list[str]:
    """PV names in the body of a POST: a JSON array, lines of text, or the form ``pv=a,b``; those of the URL as well.

    Raises:
        BadInput: the body is not JSON.
        BadQuery: the body is none of these.
        HttpError: 415, it is compressed.
    """
    names = [name for text in request.query_params.getlist("pv") for name in text.split(",")]
    content, body = content_type(request), await request.body()
    if content == JSON_TYPE or body.lstrip()[:1] == b"[":
        names += _json_names(body)
        return [plain_name(name) for name in names if name.strip()]
    try:
        text = body.decode()
    except UnicodeDecodeError as err:
        raise BadQuery("the body is not UTF-8") from err
    if content == "application/x-www-form-urlencoded":
        names += [name for given in parse_qs(text).get("pv", []) for name in given.split(",")]
    else:
        names += text.splitlines()
    return [plain_name(name) for name in names if name.strip()]


def _json_names(body: bytes) -> list[str]:
    found = parse_json(body or b"[]")
    names = [item.get("pv") if isinstance(item, dict) else item for item in (found if isinstance(found, list) else [None])]
    if any(not isinstance(name, str) for name in names):
        raise BadQuery('the body is not a JSON array of names or of {"pv": name}')
    return [str(name) for name in names]
