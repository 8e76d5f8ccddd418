"""The HTTP interface, word for word where clients depend on it."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from archiver.catalogue import TypeSpan
from archiver.log import LogLimits
from archiver.query import Budget
from archiver.recorder import PvActivity
from archiver.rows import Flag, Rows
from archiver.served import Served
from archiver.storage import Storage
from sipmdcs.channels import PvType
from sipmdcs.clock import NS, ManualClock
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from tests.archiver.http_thread import served_over_http
from tests.archiver.making import START_NS, link_rows, payload_rows, sample_rows

S = START_NS // NS
NAMES = ["D:V", "D:STATE", "D:TEXT", "D:WAVE", "D:NEW", "D:FLOAT", "D:COUNT"]
UP = PvActivity(True, 100, START_NS, START_NS, START_NS, 0, 2)


def values() -> Iterator[Rows]:
    v = sample_rows([(1, 0.5, 1.5), (1, 1.25, math.nan), (1, 5, math.inf)])
    v.rows["severity"][2], v.rows["status"][2] = 3, 17
    yield v
    late = sample_rows([(1, 4, -2.0)])
    late.rows["flags"] = Flag.LATE
    yield late
    yield sample_rows([(2, 1, 0), (2, 2, 3)])
    yield payload_rows([(3, 1, "on, off"), (3, 2, 'say "hi"')])
    yield payload_rows([(4, 1, np.array([1.0, math.nan])), (4, 2, ["a", ""])])
    yield link_rows([(6, 1.5, False), (6, 2.5, True)])
    yield sample_rows([(6, 1, 0.1), (6, 3, 0.25), (7, 1, 7)])


def filled(folder: Path) -> Storage:
    clock = ManualClock(START_NS)
    storage = Storage(folder, clock, LogLimits(sync_s=0))
    storage.start({name: ArchivePolicy(ArchiveMethod.MONITOR, 1.0) for name in NAMES})
    texts = {"EGU": "V", "PREC": "3", "HIHI": "10.0"}
    kinds = [PvType.DOUBLE, PvType.ENUM, PvType.STRING, PvType.DOUBLE, None, PvType.FLOAT, PvType.LONG]
    spans = [(number, kind) for number, kind in enumerate(kinds, 1) if kind is not None]
    storage.catalogue.describe([(n, texts if n == 1 else {}, TypeSpan(0, kind, 2 if n == 4 else 1)) for n, kind in spans])
    for made in values():
        storage.log.append(made)
    clock.advance(10)
    storage.log.write()
    return storage


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    storage = filled(tmp_path_factory.mktemp("archive"))
    yield storage
    storage.close()


@pytest.fixture(scope="module")
def client(storage):
    served = Served(storage.catalogue, storage.reader, storage.clock, activity=lambda name: UP if name == "D:V" else None)
    with served_over_http(served) as client:
        yield client


def data(client, pv: str, begin: float, end: float, extension: str = "json", **more: str):
    times = {"from": iso(begin), "to": iso(end)}
    return client.get(f"/retrieval/data/getData.{extension}", params={"pv": pv, **times, **more})


def iso(seconds: float) -> str:
    return f"2026-01-01T00:00:{seconds:06.3f}Z"


GOLDEN = f"""[ {{ "meta": {{"name": "D:V", "EGU": "V", "PREC": "3"}},
"data": [ 
{{ "secs": {S}, "val": 1.5, "nanos": 500000000, "severity":0, "status":0 }},
{{ "secs": {S + 1}, "val": NaN, "nanos": 250000000, "severity":0, "status":0 }},
{{ "secs": {S + 4}, "val": -2.0, "nanos": 0, "severity":0, "status":0, "fields": {{"late": "true"}} }},
{{ "secs": {S + 5}, "val": Infinity, "nanos": 0, "severity":3, "status":17 }}
] }}
 ]
