"""Which downtimes to list: cuts that all have to hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select

from logbook.downtime.record import UNDECIDED
from logbook.tables import Downtime


@dataclass(frozen=True, slots=True)
class Selection:
    """Cuts; a field left out cuts nothing."""

    since: datetime | None = None
    """Going on at this time or later."""
    until: datetime | None = None
    """Begun before this time."""
    detector: str = ""
    categories: tuple[str, ...] = ()
    """One of these."""
    first_run: int | None = None
    last_run: int | None = None
    """Inclusive."""
    only_open: bool = False
    only_undecided: bool = False
    text: str = ""
    """Anywhere in description, user or category, upper or lower case."""
    limit: int | None = None
    """At most so many."""

    def statement(self) -> Select[Any]:
        """Rows of ``Downtime``: those nobody has explained first, then the newest first."""
        rows = select(Downtime)
        if self.since is not None:
            rows = rows.where(or_(Downtime.ended_at.is_(None), Downtime.ended_at > self.since))
        if self.until is not None:
            rows = rows.where(Downtime.started_at < self.until)
        if self.detector:
            rows = rows.where(Downtime.detector == self.detector)
        if self.categories:
            rows = rows.where(Downtime.category.in_(self.categories))
        if self.first_run is not None:
            rows = rows.where(Downtime.run >= self.first_run)
        if self.last_run is not None:
            rows = rows.where(Downtime.run <= self.last_run)
        if self.only_open:
            rows = rows.where(Downtime.ended_at.is_(None))
        if self.only_undecided:
            rows = rows.where(Downtime.category == UNDECIDED)
        if self.text:
            columns = (Downtime.description, Downtime.user, Downtime.category)
            rows = rows.where(or_(*(column.icontains(self.text, autoescape=True) for column in columns)))
        return rows.order_by(Downtime.category != UNDECIDED, Downtime.started_at.desc(), Downtime.id.desc()).limit(self.limit)
