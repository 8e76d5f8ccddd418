"""What the archiver's storage costs, without Channel Access: log, compaction, merging, bytes per sample, queries.

    python bench/archiver_storage.py --pvs 2000 --seconds 300 --rate 10     many PVs for a short time: cost per event
    python bench/archiver_storage.py --pvs 20 --seconds 2592000 --rate 1    few PVs for a month: time of a query

Values are noise of 5 mV around 54 V as a 14-bit ADC of 80 V sees it; time stamps jitter by 2 ms. Costs are
processor time of this process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from archiver.bins import Interval
from archiver.formats import FORMATS, Wanted
from archiver.log import LogLimits
from archiver.operators import parse_operator
from archiver.query import Budget, ask
from archiver.rows import ROW, Rows
from archiver.storage import Storage
from sipmdcs.clock import NS, SystemClock
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy

DRAIN_S = 0.15
ADC_V = 80 / 2**14


def drains(pvs: int, seconds: float, rate_hz: float) -> list[tuple[int, int]]:
    """First and last update number of each drain, as the capture would give them, at least 50,000 rows each."""
    updates = int(seconds * rate_hz)
    step = max(int(DRAIN_S * rate_hz), 50_000 // pvs, 1)
    return [(first, min(first + step, updates)) for first in range(0, updates, step)]


def main() -> None:
    """Fill an archive, ask it, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pvs", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=10, help="updates of each PV, hertz")
    options = parser.parse_args()
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder), SystemClock(), LogLimits())
        names = [f"BENCH:{index}" for index in range(options.pvs)]
        storage.start(dict.fromkeys(names, ArchivePolicy(ArchiveMethod.MONITOR, 1 / options.rate)))
        end_ns = time.time_ns()
        period_ns = int(NS / options.rate)
        start_ns = end_ns - int(options.seconds * NS)
        cost = {"log": 0.0, "lake": 0.0}
        total = 0
        for first, last in drains(options.pvs, options.seconds, options.rate):
            rows = np.zeros((last - first) * options.pvs, ROW)
            stamps = start_ns + np.arange(first, last)[:, None] * period_ns
            rows["time_ns"] = (stamps + random.integers(0, 2_000_000, (last - first, options.pvs))).ravel()
            rows["received_ns"] = rows["time_ns"] + random.integers(200_000, 5_000_000, len(rows))
            rows["pv"] = np.tile(np.arange(1, options.pvs + 1), last - first)
            rows["value"] = np.round((54 + random.normal(0, 0.005, len(rows))) / ADC_V) * ADC_V
            total += len(rows)
            cost["log"] += spent(lambda rows=rows: (storage.log.append(Rows(rows, [])), storage.log.write()))
            if storage.log.sealed:
                cost["lake"] += spent(storage.maintain)
        storage.log.request_seal()
        storage.log.write()
        cost["lake"] += spent(storage.maintain)
        print(f"{total:,} samples of {options.pvs} PVs")
        for what, seconds in cost.items():
            print(f"{what:<24} {seconds / total * 1e6:8.3f} us/sample")
        with storage.catalogue.reading() as db:
            files, size = db.execute("SELECT count(*), sum(bytes) FROM file").fetchone()
        print(f"{'lake':<24} {size / total:8.2f} bytes/sample in {files} files")
        for operator, span_s in (("raw", 3600), ("raw", 18_000 / options.rate), ("optimized_2000", options.seconds)):
            interval = Interval(end_ns - int(min(span_s, options.seconds) * NS), end_ns)
            ask_once(storage, names[len(names) // 2], operator, interval)
        storage.close()


def ask_once(storage: Storage, name: str, operator: str, interval: Interval) -> None:
    """Time one query twice, for cold and warm footers, answer as JSON text included."""
    times: list[float] = []
    count = 0
    for _ in range(2):
        begin = time.perf_counter()
        answer = ask(storage.catalogue, storage.reader, name, parse_operator(operator), interval, Budget())
        count = len(answer.samples)
        sum(map(len, FORMATS["json"].write([answer], Wanted())))
        times.append(time.perf_counter() - begin)
    span_s = (interval.to_ns - interval.from_ns) / NS
    print(
        f"{operator:<16} {span_s:>10,.0f} s {count:>8,} answered {times[0] * 1e3:8.1f} ms first {times[1] * 1e3:8.1f} ms then"
    )


def spent(work: Callable[[], object]) -> float:
    """Processor seconds of a call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