"""  # noqa: W291 - as the Archiver Appliance writes it


STRICT = GOLDEN.replace("NaN", "null").replace("Infinity", "null")


def test_json_word_for_word(client):
    reply = data(client, "D:V", 1, 5)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.text == STRICT


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"User-Agent": "python-requests/2.34.2"}, GOLDEN),
        ({"User-Agent": "Python-urllib/3.11", "Accept": "*/*"}, GOLDEN),
        ({"User-Agent": "Mozilla/5.0"}, GOLDEN),  # Qt under PyDM
        ({"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}, STRICT),
        ({"User-Agent": "curl/8.0"}, STRICT),
        ({"User-Agent": "python-requests/2.34.2", "Accept": "application/json"}, STRICT),
    ],
)
def test_nan_is_bare_only_for_clients_that_take_it(client, headers, expected):
    found = client.get("/retrieval/data/getData.json", params={"pv": "D:V", "from": iso(1), "to": iso(5)}, headers=headers)
    assert found.text == expected
    at_time = client.post("/retrieval/data/getDataAtTime", params={"at": iso(1.9)}, json=["D:V"], headers=headers).text
    assert ("NaN" in at_time) == (expected == GOLDEN)


def test_json_is_the_same_from_the_lake(folder):
    storage = filled(folder)
    storage.log.request_seal()
    storage.log.write()
    storage.maintain()
    with served_over_http(Served(storage.catalogue, storage.reader, storage.clock)) as client:
        assert data(client, "D:V", 1, 5).text == STRICT
    storage.close()


@pytest.mark.parametrize(
    ("pv", "begin", "end", "expected"),
    [
        ("D:V", 0.5, 0.5, [1.5]),  # from == to: the newest value then
        ("D:V", 0, 1, [1.5]),  # nothing before: the first after
        ("D:V.VAL", 4.5, 4.9, [-2.0]),
        ("ca://D:STATE", 1, 59, [0, 3]),
        ("D:COUNT", 1, 59, [7]),
        ("D:FLOAT", 1, 59, [0.1, 0.25]),
        ("D:TEXT", 1, 59, ["on, off", 'say "hi"']),
        ("D:WAVE", 2, 59, [["a", ""]]),
        ("ncount(D:STATE)", 1, 2, [2]),
        ("mean_60(D:STATE)", 1, 10, [1.5]),
        ("optimized_1(D:STATE)", 1, 10, [[1.5, 2.1213203435596424, 0.0, 3.0, 2.0], [1.5, 2.1213203435596424, 0.0, 3.0, 2.0]]),
        ("optimized_100(D:STATE)", 1, 10, [0, 3]),
        ("lastSample_60(D:TEXT)", 1, 10, ['say "hi"']),
    ],
)
def test_values_are_of_the_right_kind(client, pv, begin, end, expected):
    (answer,) = data(client, pv, begin, end).json()
    found = [sample["val"] for sample in answer["data"]]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_connection_loss_is_told_as_the_archiver_appliance_does(client):
    (answer,) = data(client, "D:FLOAT", 1, 10).json()
    assert [sample.get("fields") for sample in answer["data"]] == [
        None,
        {"cnxlostepsecs": str(S + 1), "cnxregainedepsecs": str(S + 2)},
    ]
    (binned,) = data(client, "mean_60(D:FLOAT)", 1, 10).json()
    assert binned["data"][0]["fields"] == {"connectionChange": "true"}


def test_a_restart_of_the_archiver_shows_in_the_first_sample_after_it(folder):
    filled(folder).close()
    storage = Storage(folder, ManualClock(START_NS + 20 * NS))
    storage.start({"D:V": ArchivePolicy(ArchiveMethod.MONITOR, 1.0)})
    storage.log.append(link_rows([(1, 21, True)]))
    storage.log.append(sample_rows([(1, 22, 7.0)]))
    with served_over_http(Served(storage.catalogue, storage.reader, storage.clock)) as client:
        (answer,) = data(client, "D:V", 22, 30).json()
        assert "fields" not in answer["data"][0], "the sample before is not there to tell"
        (answer,) = data(client, "D:V", 5, 30).json()
    assert answer["data"][1]["fields"] == {
        "cnxlostepsecs": str(S + 9),
        "cnxregainedepsecs": str(S + 21),
        "startup": "true",
    }
    storage.close()


def test_all_metadata_on_request(client):
    (answer,) = data(client, "D:V", 1, 5, fetchLatestMetadata="true").json()
    assert answer["meta"] == {"name": "D:V", "EGU": "V", "PREC": "3", "HIHI": "10.0"}


def test_qw_is_json_for_every_parser(client):
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    (answer,) = json.loads(data(client, "D:V", 1, 5, "qw").text, parse_constant=refuse)
    assert answer["meta"] == {"name": "D:V", "waveform": False, "EGU": "V", "PREC": "3"}
    assert answer["data"][:2] == [{"millis": S * 1000 + 500, "val": 1.5}, {"millis": S * 1000 + 1250, "val": None}]
    assert answer["data"][3]["val"] is None
    (answer,) = json.loads(data(client, "D:WAVE", 1, 1, "qw").text, parse_constant=refuse)
    assert answer["meta"]["waveform"] is True
    assert answer["data"][0]["val"] == [1.0, None]


def test_csv(client):
    reply = data(client, "D:TEXT", 1, 5, "csv")
    assert reply.headers["content-type"].startswith("text/csv")
    assert reply.text == f'{S + 1},"on, off",0,0,0\n{S + 2},"say ""hi""",0,0,0\n\n'
    assert data(client, "D:WAVE", 1, 1, "csv").text == f"{S + 1},[1.0,NaN],0,0,0\n\n"


