"""Tables of runs as pandas frames, from SQL alone: for notebooks, analysis and export.

========================  =============================================================================================
``runs``                  one row per run: facts, then remarks as columns ``remark_FIELD``
``slow_control``          one row per run and PV; with ``pivot="mean"`` (or another figure) one row per run, a column per PV
``reco``                  one row per result of the newest analysis of each raw result
``macro``                 one row per run and quantity
========================  =============================================================================================

Times are UTC, whole numbers that may be missing ``Int64``, texts ``string``; an empty table has the same types as a full one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import JSON, Boolean, Column, DateTime, Engine, Float, Integer, MetaData, Numeric, Table, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError

from sipmdcs.database import database_error, for_reading, make_engine
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import Site

_TABLES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "runs": ("logbook_run", "number", ("number",)),
    "slow_control": ("logbook_slow_control", "run", ("run", "pv")),
    "reco": ("analysis_reco_current", "run", ("run", "id")),
    "macro": ("analysis_macro", "run", ("run", "kind", "quantity", "method")),
}
"""Of each table: its name in SQL, the column of the run number, the order of the rows."""
NAMES = tuple(_TABLES)
FIGURES = ("samples", "mean", "minimum", "maximum", "rms", "alarm_s", "invalid_s")
"""What slow control can be pivoted by."""
_FIGURE_UNITS = {"samples": "", "alarm_s": "s", "invalid_s": "s"}
"""Of figures that are not in the unit of their PV."""
_MOST = 2**31 - 1


def read_table(
    where: Site | str, name: str, first: int = 0, last: int | None = None, *, pivot: str | None = None
) -> pd.DataFrame:
    """A table of a range of runs; see ``logbook.read_table``."""
    if name not in _TABLES:
        raise BadInput(f"{name!r} is no table, expected one of {', '.join(NAMES)}")
    if pivot is not None and (name != "slow_control" or pivot not in FIGURES):
        raise BadInput(f"pivot {pivot!r}: only slow_control can be pivoted, by one of {', '.join(FIGURES)}")
    last = _MOST if last is None else last
    if not 0 <= first <= last <= _MOST:
        raise BadInput(f"runs {first} to {last}: expected two numbers from 0 to {_MOST}, the smaller one first")
    engine = _engine(where if isinstance(where, str) else where.read_database_url)
    try:
        frame = _read(engine, name, first, last)
        if name == "runs":
            frame = _with_remarks(engine, frame, first, last)
    except NoSuchTableError as err:
        raise ServiceError(f"database {engine.url} has no table {err} yet") from err
    except SQLAlchemyError as err:
        raise database_error(engine, err) from err
    finally:
        engine.dispose()
    return frame if pivot is None else _pivoted(frame, pivot)


def _engine(url: str) -> Engine:
    """Of a database that is there: SQLite would make a mistyped one, empty."""
    with suppress(ArgumentError):  # which make_engine explains
        parsed = make_url(url)
        file = parsed.database or ""
        if parsed.get_backend_name() == "sqlite" and not file.startswith("file:") and not Path(file).is_file():
            raise ServiceError(f"database {parsed}: there is no such file")
    return for_reading(make_engine(url))


def _read(engine: Engine, name: str, first: int, last: int) -> pd.DataFrame:
    sql_name, run, order = _TABLES[name]
    table = Table(sql_name, MetaData(), autoload_with=engine)
    wanted = select(table).where(table.c[run].between(first, last)).order_by(*(table.c[key] for key in order))
    with engine.connect() as connection:
        rows = connection.execute(wanted).all()
    columns = zip(*rows, strict=True) if rows else [()] * len(table.columns)
    return pd.DataFrame({column.name: _series(column, values) for column, values in zip(table.columns, columns, strict=True)})


def _series(column: Column[Any], values: Any) -> pd.Series:
    """The values of one column in the type that goes with it."""
    kind = column.type
    if isinstance(kind, DateTime):
        # SQLite gives times without zone; ours are UTC everywhere.
        return pd.Series(pd.to_datetime(pd.Series(list(values), dtype="object"), utc=True)).astype("datetime64[us, UTC]")
    if isinstance(kind, Boolean):
        return pd.Series(list(values), dtype="boolean")
    if isinstance(kind, Integer):
        return pd.Series(list(values), dtype="Int64" if column.nullable else "int64")
    if isinstance(kind, Float | Numeric):
        return pd.Series([np.nan if value is None else float(value) for value in values], dtype="float64")
    if isinstance(kind, JSON):
        return pd.Series(list(values), dtype="object")
    return pd.Series(list(values), dtype="string")


def _with_remarks(engine: Engine, frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """With the newest remark of each field as a column, after the facts."""
    remark = Table("logbook_remark", MetaData(), autoload_with=engine)
    wanted = select(remark.c.run, remark.c.field, remark.c.value).where(remark.c.run.between(first, last)).order_by(remark.c.id)
    with engine.connect() as connection:
        said = {(run, field): value for run, field, value in connection.execute(wanted)}
    for field in sorted({field for _, field in said}):
        texts = [said.get((number, field)) for number in frame["number"]]
        frame[f"remark_{field}"] = pd.Series(texts, dtype="string", index=frame.index)
    return frame


def _pivoted(frame: pd.DataFrame, figure: str) -> pd.DataFrame:
    """One row per run, one column per PV; the unit of each as ``attrs["units"]``, by PV as the newest run has it."""
    wide = frame.pivot_table(index="run", columns="pv", values=figure, aggfunc="first", dropna=False, sort=True)
    wide.columns = pd.Index([str(pv) for pv in wide.columns], name="pv")
    units = {str(pv): str(unit) for pv, unit in zip(frame["pv"], frame["unit"], strict=True)}
    wide.attrs["units"] = {pv: _FIGURE_UNITS.get(figure, unit) for pv, unit in units.items()}
    return wide
