from threading import current_thread

import httpx
import pytest

import alarms.api
from alarms import longreply
from alarms.api import Api
from alarms.engine import Draft
from alarms.level import Level
from alarms.notifyfile import NotifyFile
from alarms.report import leaf_json
from alarms.state import AlarmState
from alarms.tree import Leaf, grow
from sipmdcs.clock import ManualClock
from tests.alarms.shop import NOTIFY, Shop

A, B = "DET:V:A", "DET:V:B"
ODD = "BEAM/S.[1]"
TREE = grow([Leaf(A, ("V",), "Current", guidance="Off!"), Leaf(B, ("W",)), Leaf(ODD, ("W", "X"))], {})


@pytest.fixture
async def shop(tmp_path):
    shop = Shop(tmp_path, TREE, ManualClock())
    await shop.handler.start()
    yield shop
    shop.store.close()


@pytest.fixture
async def client(shop):
    api = Api(shop.handler, shop.store, shop.outbox, NotifyFile.model_validate(NOTIFY))
    transport = httpx.ASGITransport(api.application())
    async with httpx.AsyncClient(transport=transport, base_url="http://alarms") as client:
        yield client


async def test_lists_and_tree(shop, client):
    await shop.report(A, "MAJOR", "HIHI")
    await shop.report(B, "MINOR")
    assert [row["pv"] for row in (await client.get("/active")).json()] == [A, B]
    assert [row["pv"] for row in (await client.get("/active", params={"path": "W"})).json()] == [B]
    done = await client.post("/acknowledge", json={"select": ["V"], "user": "ada", "comment": "seen"})
    assert [row["severity"] for row in done.json()["changed"]] == ["MAJOR_ACK"]
    acknowledged = (await client.get("/acknowledged")).json()
    assert acknowledged[0]["acknowledged"]["user"] == "ada"
    tree = (await client.get("/tree")).json()
    assert {node["path"]: node["severity"] for node in tree["nodes"]} == {
        "/": "MINOR",
        "V": "MAJOR_ACK",
        "W": "MINOR",
        "W/X": "OK",
    }
    assert tree["nodes"][0]["state_pv"] == "DET:ALARM:STATE"
    one = (await client.get(f"/pv/{A}")).json()
    assert (one["message"], one["guidance"], one["configuration"]["latching"]) == ("HIHI", ["Off!"], True)
    done = await client.post("/unacknowledge", json={"select": [A], "user": "ada"})
    assert done.json()["changed"][0]["severity"] == "MAJOR"
    events = [row["event"] for row in (await client.get("/history", params={"pv": A})).json()]
    assert events == ["unacknowledge", "acknowledge", "update"]


async def test_leaves_since_a_version(shop, client):
    async def ask(since):
        reply = (await client.get("/leaves", params={"since": since})).json()
        return reply["version"], reply["whole"], [leaf["pv"] for leaf in reply["leaves"]]

    first, whole, every = await ask("")
    assert (whole, every) == (True, [A, B, ODD])
    assert await ask(first) == (first, False, [])
    await shop.report(B, "MINOR", "HIGH")
    second, whole, pvs = await ask(first)
    assert (whole, pvs) == (False, [B])
    assert await ask(second) == (second, False, [])
    await shop.report(A, "MAJOR")
    third, _, pvs = await ask(second)
    assert pvs == [A]
    assert (await ask(first))[2] == [A, B], "who asks seldom gets all that changed meanwhile"
    reply = (await client.get("/leaves", params={"since": second})).json()
    assert reply["leaves"][0] == (await client.get("/tree", params={"path": "V"})).json()["leaves"][0]
    ahead = f"{third.partition('-')[0]}-99"
    for unknown in ("x", "x-1", ahead, "-", f"{third}9999999999999999999", third.replace("-", "-²")):
        assert await ask(unknown) == (third, True, [A, B, ODD]), unknown


