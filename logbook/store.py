"""The run table in SQL: orders done, each in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, bindparam, func, insert, select, text, update
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from logbook.configuration_used import ConfigurationUsed, configuration_at
from logbook.orders import Compared, Move, Note, Opening, Order, compared, moved, opened, same_request
from logbook.refusals import Conflict, DatabaseAway, NotThere
from logbook.run import COLUMNS, Run, Transition, run_of
from logbook.run_state import RunState
from logbook.schema import upgrade
from logbook.tables import Remark as RemarkRow
from logbook.tables import Run as RunRow
from logbook.tables import Transition as TransitionRow
from sipmdcs.database import database_error, for_reading
from sipmdcs.dbversion import DatabaseVersion
from sipmdcs.errors import BadInput, ServiceError

_BY_NAME = [getattr(RunRow, name).label(name) for name in COLUMNS]
WAITING = "waiting"
"""Summary of a run that is over and has none yet."""
_MOST_NEW = 100
"""Runs that others opened since we last looked."""
_REMARKS = select(RemarkRow.__table__).where(RemarkRow.run.in_(bindparam("runs", expanding=True))).order_by(RemarkRow.id)


class Store:
    """The tables of one database.

    Every method raises ``DatabaseAway`` where the database cannot be reached or is not as it should be: later it may.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reading = for_reading(engine)
        self._version = DatabaseVersion(engine.url)
        self._upgraded = False

    def close(self) -> None:
        """Give connections back."""
        self._version.close()
        self.engine.dispose()

    @contextmanager
    def begin(self, *, reading: bool = False) -> Iterator[Connection]:
        """A transaction; the first one brings the tables up to date. One for ``reading`` waits for no writer."""
        try:
            if not self._upgraded:
                _upgrade(self.engine)
                self._upgraded = True
            with (self._reading if reading else self.engine).begin() as connection:
                yield connection
        except (IntegrityError, DataError) as err:
            raise Conflict(str(database_error(self.engine, err))) from err
        except SQLAlchemyError as err:
            raise DatabaseAway(str(database_error(self.engine, err))) from err

    async def version(self) -> str | None:
        """As long as it is the same, so are all rows; ``None`` if that is not known."""
        return await self._version.now()

    def ping(self) -> bool:
        """That the database answers, and takes what is written."""
        with self.begin() as connection:
            return connection.scalar(select(1)) == 1

    def do(self, order: Order) -> Run:
        """Do an order, or find that it is done.

        Raises:
            Conflict: it does not go with how things stand.
            NotThere: there is no such run.
        """
        with self.begin() as connection:
            match order:
                case Opening():
                    return _open(connection, order)
                case Move():
                    return _move(connection, order)
                case Note():
                    return _note(connection, order)
                case Compared():
                    return _compare(connection, order)

    def reserve(self, held: Sequence[int], count: int) -> tuple[int, ...]:
        """Numbers for runs to come, ``count`` of them.

        Those that are held are kept if nobody has taken a number since; otherwise runs would not be numbered in the
        order of their opening, and all are new.
        """
        with self.begin() as connection:
            newest = connection.scalar(text("SELECT value FROM logbook_counter WHERE name = 'run'"))
            kept = tuple(held) if held and held[-1] == newest else ()
            return kept if len(kept) >= count else (*kept, *take_numbers(connection, count - len(kept)))

    def run(self, number: int) -> Run:
        """One run.

        Raises:
            NotThere: there is none of that number.
        """
        with self.begin(reading=True) as connection:
            return _run(connection, number)

    def ask_summary(self, number: int) -> Run:
        """Have the slow control of a run summarised, whether it was before or not; what there is stays until then.

        Raises:
            Conflict: the run goes on.
            NotThere: there is none of that number.
        """
        with self.begin() as connection:
            run = _run(connection, number, lock=True)
            if run.state.is_open:
                raise Conflict(f"run {number} is {run.state}: its summary is made when it has ended")
            connection.execute(update(RunRow).where(RunRow.number == number).values(summary=WAITING))
            return replace(run, summary=WAITING)

    def run_of_key(self, request_key: str) -> Run | None:
        """The run that a request opened, if any."""
        with self.begin(reading=True) as connection:
            number = connection.scalar(select(RunRow.number).where(RunRow.request_key == request_key))
            return None if number is None else _run(connection, number)

    def runs_to_watch(self, known: int | None) -> list[Run]:
        """Runs that go on, and those opened since run ``known``; if that is left out the newest run of each partition."""
        newer = (
            RunRow.number > known if known else RunRow.number.in_(select(func.max(RunRow.number)).group_by(RunRow.partition))
        )
        wanted = select(RunRow.number).where(RunRow.ended_at.is_(None) | newer).order_by(RunRow.number.desc()).limit(_MOST_NEW)
        with self.begin(reading=True) as connection:
            return [_run(connection, number) for number in reversed(connection.scalars(wanted).all())]

    def rows(self, query: Select[*tuple[Any, ...]]) -> list[RowMapping]:
        """Rows of a query."""
        with self.begin(reading=True) as connection:
            return list(connection.execute(query).mappings())

    def runs(self, query: Select[*tuple[Any, ...]]) -> tuple[list[RowMapping], list[RowMapping]]:
        """Rows of a query of runs, and what was said of these runs, oldest first; of one field the last counts."""
        with self.begin(reading=True) as connection:
            rows = list(connection.execute(query).mappings())
            return rows, _remarks(connection, [row["number"] for row in rows])

    def transitions(self, number: int) -> list[Transition]:
        """How a run came to its state, oldest first."""
        wanted = select(TransitionRow.__table__).where(TransitionRow.run == number).order_by(TransitionRow.id)
        with self.begin(reading=True) as connection:
            return [
                Transition(
                    number,
                    RunState(row["before"]) if row["before"] else None,
                    RunState(row["after"]),
                    *(row[name] for name in ("at", "source", "who", "reason")),
                )
                for row in connection.execute(wanted).mappings()
            ]

    def remarks(self, number: int) -> list[RowMapping]:
        """What was said of a run, as ``runs`` has it."""
        with self.begin(reading=True) as connection:
            return _remarks(connection, [number])

    def set_events(self, number: int, events: int) -> None:
        """Events of a run that goes on."""
        with self.begin() as connection:
            connection.execute(update(RunRow).where(RunRow.number == number, RunRow.ended_at.is_(None)).values(events=events))


