"""``sipmdcs run table``: a table of a range of runs, on the terminal or into a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import Site

if TYPE_CHECKING:
    import pandas as pd

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.command(
    epilog=examples(
        "sipmdcs run table runs 10 20 --csv runs.csv",
        "sipmdcs run table slow_control 10 --pivot mean --csv -",
        "sipmdcs run table reco 17 17 --json",
    ),
)
@click.argument("name", metavar="runs|slow_control|reco|macro")
@click.argument("first", type=click.IntRange(0, 2**31 - 1))
@click.argument("last", type=click.IntRange(0, 2**31 - 1), required=False)
@click.option("--csv", "csv", type=_FILE, help="Write comma separated values; - for the terminal.")
@click.option("--parquet", type=_FILE, help="Write a Parquet file.")
@click.option("--pivot", metavar="FIGURE", help="Of slow_control: one row per run, one column per PV with this figure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per row.")
@pass_site
def table(
    site: Site,
    *,
    name: str,
    first: int,
    last: int | None,
    csv: Path | None,
    parquet: Path | None,
    pivot: str | None,
    as_json: bool,
) -> None:
    """Show or write a table of the runs FIRST to LAST (the newest if left out)."""
    import logbook  # with pandas, which other commands do not need

    frame = logbook.read_table(site, name, first, last, pivot=pivot)
    if csv is not None:
        if str(csv) == "-":
            click.echo(_flat(frame).to_csv(index=pivot is not None), nl=False)
        else:
            _write(csv, lambda path: _flat(frame).to_csv(path, index=pivot is not None), len(frame))
    if parquet is not None:
        if str(parquet) == "-":
            raise BadInput("a Parquet file cannot go to the terminal", key="--parquet")
        _write(parquet, lambda path: _flat(frame).to_parquet(path, index=pivot is not None), len(frame))
    if csv is not None or parquet is not None:
        return
    if as_json:
        text = frame.reset_index() if pivot is not None else frame
        click.echo(text.to_json(orient="records", date_format="iso", date_unit="us", indent=2))
    else:
        click.echo(frame.to_string(index=pivot is not None) if len(frame) else "no rows")


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Facts as JSON text, which every format can hold."""
    flat = frame.copy()
    for column in flat.columns[flat.dtypes == "object"]:
        flat[column] = [json.dumps(value) for value in flat[column]]
    return flat


def _write(path: Path, write: Callable[[Path], object], rows: int) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        part.replace(path)
    except OSError as err:
        part.unlink(missing_ok=True)
        raise ServiceError(f"{path}: cannot be written: {err.strerror or err}") from err
    click.echo(f"{path}: {rows} rows")
