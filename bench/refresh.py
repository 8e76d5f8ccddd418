"""Refresh of the web page with 3,008 channels, and the newest 20 of 1,000,000 runs against the bare query on PostgreSQL.

    python bench/refresh.py [--controllers 188] [--runs 1000000] [--repeat 20] [--only refresh|runs]

A Channel Access server in a process of its own publishes the PVs that the page shows, every value new each second. The real
archiver, alarm service and web service follow them, and the questions that the page asks are put to the web service one after
the other. The runs are in a PostgreSQL server of our own; the page of the API, that page after somebody has written, so that it
is made anew, the same SELECT behind a bare uvicorn and the SELECT alone take turns, each on a connection that is kept.
Wall-clock time is printed with the processor time of the service that answers.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import yaml
from http_replies import ask
from ioc_startup import free_port
from machine import describe_machine
from page import CHANNELS, make_site
from spectra import postgresql

SIPMDCS = str(Path(sys.executable).with_name("sipmdcs"))
CHANNEL_FIELDS = (
    "name,subsystem,controller_name,number,pv_prefix,sensor,voltage,current,temperature,overvoltage,gain,dark_rate,masked,state,"
    "severity,connected,age"
)
QUESTIONS = {
    "channels, as the page asks": f"channels?fields={CHANNEL_FIELDS}&include=data_only&sort=position&page[limit]=100000",
    "controllers, as the page asks": "controllers?fields=name,poll_period&include=data_only&page[limit]=100000",
    "alarms, as the page asks": "alarms?filter[severity][NEQ]=OK&sort=-time&page[limit]=100000",
    "channels, everything": "channels?page[limit]=100000",
    "alarms, everything": "alarms?page[limit]=100000",
    "pvs, everything": "pvs?page[limit]=100000",
    "pvs, search": "pvs?filter[pv][CT]=HV01:CH0&fields=pv&sort=pv&page[limit]=50",
}
REFRESH = list(QUESTIONS)[:3]
NEWEST = "runs?sort=-run_number&page[limit]=20"
_NEWEST_REMARK = "(SELECT value FROM logbook_remark WHERE run = number AND field = '{0}' ORDER BY id DESC LIMIT 1) AS {0}"
BARE = (
    "SELECT number, partition, type, state, opened_at, started_at, ended_at,"
    " coalesce(ended_at, now()) - started_at AS duration, ended_at IS NULL AS open, opened_by, ended_by, end_reason, events,"
    " orphaned, config_version, config_push, config_only, config_hash, config_compared, config_differing, config_unread,"
    " config_compared_at, config_trouble, software_version, summary,"
    f" {', '.join(_NEWEST_REMARK.format(field) for field in ('comment', 'quality', 'shifter'))}, facts"
    " FROM logbook_run ORDER BY number DESC LIMIT 20"
)
"""All that a row of the page holds."""
PEER = """
import json, sys, psycopg, uvicorn
database = psycopg.connect(sys.argv[2], autocommit=True)
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    order = scope["path"].removeprefix("/")
    cursor = database.execute(sys.argv[3].replace("ORDER BY number", f"ORDER BY {order}"))
    names = [column.name for column in cursor.description]
    body = json.dumps({"data": [dict(zip(names, row)) for row in cursor.fetchall()]}, default=str).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), http="httptools", lifespan="off", access_log=False, log_level="error")
