"""A soft IOC: plain EPICS database files, served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from iocs.publisher import open_record_server
from sipmdcs.epicsdb import Record, iter_records, iter_substitutions
from sipmdcs.errors import BadInput

SUBSTITUTIONS = (".substitutions", ".sub", ".subs")
TEMPLATES = (".db", ".template", ".vdb")


def load_files(files: Iterable[Path], macros: Mapping[str, str], search_path: Sequence[Path] = ()) -> Iterator[Record]:
    """Records of database and substitution files, read as they are asked for.

    Args:
        files: ``.db`` and ``.template`` files, or ``.substitutions`` that multiply templates.
        macros: hold in all of them.
        search_path: folders where templates are looked up after the one of the substitution file.

    Raises:
        BadInput: a file cannot be read or understood, or is of no known kind.
    """
    for file in files:
        if file.suffix in SUBSTITUTIONS:
            yield from iter_substitutions(file, search_path, macros)
        elif file.suffix in TEMPLATES:
            yield from iter_records(file, macros)
        else:
            raise BadInput(f"expected a name that ends in {', '.join(TEMPLATES + SUBSTITUTIONS)}", file=file)


async def run_softioc(
    files: Iterable[Path],
    macros: Mapping[str, str] | None = None,
    *,
    search_path: Sequence[Path] = (),
    access_file: Path | None = None,
    autosave: Path | None = None,
) -> None:
    """Serve the records of ``files`` until cancelled; arguments as for ``load_files`` and ``open_record_server``.

    Raises:
        BadInput: a file cannot be understood, or a record uses what is not implemented.
        ServiceError: an interface or port cannot be used.
    """
    server = open_record_server(load_files(files, macros or {}, search_path), access_file, autosave=autosave)
    await server.run()