async def test_long_answers_are_made_in_pieces_outside_the_event_loop(tmp_path, monkeypatch):
    names = [f"DET:V:PV{number:04}" for number in range(2_000)]
    shop = Shop(tmp_path, grow([Leaf(name, ("V", name[-2:]), f"Größe {name}") for name in names], {}), ManualClock())
    await shop.handler.start()
    bad = AlarmState(Level.MAJOR, "HIHI", "9.5", shop.clock.time_ns())

    def report_half(draft: Draft) -> None:
        for name in names[::2]:
            draft.update(name, bad)

    await shop.handler.apply(report_half)
    where = set()
    monkeypatch.setattr(alarms.api, "leaf_json", lambda *args: where.add(current_thread()) or leaf_json(*args))
    monkeypatch.setattr(longreply, "_ROWS", 7)
    app = Api(shop.handler, shop.store, shop.outbox, NotifyFile.model_validate(NOTIFY)).application()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://alarms") as client:
        tree = (await client.get("/tree")).json()
        leaves = (await client.get("/leaves")).json()
        active = (await client.get("/active")).json()
        inside = (await client.get("/tree", params={"path": "V/07"})).json()
        assert current_thread() not in where
        where.clear()
        monkeypatch.setattr(longreply, "_ROWS", 50)
        short = (await client.get("/active", params={"path": "V/08"})).json()
        assert where == {current_thread()}, "a short one waits for no thread"
    assert [leaf["pv"] for leaf in tree["leaves"]] == names
    assert tree["leaves"] == leaves["leaves"]
    assert active == [leaf for leaf in tree["leaves"] if leaf["severity"] == "MAJOR"]
    assert inside["leaves"] == [leaf for leaf in tree["leaves"] if leaf["path"] == "V/07"]
    assert (tree["nodes"][0]["alarms"], len(tree["nodes"]), tree["leaves"][0]["description"]) == (
        1_000,
        102,
        "Größe DET:V:PV0000",
    )
    assert short == [leaf for leaf in active if leaf["path"] == "V/08"] != []
    shop.store.close()


async def test_history_since(shop, client):
    await shop.report(A, "MAJOR")
    shop.clock.advance(10)
    await shop.report(A, "INVALID")
    rows = (await client.get("/history", params={"since": "2026-01-01T00:00:05Z"})).json()
    assert [row["severity"] for row in rows] == ["INVALID"]
    assert rows[0]["time"] == "2026-01-01T00:00:10.000000Z"
    for since, many in (("9999-12-31T23:59:59Z", 0), ("0001-01-01T00:00:00Z", 2)):
        assert len((await client.get("/history", params={"since": since})).json()) == many


@pytest.mark.parametrize(("name", "pvs"), [(ODD, [ODD]), (A, [A]), ("W/X", [ODD]), ("W", [ODD, B]), ("/", [ODD, B, A])])
async def test_history_of_a_pv_or_a_path_whatever_its_name(shop, client, name, pvs):
    for pv in (A, B, ODD):
        await shop.report(pv, "MAJOR")
    rows = (await client.get("/history", params={"of": name})).json()
    assert [row["pv"] for row in rows] == pvs
    done = await client.post("/acknowledge", json={"select": [name], "user": "ada"})
    assert {row["pv"] for row in done.json()["changed"]} == set(pvs)


async def test_test_page(shop, client):
    number = (await client.post("/test-page", json={"receiver": "shift", "user": "ada"})).json()["notice"]
    assert shop.queued("shift") == [("test", "test")]
    for one in (number, 10**30):
        assert (await client.get(f"/notice/{one}")).json() == {"page": None}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "complaint"),
    [
        ("GET", "/pv/DET:NO", None, 404, "DET:NO is not in the alarm tree"),
        ("GET", "/active?path=NO", None, 404, "NO is no path in the alarm tree"),
        ("GET", "/history?since=2026-01-01", None, 400, "since: '2026-01-01' is no time"),
        ("GET", "/history?since=9999-12-31T23:59:59-14:00", None, 400, "since: '9999-12-31T23:59:59-14:00' is no time"),
        ("GET", "/history?of=NO/T", None, 404, "NO/T is neither a PV nor a path in the alarm tree"),
        ("GET", "/history?limit=0", None, 400, "limit: '0' is not between 1 and 10000"),
        ("GET", f"/history?limit={'9' * 5_000}", None, 400, f"limit: '{'9' * 40}' is not between 1 and 10000"),
        ("POST", "/acknowledge", '{"select": ["NO"], "user": "ada"}', 400, "'NO' is no path"),
        ("POST", "/acknowledge", '{"select": ["V"]}', 400, "user: is missing"),
        ("POST", "/acknowledge", '{"select": [], "user": "ada"}', 400, "select: list should have at least 1 item"),
        ("POST", "/acknowledge", '{"select": ["V"], "user": ""}', 400, "user is empty"),
        ("POST", "/acknowledge", "{", 400, "body is not JSON"),
        ("POST", "/test-page", '{"receiver": "x", "user": "ada"}', 404, "receiver x is not in notify.yaml"),
    ],
)
async def test_wrong_use_is_told_in_one_line(client, method, path, body, status, complaint):
    reply = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == status
    assert complaint in reply.json()["error"]


async def test_a_web_page_cannot_acknowledge(shop, client):
    await shop.report(A, "MAJOR")
    body = '{"select": ["V"], "user": "ada"}'
    reply = await client.post("/acknowledge", content=body, headers={"Content-Type": "text/plain"})
    assert reply.status_code == 415
    assert shop.level(A) == "MAJOR"