"""
"""The bare query behind a bare uvicorn: what it costs to hand rows to an HTTP client at all."""


def timed(work: Callable[[], object]) -> float:
    """Seconds it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def spent(process: psutil.Process) -> float:
    """Processor time of a process, seconds."""
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def running(*command: str, folder: Path) -> Iterator[psutil.Process]:
    """A program of the site."""
    environment = os.environ | {"SIPMDCS_SITE": str(folder)}
    with (folder / f"{Path(command[-1]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(web: httpx.Client, path: str, wanted: Callable[[httpx.Response], bool], patience_s: float = 300) -> None:
    """Wait until the web service answers as wanted."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            if wanted(web.get(path)):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    sys.exit(f"{path}: not as expected within {patience_s:.0f} s")


def port_of(folder: Path, service: str) -> int:
    """Where a service of the site listens."""
    return int(yaml.safe_load((folder / "site.yaml").read_text("utf-8"))[service]["port"])


def measure_refresh(parent: Path, controllers: int, repeat: int) -> None:
    """The questions of the page."""
    folder = parent / "site"
    make_site(folder, controllers, ("archiver", "alarms", "web"))
    tree = yaml.safe_load((folder / "alarms.yaml").read_text("utf-8"))
    del tree["nodes"]  # some are about parts that this site has not
    (folder / "alarms.yaml").write_text(yaml.safe_dump(tree), "utf-8")
    environment = os.environ | {"SIPMDCS_SITE": str(folder)}
    subprocess.run([SIPMDCS, "config", "render"], env=environment, check=True, capture_output=True)
    count = controllers * CHANNELS
    with ExitStack() as stack:
        server = str(Path(__file__).with_name("page.py"))
        stack.enter_context(running(sys.executable, server, "--followed", "--serve", str(folder), folder=folder))
        alarms = stack.enter_context(running(SIPMDCS, "alarms", folder=folder))
        stack.enter_context(running(SIPMDCS, "archiver", folder=folder))
        process = stack.enter_context(running(SIPMDCS, "web", folder=folder))
        web = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port_of(folder, 'web')}/api/v1", timeout=120))
        lost = "channels?filter[connected][EQ]=false&fields=name&page[limit]=1"
        answers(web, lost, lambda reply: reply.is_success and reply.json()["meta"]["totalResourceCount"] == 0)
        for path in QUESTIONS.values():
            answers(web, path, lambda reply: reply.is_success)
        time.sleep(10)
        print(f"{count} channels, values new each second; medians of {repeat}")
        print(f"{'question':32} {'rows':>7} {'MB':>6} {'median':>9} {'longest':>9} {'web service':>12} {'alarm service':>14}")
        for name, path in QUESTIONS.items():
            at, also = spent(process), spent(alarms)
            took = [timed(lambda path=path: web.get(path).raise_for_status()) for _ in range(repeat)]
            used, also_used = (spent(process) - at) / repeat, (spent(alarms) - also) / repeat
            reply = web.get(path)
            rows, size = len(reply.json()["data"]), len(reply.content) / 1e6
            print(
                f"{name:32} {rows:7d} {size:6.2f} {1e3 * statistics.median(took):6.0f} ms {1e3 * max(took):6.0f} ms"
                f" {1e3 * used:9.0f} ms {1e3 * also_used:11.0f} ms"
            )
        took = []
        for _ in range(repeat):
            took.append(timed(lambda: [web.get(QUESTIONS[name]).raise_for_status() for name in REFRESH]))
            time.sleep(1.1)  # what is kept for a second is fetched again
        print(f"refresh of the page, all its questions: median {statistics.median(took):.3f} s, longest {max(took):.3f} s")


def fill(url: str, runs: int) -> None:
    """The run table of a site that has run for years."""
    from sqlalchemy import text

    import logbook.schema
    from sipmdcs.database import make_engine

    engine = make_engine(url)
    logbook.schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO logbook_run (number, request_key, partition, type, state, opened_at, started_at,"
                " ended_at, opened_by, ended_by, end_reason, events, config_version, config_push, config_hash,"
                " software_version, facts, summary)"
                " SELECT i, 'k' || i, 'p', 'physics', 'ended', t, t, t + interval '2 min', 'daq', 'daq', '', i, 1 + i % 50,"
                " 1 + i % 70, md5(i::text), '0.1', '{}', 'done'"
                " FROM (SELECT i, timestamptz '2020-01-01' + i * interval '3 min' AS t"
                f" FROM generate_series(1, {runs}) i) AS made"
            )
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE logbook_run")
    engine.dispose()


def measure_runs(parent: Path, runs: int, repeat: int) -> None:
    """A page of the newest runs against the query alone."""
    folder = parent / "runs"
    with postgresql() as url, ExitStack() as stack:
        fill(url, runs)
        make_site(folder, 1, ("web",), database=url)
        environment = os.environ | {"SIPMDCS_SITE": str(folder)}
        subprocess.run([SIPMDCS, "config", "render"], env=environment, check=True, capture_output=True)
        stack.enter_context(running(SIPMDCS, "web", folder=folder))
        web = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port_of(folder, 'web')}/api/v1", timeout=120))
        answers(web, NEWEST, lambda reply: reply.is_success)
        plain = url.replace("+psycopg", "")
        bare, other = (stack.enter_context(psycopg.connect(plain, autocommit=True)) for _ in range(2))
        port = free_port()
        served = subprocess.Popen([sys.executable, "-c", PEER, str(port), plain, BARE])
        stack.callback(served.wait)
        stack.callback(served.terminate)
        peer = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120))
        answers(peer, "/number", lambda reply: reply.is_success)
        asking = [stack.enter_context(socket.create_connection(("127.0.0.1", to))) for to in (port_of(folder, "web"), port)]
        ours, theirs = asking
        sorts = {"-run_number": "number", "-started_at": "started_at", "-ended_at": "ended_at"}
        print(f"newest 20 of {runs:,} runs on PostgreSQL; medians of {repeat}, taking turns")
        for sort, column in sorts.items():
            path = f"/api/v1/{NEWEST.replace('-run_number', sort)}"
            query = BARE.replace("ORDER BY number", f"ORDER BY {column}").encode()
            work = {
                "page": lambda path=path: ask(ours, path),
                "page after a write": lambda path=path: ask(ours, path),
                "bare query in bare uvicorn": lambda column=column: ask(theirs, f"/{column}"),
                "bare query": lambda query=query: bare.execute(query).fetchall(),
            }
            times: dict[str, list[float]] = {name: [] for name in work}
            for _ in range(repeat):
                for name, do in work.items():
                    if name == "page after a write":
                        other.execute("UPDATE logbook_counter SET value = value")
                    times[name].append(timed(do))
            median = {name: 1e3 * statistics.median(found) for name, found in times.items()}
            print(f"sort={sort:12} " + ", ".join(f"{name} {value:.2f} ms" for name, value in median.items()))
            *pages, served_ms, query_ms = median.values()
            again, after = (f"{ms / query_ms:.1f} x the bare query, {ms / served_ms:.1f} x the same served" for ms in pages)
            print(f"  page {again}; after a write {after}")


def main() -> None:
    """Start everything, measure, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--controllers", type=int, default=188)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--only", choices=("refresh", "runs"))
    options = parser.parse_args()
    print(describe_machine("fastapi", "SQLAlchemy", "psycopg"), f"load {os.getloadavg()[0]:.1f}")
    random.seed()
    with tempfile.TemporaryDirectory() as parent:
        if options.only != "runs":
            measure_refresh(Path(parent), options.controllers, options.repeat)
        if options.only != "refresh":
            measure_runs(Path(parent), options.runs, options.repeat)


if __name__ == "__main__":
    main()
