"""Run table and downtime: what was taken when, with which settings, and why not.

import logbook

runs = logbook.read_table("postgresql+psycopg://reader@db.example.org/sipmdcs", "runs", 100, 199)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from sipmdcs.site import Site

__all__ = ["read_table"]


def read_table(
    where: Site | str, name: str, first: int = 0, last: int | None = None, *, pivot: str | None = None
) -> pd.DataFrame:
    """A table of a range of runs.

    Args:
        where: a site, or the SQL URL of its database; a role that can only read is enough.
        name: ``runs``, ``slow_control``, ``reco`` or ``macro``; see ``logbook.frames``.
        first: first run.
        last: last run, included; the newest if left out.
        pivot: of ``slow_control`` only: one row per run, a column per PV with this figure (``mean``, ``minimum``,
            ``maximum``, ``rms``, ``samples``, ``alarm_s``, ``invalid_s``), the units by PV in ``attrs["units"]``.

    Raises:
        BadInput: no such table, range or figure, or the URL cannot be understood.
        ServiceError: the database cannot be reached, or has no such table yet.
    """
    from logbook.frames import read_table as read  # pandas takes half a second, which commands about runs need not pay

    return read(where, name, first, last, pivot=pivot)
