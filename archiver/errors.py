"""Errors of queries."""

from __future__ import annotations

from sipmdcs.errors import DcsError


class BadQuery(DcsError):
    """A query that makes no sense or asks for too much; the HTTP service answers 400."""


class NothingFound(DcsError):
    """There is no such PV, or no sample of it; the HTTP service answers 404."""
