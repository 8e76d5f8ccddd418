"""A load from EPICS Base: an IOC whose N records each count up R times a second, so that a client sees what it loses.

    python bench/base_load.py --records 2000 --rate 10 --prefix LOAD:

The records are LOAD:0, LOAD:1 and so on; Channel Access listens where EPICS_CAS_INTF_ADDR_LIST and EPICS_CA_SERVER_PORT
say. ``ready`` on standard output, then it runs until its standard input ends.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

SCANS = {10.0: ".1", 5.0: ".2", 2.0: ".5", 1.0: "1", 0.5: "2", 0.2: "5", 0.1: "10"}
"""Rates that EPICS Base has without extending its menu, in hertz, and how they are called there."""


def database(records: int, rate_hz: float, prefix: str) -> str:
    """The EPICS database of the load."""
    line = 'record(calc, "{}{}") {{ field(CALC, "VAL+1") field(SCAN, "{} second") field(EGU, "n") }}\n'
    return "".join(line.format(prefix, index, SCANS[rate_hz]) for index in range(records))


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=10.0, choices=sorted(SCANS), help="updates of each record, hertz")
    parser.add_argument("--prefix", default="LOAD:")
    options = parser.parse_args()

    from epicscorelibs import ioc  # reads the environment and starts threads

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "load.db"
        file.write_text(database(options.records, options.rate, options.prefix))
        ioc.start_ioc(dbs=[(str(file), "")])
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
