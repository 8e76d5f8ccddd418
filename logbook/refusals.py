"""What may go wrong with a request about a run, besides bad input."""

from __future__ import annotations

from sipmdcs.errors import DcsError, ServiceError


class Conflict(DcsError):
    """The request is sound, but does not go with how things stand."""


class NotThere(DcsError):
    """There is no such run."""


class DatabaseAway(ServiceError):
    """The database cannot be reached now; the same request may work later."""