def test_several_pvs(client):
    times = {"from": iso(1), "to": iso(5)}
    reply = client.get("/retrieval/data/getDataForPVs.json", params={"pv": ["D:V", "mean_60(D:STATE)"], **times})
    assert [answer["meta"]["name"] for answer in reply.json()] == ["D:V", "D:STATE"]
    posted = client.post("/retrieval/data/getDataForPVs.json", params=times, json=["D:STATE", "D:TEXT"])
    assert [len(answer["data"]) for answer in posted.json()] == [2, 2]
    reply = client.get("/retrieval/data/getDataForPVs.json", params={"pv": ["D:V", "D:NONE"], **times})
    assert (reply.status_code, reply.text) == (404, '{"error": "D:NONE: is not archived"}')


def test_values_at_a_time(client):
    body = ["D:V", "D:STATE", "D:TEXT", "D:NEW", "D:NONE"]
    reply = client.post("/retrieval/data/getDataAtTime", params={"at": iso(1.9)}, json=body)
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == {
        "D:V": {"secs": S + 1, "nanos": 250_000_000, "severity": 0, "status": 0, "val": None},
        "D:STATE": {"secs": S + 1, "nanos": 0, "severity": 0, "status": 0, "val": 0},
        "D:TEXT": {"secs": S + 1, "nanos": 0, "severity": 0, "status": 0, "val": "on, off"},
    }
    assert client.post("/retrieval/data/getDataAtTime", json=["D:STATE"]).json()["D:STATE"]["val"] == 3


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({}, 400, "no PV is named"),
        ({"pv": "mean(D:V"}, 400, "expected operator(PV)"),
        ({"pv": "mean_x(D:V)"}, 400, "whole number"),
        ({"pv": "meen(D:V)"}, 400, "is no operator"),
        ({"pv": "D:V", "pp": "meen"}, 400, "is no operator"),
        ({"pv": "D:V", "from": "yesterday"}, 400, "from: 'yesterday' is no time"),
        ({"pv": "D:V", "to": "2026-13-01T00:00:00Z"}, 400, "month must be in 1..12"),
        ({"pv": "D:V", "from": iso(5), "to": iso(4)}, 400, "is before from"),
        ({"pv": "D:V", "timeranges": "x"}, 400, "timeranges"),
        ({"pv": "mean_60(D:TEXT)"}, 400, "needs a PV that is a number"),
        ({"pv": "mean_1(D:V)", "from": "2020-01-01T00:00:00Z"}, 400, "the limit is 200,000"),
        ({"pv": "D:NONE"}, 404, "D:NONE: is not archived"),
        ({"pv": "D:NEW"}, 404, "no sample up to then"),
        ({"pv": "D:V", "from": "2025-01-01T00:00:00Z", "to": "2025-01-02T00:00:00Z"}, 404, "no sample up to then"),
    ],
)
def test_bad_queries_get_one_clear_line(client, query, status, message):
    reply = client.get("/retrieval/data/getData.json", params=query)
    assert reply.status_code == status
    assert message in reply.json()["error"]
    assert "\n" not in reply.json()["error"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/retrieval/data/getData.raw?pv=D:V", "format 'raw'"),
        ("/retrieval/data/getDataForPVs.csv?pv=D:V&pv=D:TEXT", "holds one PV"),
        ("/retrieval/data/getData.json?pv=D:V&pv=D:TEXT", "expected one"),
        ("/retrieval/bpl/getMatchingPVs?regex=(", "regex"),
        ("/retrieval/bpl/getMatchingPVs?limit=few", "limit"),
        ("/retrieval/bpl/searchForPVsRegex", "regex"),
        ("/mgmt/bpl/getPVTypeInfo", "no PV is named"),
    ],
)
def test_other_bad_requests(client, path, message):
    reply = client.get(path)
    assert reply.status_code == 400
    assert message in reply.text


