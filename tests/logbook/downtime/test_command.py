"""``sipmdcs downtime`` as scripts call it: own processes, no display, no terminal."""

import csv
import io
import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from sipmdcs.site import Site
from tests.logbook.downtime.conftest import DETECTORS, MakeSite, Run
from tests.postgresql import PostgresServer

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (INFO|ERROR) \d+ [a-z-]+( [a-z]+=(-|[0-9.]+|[0-9T:.-]+Z|\"([^\"\\]|\\.)*\"))*"
)


def message(minutes: float, words: str = "Running to Stopped, Last", partition: int = 1, run: int = 12) -> str:
    when = datetime.now(UTC) - timedelta(minutes=minutes)
    return f"Partition {partition} transitioned from {words} Run/Subrun/Time {run} 3 {when:%Y-%m-%dT%H:%M:%SZ}"


def events(run: Run, site: Site, *cuts: str) -> list[dict[str, object]]:
    return json.loads(run(site, "--list", "--json", *cuts).stdout)


def test_a_day_of_messages(run: Run, call: Run, make_site: MakeSite, database_url: str) -> None:
    site = make_site(database_url)
    stopped = run(site, message(30))
    assert stopped.returncode == 0, stopped.stderr
    assert "NEAR is down since" in stopped.stdout
    assert "event 1, run 12/3" in stopped.stdout
    assert stopped.stderr == "no display and no terminal, so nobody is asked why: run sipmdcs downtime later\n"
    (event,) = events(call, site)
    assert (event["id"], event["run"], event["subrun"], event["ended_at"], event["category"]) == (1, 12, 3, None, "UNDECIDED")
    # Not quoted, as a shell script may forget to.
    other = call(site, *message(25, partition=2).split(), "--no-popup")
    assert (other.returncode, other.stderr) == (0, "")
    started = call(site, message(20, "Stopped to Running, First"))
    assert "NEAR is up since" in started.stdout
    assert [found["detector"] for found in events(call, site, "--open")] == ["FAR"]
    edited = call(site, "--edit", "1", "--category", "DAQ", "--description", "hung", "--author", "alice", "--revision", "2")
    assert edited.stdout == "event 1 is changed\n", edited.stderr
    shown = json.loads(call(site, "--show", "1", "--json").stdout)
    assert (shown["category"], shown["user"], round(shown["duration_s"] / 60)) == ("DAQ", "alice", 10)
    assert [step["field"] for step in shown["history"]] == ["ended_at", "category", "description", "user"]
    summary = json.loads(call(site, "--summary", "--json", "--detector", "NEAR").stdout)
    assert [(share["category"], share["events"]) for share in summary["categories"]] == [("DAQ", 1)]
    rows = list(csv.DictReader(io.StringIO(call(site, "--list", "--csv").stdout)))
    assert [(row["id"], row["ended_at"] == "") for row in rows] == [("2", True), ("1", False)]


def test_short_arguments(call: Run, make_site: MakeSite) -> None:
    site = make_site()
    assert call(site, "0", "--no-popup", "--json").returncode == 0
    ended = json.loads(call(site, "2", "--json").stdout)
    assert ended["downtime"]["detector"] == "NEAR"
    assert ended["downtime"]["ended_at"] is not None
    assert ended["waiting"] is False


def test_entries_by_options(call: Run, make_site: MakeSite) -> None:
    site = make_site()
    made = call(site, "--new", "--category", "Beam", "--start", "8h", "--end", "7h", "--run", "9", "--author", "bob")
    assert made.returncode == 0, made.stderr
    (event,) = events(call, site, "--run", "5-9", "--text", "BOB")
    assert (event["detector"], event["source"], event["user"]) == ("NEAR", "manual", "bob")
    assert "Beam" in call(site, "--list").stdout
    assert "Beam" in call(site, "--summary").stdout
    assert "never" not in call(site, "--show", "1").stdout
    assert call(site, "--edit", "1", "--end", "").returncode == 0
    assert len(events(call, site, "--open")) == 1
    assert call(site, "--list", "--text", "nothing").stdout == "no downtimes\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("Partition 1 transitioned from Running to Stopped",), "stop message .* is not complete"),
        ((message(1).replace(" 12 ", " xxx "),), "run 'xxx' is not a whole number"),
        ((message(1, "Stopped to Running, First").rpartition(" ")[0],), "start message .* is not complete"),
        ((message(-60),), "stop .* is in the future"),
        ((message(1, partition=7),), "partition '7' belongs to no detector"),
        (("0", "--detector", "MIDDLE"), "detector 'MIDDLE' is not in downtime.yaml, expected NEAR or FAR"),
        (("2",), "NEAR has no open downtime"),
        ((), "manual entries need a display or a terminal"),
        (("-1",), "'-1' is no message of a stop or start"),
        (("hello",), "'hello' is no message of a stop or start"),
        (("--edit", "99", "--category", "DAQ"), "event 99: there is none of that number"),
        (("--new", "--category", "Aliens"), "category 'Aliens' is not in downtime.yaml"),
        (("--new", "--start", "soon"), "time 'soon' is not understood"),
        (("--new", "--start", "2026-03-29 02:30:00"), "does not exist in Europe/Rome"),
        ((message(1).rpartition(" ")[0] + " 2026-03-29 02:30:00",), "does not exist in Europe/Rome"),
        (("--new", "--start", "2025-10-26 02:30:00"), r"write which: 2025-10-26 02:30:00\+02:00 or"),
        (("--list", "--since", "yesterday"), "time 'yesterday' is not understood"),
        (("--list", "--run", "a-b"), "run 'a' is not a number"),
        (("--list", "--text", "\udcff"), "is no text of printable characters"),
        (("--list", "--category", "\udcff"), "is no text of printable characters"),
        (("--summary", "--since", "1h", "--until", "2h"), "--until is not after --since"),
    ],
)
def test_bad_input_is_one_line_and_stores_nothing(
    call: Run, make_site: MakeSite, arguments: tuple[str, ...], problem: str
) -> None:
    site = make_site(downtime_yaml=f"{DETECTORS}time_zone: Europe/Rome\n")
    done = call(site, *arguments)
    assert done.returncode == 1
    assert re.fullmatch(rf"Error: .*{problem}.*\n", done.stderr), done.stderr
    assert done.stdout == ""
    assert events(call, site) == []
    assert not any((site.folder / "var/spool/downtime").glob("*.json"))
    log = (site.folder / "var/log/downtime.log").read_text("utf-8")
    assert " ERROR " in log
    assert " failed error=" in log


