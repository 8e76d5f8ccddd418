"""Values on their way to PVs, kept in SQL until they have been put: an IOC may be away, and this service may die.

There is one row per PV, the newest value wins, and what is put twice is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, update

from analysis.chain.database import insert
from analysis.chain.settings import Settings
from analysis.chain.task import Work
from analysis.outcome import Outcome
from analysis.tables import Output

GIVE_UP = timedelta(days=1)
"""After which a value is not news any more; it stays in the table with the reason why it was never put."""

_SUFFIX = {"gain": "GAIN", "dark_rate": "DARK_RATE", "crosstalk": "CROSSTALK", "vbr": "VBR"}

_FACTOR: Mapping[tuple[str, str], float] = {
    ("gain", "e"): 1.0,
    ("dark_rate", "Hz"): 1e-3,
    ("crosstalk", "%"): 1.0,
    ("vbr", "V"): 1.0,
}
"""To the unit of the PV (``sipm_channel.template``). A gain in ADC counts is not among them: how many electrons that is, only
the producer knows (condition ``electrons_per_adc``)."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A value that has not been put yet."""

    pv: str
    value: float
    temperature_C: float | None
    job: int


def queue_outputs(connection: Connection, work: Work, outcomes: Sequence[Outcome], settings: Settings, now: datetime) -> None:
    """Note what the outcomes of a job say for PVs. Those without a value touch none."""
    for outcome in outcomes:
        value = pv_value(outcome, settings)
        if value is None:
            continue
        temperature = work.conditions.get("temperature_C") if outcome.quantity == "vbr" else None
        row = {
            "value": value,
            "temperature_C": temperature,
            "taken_at": work.taken_at,
            "job": work.job,
            "queued_at": now,
            "put_at": None,
            "error": "",
        }
        statement = insert(connection, Output).values(pv=f"{work.channel}:{_SUFFIX[outcome.quantity]}", **row)
        not_older = statement.excluded.taken_at >= Output.taken_at
        connection.execute(statement.on_conflict_do_update(index_elements=["pv"], set_=row, where=not_older))


def pv_value(outcome: Outcome, settings: Settings) -> float | None:
    """What goes into the PV, in its unit; ``None`` if the outcome does not go there."""
    if outcome.value is None or outcome.quantity not in settings.publish:
        return None
    wanted = {"vbr": settings.vbr_method, "dark_rate": settings.dark_rate_method}.get(outcome.quantity, outcome.method)
    factor = _FACTOR.get((outcome.quantity, outcome.unit))
    return None if outcome.method != wanted or factor is None else outcome.value * factor


def pending(connection: Connection, now: datetime, most: int) -> list[Pending]:
    """Values that wait: those never tried first, then oldest first."""
    rows = connection.execute(
        select(Output.pv, Output.value, Output.temperature_C, Output.job)
        .where(Output.put_at.is_(None), Output.queued_at > now - GIVE_UP)
        .order_by(Output.error != "", Output.queued_at, Output.pv)
        .limit(most)
    )
    return [Pending(*row) for row in rows]


def count_pending(connection: Connection, now: datetime) -> int:
    """How many wait."""
    query = select(func.count()).select_from(Output).where(Output.put_at.is_(None), Output.queued_at > now - GIVE_UP)
    return connection.scalar(query) or 0


def note(connection: Connection, done: Mapping[Pending, str], now: datetime) -> None:
    """Say what became of values: an empty text for one that was put, else the reason. A newer value meanwhile still waits."""
    for item, error in done.items():
        connection.execute(
            update(Output)
            .where(Output.pv == item.pv, Output.job == item.job, Output.put_at.is_(None))
            .values(put_at=None if error else now, error=error)
        )