def test_a_time_zone_whose_plus_became_a_blank(client):
    reply = client.get(f"/retrieval/data/getData.json?pv=D:V&from=2026-01-01T01:00:01+01:00&to={iso(5)}")
    assert reply.text == STRICT


def test_a_query_over_its_budget_is_refused(storage):
    served = Served(storage.catalogue, storage.reader, storage.clock, Budget(read=10, answer=2))
    with served_over_http(served) as client:
        assert "the limit is 2" in data(client, "D:V", 0, 10).text
        assert data(client, "optimized_10(D:V)", 0, 10).status_code == 200
        several = {"pv": ["D:STATE", "D:V"], "from": iso(0), "to": iso(10)}
        assert client.get("/retrieval/data/getDataForPVs.json", params=several).status_code == 400
    served = Served(storage.catalogue, storage.reader, storage.clock, Budget(request=6))
    with served_over_http(served) as client:
        times = {"from": iso(0), "to": iso(10)}
        path = "/retrieval/data/getDataForPVs.json"
        same = client.get(path, params={"pv": ["mean_5(D:V)"] * 200, **times})
        assert (same.status_code, len(same.json())) == (200, 200), "what is asked for twice is read once"
        refused = client.get(path, params={"pv": [f"mean_{width}(D:V)" for width in (1, 2)], **times})
        assert refused.status_code == 400
        assert "more than 6 samples to read for 2 PVs; ask for fewer" in refused.text


def test_which_pvs_there_are(client):
    everything = sorted(NAMES)
    assert client.get("/mgmt/bpl/getAllPVs").json() == everything
    assert client.get("/mgmt/bpl/getAllPVs", params={"limit": 2}).json() == everything[:2]
    for limit in (-1, 10**30):
        assert client.get("/mgmt/bpl/getAllPVs", params={"limit": limit}).json() == everything
    assert client.get("/retrieval/bpl/getMatchingPVs", params={"pv": "D:T*,D:V"}).json() == ["D:TEXT", "D:V"]
    assert client.get("/retrieval/bpl/getMatchingPVs", params={"regex": "D:T"}).json() == []
    reply = client.get("/retrieval/bpl/searchForPVsRegex", params={"regex": ".*T.*T.*"})
    assert reply.text == "D:STATE\nD:TEXT\n"
    assert reply.headers["content-type"].startswith("text/plain")


