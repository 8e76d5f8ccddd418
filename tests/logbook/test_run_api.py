"""The HTTP interface of a running service: what it answers, and what it makes of bad input."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.logbook.run_service import RunService, write_site

GOOD = {"request_key": "good", "partition": "LED", "type": "iv", "who": "daq"}
SQL = "x'); DROP TABLE logbook_run; --"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[RunService]:
    service = RunService(write_site(tmp_path_factory.mktemp("api") / "site", free_ports))
    service.start()
    yield service
    service.kill()


def test_the_contract(service: RunService) -> None:
    opened = service.open("contract", facts={"trigger": "led"})
    run = opened.json()
    again = service.open("contract")
    assert (opened.status_code, again.status_code, again.json()) == (201, 200, run)
    assert run.keys() == {
        *(
            "number",
            "request_key",
            "partition",
            "type",
            "state",
            "opened_at",
            "started_at",
            "ended_at",
            "opened_by",
            "ended_by",
        ),
        *("end_reason", "events", "config_version", "config_push", "config_hash", "software_version", "facts", "summary"),
        *("config_only", "config_compared", "config_differing", "config_unread", "config_compared_at", "config_trouble"),
        "orphaned",
    }
    number = run["number"]
    for command, state in (("start", "running"), ("pause", "paused"), ("resume", "running")):
        reply = service.post(f"/runs/{number}/{command}")
        assert (reply.status_code, reply.json()["state"]) == (200, state)
    assert service.post(f"/runs/{number}/heartbeat", events=5).json()["events"] == 5
    assert service.post(f"/runs/{number}/remarks", field="quality", value="good").status_code == 201
    assert service.get("/health")["open_runs"][0]["number"] == number
    ended = service.post(f"/runs/{number}/end", reason="done", events=9, facts={"files": 3}).json()
    assert service.post(f"/runs/{number}/end", reason="again", events=10).json() == ended
    found = service.get(f"/runs/{number}")
    assert found | ended == found
    assert (found["events"], found["facts"], found["remarks"]) == (9, {"trigger": "led", "files": 3}, {"quality": "good"})
    assert [each["source"] for each in found["transitions"]] == ["http"] * 5
    asked = service.post(f"/runs/{number}/summarise")
    assert (asked.status_code, asked.json()["summary"]) == (200, "waiting")
    refused = service.post(f"/runs/{number}/pause")
    assert (refused.status_code, refused.json()["error"]) == (
        409,
        f"run {number}: cannot pause a run that is ended; nothing can follow",
    )


def test_a_list_shows_each_change_at_once(service: RunService) -> None:
    number = service.open("listed").json()["number"]
    seen: list[Any] = []
    for fresh, (path, body) in enumerate(
        [
            ("start", {}),
            ("heartbeat", {"events": 7}),
            ("remarks", {"value": "one"}),
            ("remarks", {"value": "two"}),
            ("end", {"reason": "done"}),
            ("summarise", {}),
        ]
    ):
        assert service.post(f"/runs/{number}/{path}", **body).is_success
        listed = [service.get("/runs", first=number, last=number) for _ in range(2)]
        assert listed[0] == listed[1] == service.get("/runs", first=number, last=number, limit=str(fresh + 1))
        seen.append(listed[0][0])
    assert [run["events"] for run in seen[1:]] == [7] * 5
    assert [run["remarks"].get("comment") for run in seen] == [None, None, "one", "two", "two", "two"]
    assert [run["state"] for run in seen] == ["running"] * 4 + ["ended"] * 2


def test_many_at_once_with_one_request_key(service: RunService) -> None:
    def ask(n: int) -> tuple[int, int]:
        body = GOOD | {"request_key": f"once-{n % 4}", "partition": "LED"}
        reply = httpx.post(f"{service.client.base_url}/runs", json=body, timeout=60)
        return reply.json()["number"], reply.status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(40)))
    assert [status for _, status in answers].count(201) == 4
    assert len({number for number, _ in answers}) == 4
    assert len(service.get("/runs", open="true", partition="LED")) == 1


BAD_BODIES: list[tuple[Any, int, str]] = [
    (b"", 400, "body is not JSON"),
    (b'{"request_key": "a", ', 400, "body is not JSON"),
    (b"\xff\xfe", 400, "body is not JSON"),
    (b"[" * 100_000, 400, "body is nested too deeply"),
    (b'{"request_key": NaN}', 400, "NaN is not JSON"),
    ([], 400, "valid dictionary"),
    ({}, 400, "request_key: is missing"),
    (GOOD | {"requst_key": "b"}, 400, "requst_key: unknown"),
    (GOOD | {SQL: 1}, 400, "unknown"),
    (GOOD | {"request_key": ""}, 400, "request_key: string should have at least 1"),
    (GOOD | {"request_key": "k" * 81}, 400, "request_key: string should have at most 80"),
    (GOOD | {"request_key": 7}, 400, "request_key: input should be a valid string"),
    (GOOD | {"request_key": "a\x00b"}, 400, "request_key: expected printable"),
    (GOOD | {"who": "\ud800"}, 400, "who: "),
    (GOOD | {"who": ""}, 400, "who: "),
    (GOOD | {"partition": "MOON"}, 400, "partition: 'MOON' is not known, expected one of MAIN, LED"),
    (GOOD | {"partition": SQL}, 400, "is not known"),
    (GOOD | {"type": SQL[:20]}, 400, "is not known"),
    (GOOD | {"facts": []}, 400, "facts: "),
    (GOOD | {"facts": {"a": "\x00"}}, 400, "facts: expected printable"),
    (GOOD | {"facts": {"a": "x" * 70_000}}, 400, "facts: expected at most 64000 bytes"),
    (GOOD | {"at": "2099-01-01T00:00:00Z"}, 400, "is in the future"),
    (GOOD | {"at": "2026-01-01T00:00:00"}, 400, "at: "),
    (GOOD | {"at": "0001-01-01T00:00:00+14:00"}, 400, "at: expected a time that lies in the years 1 to 9999 in UTC"),
    (GOOD | {"at": "9999-12-31T23:59:59-14:00"}, 400, "at: expected a time that lies in the years 1 to 9999 in UTC"),
    (GOOD | {"at": "0001-01-01T00:00:00Z"}, 400, "at: 0001-01-01T00:00:00+00:00 is before 1970"),
    (GOOD | {"at": "yesterday"}, 400, "at: "),
    (GOOD | {"facts": {"a": "x" * 300_000}}, 413, "the body is larger than 256,000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "message"), BAD_BODIES, ids=[message for _, _, message in BAD_BODIES])
def test_bad_bodies(service: RunService, body: Any, status: int, message: str) -> None:
    before = service.get("/runs")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = service.client.post("/runs", content=content, headers={"Content-Type": "application/json"})
    assert (reply.status_code, list(reply.json())) == (status, ["error"])
    assert message in reply.json()["error"]
    assert "\n" not in reply.json()["error"]
    assert service.get("/runs") == before


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/runs/424242/end", {}, 404, "there is no run 424242"),
        ("/runs/0/end", {}, 404, "'0' is no run number"),
        ("/runs/99999999999999999999/end", {}, 404, "is no run number"),
        ("/runs/1e3/end", {}, 404, "is no run number"),
        ("/runs/%31%27%20OR%201/end", {}, 404, "is no run number"),
        ("/runs/1/explode", {}, 404, "expected one of start, pause, resume, end, abort, heartbeat, remarks or summarise"),
        ("/runs/1/end", {"events": -1}, 400, "events: "),
        ("/runs/1/end", {"events": 2**63}, 400, "events: "),
        ("/runs/1/end", {"events": "many"}, 400, "events: "),
        ("/runs/1/end", {"events": 1.5}, 400, "events: "),
        ("/runs/1/end", {"reason": "x" * 4001}, 400, "reason: "),
        ("/runs/1/end", {"at": "2099-01-01T00:00:00Z"}, 400, "is in the future"),
        ("/runs/1/remarks", {"value": "x", "field": SQL}, 400, "field: "),
        ("/runs/424242/summarise", {}, 404, "there is no run 424242"),
        ("/runs/1/summarise", {"who": ""}, 400, "who: "),
        ("/runs/1/remarks", {"field": "comment"}, 400, "value: is missing"),
        ("/nothing", {}, 404, "not found"),
    ],
)
def test_bad_requests(service: RunService, path: str, body: dict[str, Any], status: int, message: str) -> None:
    service.open("victim", "LED")
    reply = service.post(path, **body)
    assert (reply.status_code, message in reply.json()["error"]) == (status, True), reply.text


def test_what_a_web_page_could_send_is_refused(service: RunService) -> None:
    reply = service.client.post("/runs", content=json.dumps(GOOD), headers={"Content-Type": "text/plain"})
    assert (reply.status_code, reply.json()["error"]) == (415, "content type is not application/json")


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("colour=red", 400, "colour: unknown"),
        ("first=a", 400, "first: "),
        ("first=1&first=2", 400, "a parameter is given twice"),
        ("first=99999999999", 400, "first: "),
        ("limit=0", 400, "limit: "),
        ("limit=99999999", 400, "limit: "),
        ("state=flying", 400, "state: "),
        ("open=perhaps", 400, "open: "),
        ("since=yesterday", 400, "since: "),
        ("since=0001-01-01T00:00:00%2B14:00", 400, "since: expected a time that lies in the years 1 to 9999"),
        ("until=0001-01-01T00:00:00Z", 200, ""),
        (f"partition={SQL}", 200, ""),
        ("type=%00", 400, "type: expected printable characters only"),
        (f"type={'a' * 10_000}", 400, "type: "),
        ("partition=%ff", 200, ""),
    ],
)
def test_bad_filters(service: RunService, query: str, status: int, message: str) -> None:
    reply = service.client.get(f"/runs?{query}")
    assert reply.status_code == status, reply.text
    assert reply.json() == [] if status == 200 else message in reply.json()["error"]


def test_sql_is_text_everywhere(service: RunService) -> None:
    run = service.open(SQL, "LED", who=SQL, facts={SQL: SQL}).json()
    number = run["number"]
    service.post(f"/runs/{number}/remarks", value=SQL)
    ended = service.post(f"/runs/{number}/abort", who=SQL, reason=SQL).json()
    assert (ended["request_key"], ended["opened_by"], ended["end_reason"], ended["facts"]) == (SQL, SQL, SQL, {SQL: SQL})
    assert service.get(f"/runs/{number}")["remarks"] == {"comment": SQL}
    assert service.get("/runs", type=SQL[:20]) == []


def test_other_methods_and_paths(service: RunService) -> None:
    assert service.client.delete("/runs/1").status_code == 405
    assert service.client.put("/runs").json() == {"error": "method not allowed"}
    assert service.client.get("/runs/1?x=1").json() == {"error": "expected no parameters"}
