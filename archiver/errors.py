"""Errors of queries."""

from __future__ import annotations

from pathlib import Path

from sipmdcs.errors import DcsError, ServiceError


class BadQuery(DcsError):
    """A query that makes no sense or asks for too much; the HTTP service answers 400."""


class NothingFound(DcsError):
    """There is no such PV, or no sample of it; the HTTP service answers 404."""


class DamagedFile(ServiceError):
    """A file of the lake cannot be read; what is in it is left out."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: cannot be read and is left out: {reason}")