def test_what_is_known_of_a_pv(client):
    info = client.get("/mgmt/bpl/getPVTypeInfo", params={"pv": "D:V"}).json()
    expected = {"pvName": "D:V", "DBRType": "DBR_SCALAR_DOUBLE", "units": "V", "upperAlarmLimit": "10.0", "paused": "false"}
    assert info | expected == info
    assert client.get("/mgmt/bpl/getPVTypeInfo", params={"pv": "D:WAVE"}).json()["DBRType"] == "DBR_WAVEFORM_DOUBLE"
    assert client.get("/mgmt/bpl/getPVTypeInfo", params={"pv": "D:NONE"}).status_code == 404
    assert client.get("/retrieval/bpl/getMetadata", params={"pv": "D:V"}).json()["EGU"] == "V"
    assert client.get("/retrieval/bpl/areWeArchivingPV", params={"pv": "D:V"}).json() == {"status": "true"}
    assert client.get("/retrieval/bpl/areWeArchivingPV", params={"pv": "D:NONE"}).json() == {"status": "false"}


def test_how_pvs_do(client):
    first, second = client.get("/mgmt/bpl/getPVStatus", params={"pv": "D:V,D:NONE"}).json()
    assert first["status"] == "Being archived"
    assert first["connectionState"] == "true"
    assert first["lastEvent"] == "Jan/01/2026 00:00:00 +00:00"
    assert first["connectionLossRegainCount"] == "2"
    assert second == {"pvName": "D:NONE", "status": "Not being archived"}
    assert len(client.get("/mgmt/bpl/getPVStatus", params={"pv": "D:*"}).json()) == len(NAMES)
    new = client.post("/mgmt/bpl/getPVStatus", content="D:NEW\n", headers={"content-type": "text/plain"}).json()
    assert new[0]["status"] == "Initial sampling"


def test_which_of_these_are_archived(client):
    names = '["D:V", "D:NONE", "ca://D:STATE.VAL"]'
    for path in ("/retrieval/bpl/filterArchivedPVs", "/mgmt/bpl/archivedPVs"):
        assert client.post(path, content=names).json() == ["D:V", "D:STATE"]
    assert client.post("/mgmt/bpl/unarchivedPVs", content=names).json() == ["D:NONE"]


def test_details_of_a_pv(client):
    rows = client.get("/mgmt/bpl/getPVDetails", params={"pv": "D:V"}).json()
    facts = {row["name"]: row["value"] for row in rows}
    assert (facts["DBRType"], facts["connectionState"], facts["pvName"]) == ("DBR_SCALAR_DOUBLE", "true", "D:V")
    assert client.get("/mgmt/bpl/getPVDetails", params={"pv": "D:NONE"}).status_code == 404


@pytest.mark.parametrize("operator", ["{}", "mean_60({})", "optimized_10({})", "lastFill_600({})"])
def test_intervals_far_away(client, operator):
    pv = operator.format("D:V")
    future = {"pv": pv, "from": "2999-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}
    reply = client.get("/retrieval/data/getData.json", params=future)
    assert reply.status_code == 200
    assert len(reply.json()[0]["data"]) >= 1, "the last known value"
    past = {"pv": pv, "from": "0002-01-01T00:00:00Z", "to": "1500-01-01T00:00:00Z"}
    assert client.get("/retrieval/data/getData.json", params=past).status_code == 404


def test_where_the_parts_answer(client):
    info = client.get("/mgmt/bpl/getApplianceInfo").json()
    assert info["dataRetrievalURL"] == f"http://127.0.0.1:{client.base_url.port}/retrieval"
    assert client.get("/retrieval/ping").text == "pong\n"
    for path in ("/retrieval/bpl/getVersion", "/mgmt/bpl/getVersions"):
        assert "retrieval_version" in client.get(path).json()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", '[{"pv": "D:V"}, "D:STATE"]'),
        ("text/plain", "D:V\nD:STATE\n"),
        ("application/x-www-form-urlencoded", "pv=D:V,D:STATE"),
    ],
)
def test_ways_to_post_names(client, content_type, body):
    reply = client.post("/mgmt/bpl/getPVStatus", content=body, headers={"content-type": content_type})
    assert [entry["pvName"] for entry in reply.json()] == ["D:V", "D:STATE"]


@pytest.mark.parametrize("body", [b'{"pv": 1}', b"[1]", b"[", b'["\xff"]'])
def test_bad_bodies(client, body):
    reply = client.post("/retrieval/data/getDataAtTime", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
