"""Finger spectra of a whole detector, end to end: from the last raw result delivered to the last row in SQL.

    python bench/spectra.py [--channels 224] [--events 10000] [--only sqlite|postgresql]

14 controllers x 16 channels are delivered as a data acquisition would, to the service ``sipmdcs analysis`` in a process of its
own; its workers are started by a first spectrum, as they run in operation. The peer is the same analysis of the same arrays in
a loop in one process: no files, no queue, no database. PostgreSQL is measured where it is installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from machine import describe_machine
from numpy.typing import NDArray
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from analysis.chain.inbox import deliver
from analysis.fit.recipe import analyse
from analysis.fit.simulate import Spectrum
from analysis.outcome import Kind
from sipmdcs.database import make_engine
from sipmdcs.site import Site

TARGET_S = 15.0
CHANNELS_OF_A_CONTROLLER = 16
TRUTH = Spectrum()
CONDITIONS = {"temperature_C": 25.0, "electrons_per_adc": 1e4}
CONTEXT = "for context, not measured here: the middleware that this replaces is said to take over 10 s for one image"

SITE = """\
name: Bench
prefix: BENCH
channel_access: {{server_port: {ca}, repeater_port: {repeater}}}
database: "{database}"
services: [analysis]
controllers:
  HV01: {{driver: padme-nim, id: "1", subsystem: VETO, port: sim}}
iocs:
  veto: {{controllers: [HV01]}}
"""


def simulate(channels: int, events: int) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    return [TRUTH.draw(rng, events) for _ in range(channels)]


def channel(index: int) -> str:
    controller, number = divmod(index, CHANNELS_OF_A_CONTROLLER)
    return f"BENCH:VETO:HV{controller + 1:02d}:CH{number + 1:02d}"


def in_a_loop(spectra: Sequence[NDArray[np.float64]]) -> float:
    """Seconds that the fits alone take, one after the other."""
    analyse(Kind.SPECTRUM, spectra[0], CONDITIONS)
    begin = time.monotonic()
    for spectrum in spectra:
        analyse(Kind.SPECTRUM, spectrum, CONDITIONS)
    return time.monotonic() - begin


@contextmanager
def service(site: Site) -> Iterator[None]:
    command = [sys.executable, "-m", "sipmdcs", "--site", str(site.folder), "analysis"]
    with (site.folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | site.ca_environment())
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_for(engine: Engine, run: int, jobs: int, timeout: float = 300.0) -> None:
    query = text(
        "SELECT count(*) FROM analysis_job JOIN analysis_raw ON raw = analysis_raw.id WHERE ended_at IS NOT NULL AND run = :r"
    )
    end = time.monotonic() + timeout
    while True:
        try:
            with engine.connect() as connection:
                if connection.scalar(query, {"r": run}) == jobs:
                    return
        except DatabaseError as err:  # the service is still making the tables
            if time.monotonic() > end:
                raise SystemExit(f"the service makes no tables: {err}") from err
        if time.monotonic() > end:
            raise SystemExit(f"not all of {jobs} spectra are analysed after {timeout:g} s")
        time.sleep(0.05)


def end_to_end(url: str, spectra: Sequence[NDArray[np.float64]], folder: Path) -> tuple[float, float]:
    """Seconds to deliver all spectra, and from the last delivery to the last row."""
    from ioc_startup import free_port

    folder.mkdir()
    file = SITE.format(ca=free_port(), repeater=free_port(), database=url)
    (folder / "site.yaml").write_text(file, "utf-8")
    site = Site(folder)
    engine = make_engine(site.database_url)
    known = {"kind": Kind.SPECTRUM, "conditions": CONDITIONS}
    with service(site):
        for index in range(os.cpu_count() or 1):
            deliver(site.raw_folder, key=f"warm-{index}", channel=channel(index), array=spectra[0], run=1, **known)
        wait_for(engine, 1, os.cpu_count() or 1)
        begin = time.monotonic()
        for index, spectrum in enumerate(spectra):
            deliver(site.raw_folder, key=f"run2-{index}", channel=channel(index), array=spectrum, run=2, **known)
        delivered = time.monotonic()
        wait_for(engine, 2, len(spectra))
        done = time.monotonic()
    check(engine, len(spectra))
    engine.dispose()
    return delivered - begin, done - delivered


def check(engine: Engine, channels: int) -> None:
    """A figure without results would be none."""
    query = "SELECT channels, failed, mean FROM analysis_macro WHERE run = 2 AND quantity = 'gain'"
    with engine.connect() as connection:
        found, failed, mean = connection.execute(text(query)).one()
    truth = TRUTH.gain_adc * CONDITIONS["electrons_per_adc"]
    if (found, failed) != (channels, 0) or abs(mean / truth - 1) > 0.01:
        raise SystemExit(f"{found} gains, {failed} failures, mean {mean:g}: expected {channels}, 0, {truth:g}")


@contextmanager
def postgresql() -> Iterator[str]:
    """URL of a server of our own, as durable as one in operation; empty if PostgreSQL is not installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        yield ""
        return
    from ioc_startup import free_port

    port, root = free_port(), os.geteuid() == 0
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
    with tempfile.TemporaryDirectory() as folder:
        if root:
            shutil.chown(folder, "postgres", "postgres")
        data, quiet = f"{folder}/data", subprocess.DEVNULL
        environment = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
        initdb = [*user, str(programs[-1] / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(initdb, check=True, stdout=quiet, cwd=folder, env=environment)
        server = [*user, str(programs[-1] / "postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder]
        process = subprocess.Popen(server, stdout=quiet, stderr=quiet, cwd=folder, env=environment)
        try:
            ready = [str(programs[-1] / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
            while subprocess.run(ready, stdout=quiet, check=False).returncode:
                time.sleep(0.1)
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=14 * CHANNELS_OF_A_CONTROLLER)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    print(describe_machine("distributed", "SQLAlchemy"))
    spectra = simulate(options.channels, options.events)
    print(f"{len(spectra)} spectra of {options.events:,} events", flush=True)
    alone = in_a_loop(spectra)
    print(f"peer, the fits alone in a loop in one process: {alone:.1f} s, {alone / len(spectra) * 1e3:.0f} ms each", flush=True)
    with tempfile.TemporaryDirectory() as folder, postgresql() as url:
        for name, database in (("SQLite", ""), ("PostgreSQL", url)):
            if options.only not in (None, name.lower()):
                continue
            if name == "PostgreSQL" and not url:
                print("PostgreSQL is not installed")
                continue
            delivering, waiting = end_to_end(database, spectra, Path(folder) / name)
            each = delivering / len(spectra) * 1e3
            print(f"{name}: delivered in {delivering:.2f} s, {each:.1f} ms each, which is all that a producer waits")
            print(
                f"{name}: last raw spectrum to last row {waiting:.1f} s (to reach: {TARGET_S:g}); "
                f"with the delivery {(delivering + waiting) / alone:.2f} times the loop",
                flush=True,
            )
    print(CONTEXT)


if __name__ == "__main__":
    main()