def take_numbers(connection: Connection, count: int) -> range:
    """Run numbers that nobody else ever gets, in one statement that locks the counter until the transaction ends."""
    statement = text("UPDATE logbook_counter SET value = value + :count WHERE name = 'run' RETURNING value")
    newest = connection.execute(statement, {"count": count}).scalar_one()
    return range(newest - count + 1, newest + 1)


def _remarks(connection: Connection, numbers: Sequence[int]) -> list[RowMapping]:
    return list(connection.execute(_REMARKS, {"runs": numbers}).mappings()) if numbers else []


def _upgrade(engine: Engine) -> None:
    try:
        upgrade(engine)
    except ServiceError as err:
        raise DatabaseAway(str(err)) from err


def _run(connection: Connection, number: int, *, lock: bool = False) -> Run:
    wanted = select(*_BY_NAME).where(RunRow.number == number)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().first()
    if row is None:
        raise NotThere(f"there is no run {number}")
    newest = select(TransitionRow.before, TransitionRow.at).where(TransitionRow.run == number)
    before, at = connection.execute(newest.order_by(TransitionRow.id.desc()).limit(1)).one()
    return run_of({**row, "before": before, "changed_at": at})


def _open(connection: Connection, order: Opening) -> Run:
    known = connection.scalar(select(RunRow.number).where(RunRow.request_key == order.request_key))
    if known is not None:
        return same_request(_run(connection, known), order)
    run, transition = opened(order)
    if open_one := connection.scalar(select(RunRow.number).where(RunRow.partition == run.partition, RunRow.ended_at.is_(None))):
        raise Conflict(f"run {open_one} of partition {run.partition} is open")
    run = with_configuration(run, configuration_at(connection, run.opened_at))
    connection.execute(insert(RunRow).values({getattr(RunRow, name): getattr(run, name) for name in COLUMNS}))
    _record(connection, transition)
    return run


def with_configuration(run: Run, used: ConfigurationUsed) -> Run:
    """A run with the configuration it was taken with."""
    return replace(run, config_version=used.version, config_push=used.push, config_hash=used.hash, config_only=used.only)


def _move(connection: Connection, order: Move) -> Run:
    run = _run(connection, order.number, lock=True)
    done = moved(run, order)
    if done is None:
        return run
    after, transition = done
    if after.started_at is not None and run.started_at is None:
        after = with_configuration(after, configuration_at(connection, after.started_at))
    changed = {name: getattr(after, name) for name in COLUMNS if getattr(after, name) != getattr(run, name)}
    connection.execute(update(RunRow).where(RunRow.number == run.number).values(changed))
    _record(connection, transition)
    return after


def _note(connection: Connection, order: Note) -> Run:
    run = _run(connection, order.number)
    row = {"run": order.number, "field": order.field, "value": order.value, "at": order.at, "who": order.who}
    same = select(RemarkRow.id).where(*(getattr(RemarkRow, name) == value for name, value in row.items()))
    if connection.scalar(same) is None:
        connection.execute(insert(RemarkRow).values(row))
    return run


def _compare(connection: Connection, order: Compared) -> Run:
    after = compared(_run(connection, order.number, lock=True), order)
    changed = {name: getattr(after, name) for name in COLUMNS if name.startswith("config_")}
    connection.execute(update(RunRow).where(RunRow.number == order.number).values(changed))
    return after


def _record(connection: Connection, transition: Transition) -> None:
    row = {
        "run": transition.run,
        "before": str(transition.before or ""),
        "after": str(transition.after),
        "at": transition.at,
        "source": transition.source,
        "who": transition.who,
        "reason": transition.reason,
    }
    connection.execute(insert(TransitionRow).values(row))


def take_waiting(store: Store, content: Order) -> None:
    """Do an order that waited.

    Raises:
        BadInput: it can never be done, because the run table says otherwise by now.
        ServiceError: the database cannot be reached.
    """
    try:
        store.do(content)
    except (Conflict, NotThere) as err:
        raise BadInput(str(err)) from err