@pytest.mark.parametrize(
    "arguments", [("--list", "--flush"), ("--edit", "1"), ("--list", "0"), ("--limit", "0", "--list"), ("--show", "9" * 20)]
)
def test_wrong_use_is_status_2(call: Run, make_site: MakeSite, arguments: tuple[str, ...]) -> None:
    assert call(make_site(), *arguments).returncode == 2


def test_repeats_are_told(call: Run, make_site: MakeSite) -> None:
    site = make_site()
    stop = message(9)
    assert call(site, stop, "--no-popup").returncode == 0
    again = call(site, stop, "--no-popup")
    assert again.returncode == 1
    assert "event 1" in again.stderr
    start = message(5, "Stopped to Running, First")
    assert call(site, start).returncode == 0
    assert "NEAR is up already: event 1" in call(site, start).stderr
    assert len(events(call, site)) == 1


def test_a_broken_file_is_named_by_line(call: Run, make_site: MakeSite) -> None:
    done = call(make_site(downtime_yaml="detectors:\n  NEAR: {hosts: [x]}\ncategorys: []\n"), "0")
    assert done.returncode == 1
    assert re.fullmatch(r"Error: .*downtime\.yaml:3: categorys: unknown key\n", done.stderr), done.stderr


def test_the_log_tells_everything_in_one_line_each(call: Run, make_site: MakeSite) -> None:
    site = make_site()
    argument = 'a "b"\n\x1b[31m c=d \u00e9'
    call(site, argument)
    call(site, message(9), "--no-popup")
    lines = (site.folder / "var/log/downtime.log").read_text("ascii").splitlines()
    assert all(LINE.fullmatch(line) for line in lines), lines
    steps = [line.split()[3] for line in lines]
    assert steps == ["called", "classified", "failed", "called", "classified", "kept", "stored", "done"]
    (quoted,) = re.findall(r'argument=("(?:[^"\\]|\\.)*")', lines[0])
    assert json.loads(quoted) == argument
    assert 'done="opened" event=1 revision=1' in lines[6]


def test_a_database_stopped_between_stop_and_start(
    run: Run, call: Run, make_site: MakeSite, postgresql_to_stop: PostgresServer
) -> None:
    site = make_site(postgresql_to_stop.url)
    assert call(site, message(30), "--no-popup").returncode == 0
    postgresql_to_stop.stop()
    begin = time.monotonic()
    for words, minutes in (("Stopped to Running, First", 20), ("Running to Stopped, Last", 10)):
        done = call(site, message(minutes, words), "--no-popup")
        assert done.returncode == 0, done.stderr
        assert "kept until the database is back" in done.stdout
    assert time.monotonic() - begin < 40
    listed = call(site, "--list")
    assert listed.returncode == 1
    assert re.fullmatch(r"(2 entries wait .*\n)?Error: database postgresql.*\n", listed.stderr), listed.stderr
    postgresql_to_stop.start()
    flushed = run(site, "--flush")  # another process: what waits is on the disk alone
    assert flushed.stdout == "2 stored\n", flushed.stderr
    assert call(site, "--flush").stdout == "nothing waits\n"
    found = events(call, site)
    assert [(event["detector"], event["ended_at"] is None) for event in found] == [("NEAR", True), ("NEAR", False)]
    log = (site.folder / "var/log/downtime.log").read_text("utf-8")
    assert " database-failed " in log
    assert "connection" in log


def test_two_detectors_at_once(make_site: MakeSite, database_url: str, call: Run, environment: dict[str, str]) -> None:
    site = make_site(database_url)
    command = [sys.executable, "-m", "sipmdcs", "--site", str(site.folder), "downtime", "--no-popup"]
    both = [
        subprocess.Popen(
            [*command, message(5, partition=partition)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for partition in (1, 2)
    ]
    for process in both:
        _, stderr = process.communicate(timeout=50)
        assert process.returncode == 0, stderr
    assert sorted(str(event["detector"]) for event in events(call, site, "--open")) == ["FAR", "NEAR"]


def test_lists_and_log_are_as_the_file_says(call: Run, make_site: MakeSite) -> None:
    file = {"detectors": {"HALL": {"hosts": ["*"]}}, "columns": ["category", "id"], "log": "logs/dt.txt"}
    site = make_site(downtime_yaml=yaml.safe_dump(file))
    assert call(site, "0", "--no-popup").returncode == 0
    listed = call(site, "--list").stdout
    assert listed.split()[:2] == ["category", "event"]
    assert "HALL" not in listed
    assert "stored" in (site.folder / "logs/dt.txt").read_text("utf-8")
