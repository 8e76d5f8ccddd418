"""The command line: without the service, with it, and with nothing at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from sipmdcs.cli import main
from sipmdcs.site import Site
from tests.logbook.run_service import RunService
from tests.postgresql import PostgresServer

pytestmark = pytest.mark.timeout(180)


class Terminal:
    def __init__(self, site: Site) -> None:
        self._site = site

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["--site", str(self._site.folder), "run", *words])

    def says(self, *words: str) -> str:
        done = self(*words)
        assert done.exit_code == 0, done.output
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.says(*words, "--json"))

    def refuses(self, *words: str) -> str:
        done = self(*words)
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1), done.output
        return done.stderr


@pytest.fixture(params=["alone", "with the service"])
def terminal(
    request: pytest.FixtureRequest, make_site: Callable[..., Site], run_service: Callable[..., RunService]
) -> Terminal:
    return Terminal(make_site() if request.param == "alone" else run_service().site)


def test_a_day(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.refuses("end") == "Error: partition MAIN has no run yet\n"
    assert terminal.refuses("show").endswith("has no run yet\n")
    assert terminal.says("list") == "no runs\n"
    assert terminal.says("start", "--facts", '{"trigger": "led"}') == "run 1 of partition MAIN is running\n"
    assert terminal.says("start") == "run 1 of partition MAIN is running\n"
    assert terminal.refuses("open") == "Error: run 1 of partition MAIN is running; end or abort it first\n"
    assert terminal.json("pause")["state"] == "paused"
    assert terminal.refuses("start", "1").startswith("Error: run 1: cannot start a run that is paused; expected")
    assert terminal.says("resume", "1") == "run 1 of partition MAIN is running\n"
    assert terminal.json("end", "--events", "1200", "--reason", "shift over")["events"] == 1200
    assert terminal.says("end") == "run 1 of partition MAIN is ended\n"
    assert terminal.says("note", "1", "nice 'run'") == "run 1: comment is noted\n"
    assert terminal.says("note", "1", "good", "--field", "quality") == "run 1: quality is noted\n"
    assert terminal.says("summarise", "1") == "run 1: the logbook service makes its summary\n"
    shown = terminal.says("show", "1")
    for part in ("1,200", "shift over", "trigger", "paused   -> running", "comment: nice 'run'"):
        assert part in shown
    opened = terminal.json("open", "--type", "iv", "--key", "k")
    assert (opened["number"], terminal.json("open", "--type", "iv", "--key", "k")["number"]) == (2, 2)
    assert terminal.json("open", "--partition", "LED")["number"] == 3
    assert terminal.json("open", "--replace")["number"] == 4
    assert terminal.says("abort", "--reason", "no beam", "--partition", "LED") == "run 3 of partition LED is aborted\n"
    assert terminal.refuses("summarise", "1", "4") == "Error: run 4 is init: its summary is made when it has ended\n"
    assert [row["number"] for row in terminal.json("list")] == [4, 3, 2, 1]
    assert [row["number"] for row in terminal.json("list", "2", "3", "--partition", "LED", "--state", "aborted")] == [3]
    assert len(terminal.json("list", "--since", "1h")) == 4
    assert terminal.says("list", "--until", "1h") == terminal.says("list", "--until", "2026-01-01") == "no runs\n"
    assert terminal.says("list", "--open").split()[:3] == ["4", "MAIN", "physics"]
    assert "“nice 'run'”" in terminal.says("list", "1", "1")
    assert terminal.json("show", "2")["end_reason"].endswith("opened another run while it was init")
    table = tmp_path / "runs"
    assert terminal.says("table", "runs", "1", "2", "--csv", f"{table}.csv") == f"{table}.csv: 2 rows\n"
    assert list(pd.read_csv(f"{table}.csv")["remark_quality"].fillna("-")) == ["good", "-"]
    terminal.says("table", "runs", "1", "--parquet", f"{table}.parquet")
    frame = pd.read_parquet(f"{table}.parquet")
    assert (list(frame["number"]), json.loads(frame["facts"][0])) == ([1, 2, 3, 4], {"trigger": "led"})
    assert terminal.json("table", "runs", "1", "1")[0]["end_reason"] == "shift over"
    assert terminal.says("table", "runs", "1", "1", "--csv", "-").startswith("number,request_key,")
    assert terminal.says("table", "runs", "77", "99") == "no rows\n"
    assert "shift over" in terminal.says("table", "runs", "1", "1")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["open", "--type", "moon"], "type: 'moon' is not known"),
        (["open", "--partition", "x'; --"], 'partition: "x\'; --" is not known'),
        (["open", "--facts", "{"], "--facts: not JSON"),
        (["open", "--facts", "[]"], "facts: "),
        (["open", "--facts", "[" * 9_000], "--facts: nested too deeply"),
        (["open", "--facts", '{"a": NaN}'], "--facts: not JSON: NaN is not JSON"),
        (["open", "--facts", '"\udcff"'], "--facts: not JSON: byte 1 is not UTF-8"),
        (["open", "--user", ""], "who: "),
        (["end", "7"], "there is no run 7"),
        (["show", "7"], "there is no run 7"),
        (["note", "7", "x"], "there is no run 7"),
        (["summarise", "7"], "there is no run 7"),
        (["summarise", "1", "--user", ""], "who: "),
        (["list", "--state", "flying"], "state: "),
        (["list", "--since", "noon"], "--since: time 'noon' is not understood, expected ISO 8601"),
        (["table", "people", "1"], "'people' is no table"),
        (["table", "runs", "5", "1"], "runs 5 to 1"),
        (["table", "runs", "1", "--parquet", "-"], "cannot go to the terminal"),
        (["table", "runs", "1", "--csv", "/nowhere/x.csv"], "/nowhere/x.csv: cannot be written"),
    ],
)
def test_bad_words(make_site: Callable[..., Site], words: list[str], message: str) -> None:
    terminal = Terminal(make_site())
    terminal.says("list")  # makes the tables
    assert message in terminal.refuses(*words)


@pytest.mark.parametrize("words", [["end", "0"], ["end", "x"], ["end", "--events", "-1"], ["fly"], ["note", "1"]])
def test_wrong_use(make_site: Callable[..., Site], words: list[str]) -> None:
    assert Terminal(make_site())(*words).exit_code == 2


def test_without_service_and_database(make_site: Callable[..., Site], postgresql_to_stop: PostgresServer) -> None:
    terminal = Terminal(make_site(database=postgresql_to_stop.url))
    terminal.says("start")
    postgresql_to_stop.stop()
    later = "; the database is away: it is kept on this disk until then\n"
    assert terminal.says("end") == f"run 1 of partition MAIN is ended{later}"
    assert terminal.says("start") == f"run 2 of partition MAIN is running{later}"
    assert terminal.says("note", "2", "dark") == f"run 2: comment is noted{later}"
    assert "only open runs are known, the database cannot be reached: database postgresql" in terminal.refuses("list")
    assert terminal.json("list", "--open")[0]["number"] == 2
    postgresql_to_stop.start()
    assert [row["state"] for row in terminal.json("list")] == ["running", "ended"]
    assert terminal.json("show", "2")["remarks"] == {"comment": "dark"}


def test_something_else_on_the_port(make_site: Callable[..., Site], httpserver_of_nonsense: Callable[[int], None]) -> None:
    site = make_site()
    httpserver_of_nonsense(site.file.logbook.port)
    assert "is not the logbook service" in Terminal(site).refuses("list")


@pytest.fixture
def httpserver_of_nonsense(request: pytest.FixtureRequest) -> Callable[[int], None]:
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base names it
            pass

    def start(port: int) -> None:
        server = http.server.HTTPServer(("127.0.0.1", port), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        request.addfinalizer(stop)

    return start
