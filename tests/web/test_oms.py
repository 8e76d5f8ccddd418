"""The dialect of CMS OMS, over HTTP."""

import json
from typing import Any

import pytest
import yaml

from tests.web.conftest import WebSite
from tests.web.seed import AWKWARD, CHANNEL, RUNS, VBR


def get(site: WebSite, path: str) -> dict[str, Any]:
    reply = site.http.get(f"/api/v1/{path}")
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    return json.loads(reply.text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))


def numbers(answer: dict[str, Any]) -> list[int]:
    return [int(row["id"]) for row in answer["data"]]


def test_a_row_has_attributes_relationships_links_and_units(site: WebSite) -> None:
    answer = get(site, "runs/3")
    row = answer["data"]
    assert (row["type"], row["id"]) == ("runs", "3")
    assert row["attributes"]["comment"] == AWKWARD
    assert row["attributes"]["shifter"] == "Zoë"
    assert row["attributes"]["started_at"] == "2026-11-20T08:30:30Z"
    assert row["attributes"]["duration"] == pytest.approx(510.0)
    assert row["attributes"]["facts"] == {"trigger": 3, "beam": "on"}
    assert row["links"] == {"self": "/api/v1/runs/3"}
    assert row["relationships"]["downtimes"]["links"] == {
        "self": "/api/v1/runs/3/relationships/downtimes",
        "related": "/api/v1/runs/3/downtimes",
    }
    assert row["meta"]["row"]["duration"]["units"] == "s"


def test_units_differ_from_row_to_row(site: WebSite) -> None:
    answer = get(site, "slowcontrol?filter[run_number][EQ]=1&include=meta")
    units = {row["attributes"]["pv"].rpartition(":")[2]: row["meta"]["row"]["mean"]["units"] for row in answer["data"]}
    assert units == {"CURRENT_RBV": "uA", "TEMP_RBV": "degC"}
    assert answer["meta"]["fields"]["mean"]["units"] is None
    assert answer["meta"]["fields"]["alarm_time"]["units"] == "s"


def test_projection_keeps_ids_and_units(site: WebSite) -> None:
    answer = get(site, "slowcontrol?fields=mean&page[limit]=1")
    (row,) = answer["data"]
    assert row["attributes"].keys() == {"mean"}
    assert row["id"] == f"1~{CHANNEL}:CURRENT_RBV"
    assert row["meta"]["row"]["mean"]["units"] == "uA"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter[run_number][GE]=3&filter[run_number][LT]=6", [3, 4, 5]),
        ("filter[run_number][EQ]=7", [7]),
        ("filter[run_number]=7", [7]),
        ("filter[events][EQ]=null", [7]),
        ("filter[events][NEQ]=null&filter[run_number][LE]=8&filter[run_number][GT]=5", [6, 8]),
        ("filter[open][EQ]=true", [RUNS]),
        ("filter[state][NEQ]=ended", [RUNS]),
        ("filter[started_at][GE]=2026-11-20T12:00:00Z&filter[started_at][LT]=2026-11-20 12:21:00", [24, 25]),
        ("filter[started_at][GE]=2026-11-20T13:00:00%2B01:00&filter[started_at][LT]=2026-11-20T12:21:00Z", [24, 25]),
        ("filter[comment][CT]=DROP TABLE", [3]),
        ("filter[comment][CT]=%25", [3]),
        ("filter[comment][LIKE]=50 \\%25%25", [3]),
        ("filter[comment][LIKE]=50 \\_%25", []),
        ("filter[comment][LIKE]=50 drop%25", []),
        ("filter[run_type][LIKE]=_v&filter[run_number][LE]=6", [3, 6]),
        ("filter[duration][GT]=500&filter[run_number][LE]=2", [1, 2]),
        ("filter[started_at][EQ]=null", [4]),
    ],
)
def test_filters(site: WebSite, query: str, expected: list[int]) -> None:
    answer = get(site, f"runs?{query}")
    assert numbers(answer) == expected
    assert answer["meta"]["totalResourceCount"] == len(expected)
    assert "warnings" not in answer["meta"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort=-run_number", [25, 24, 23]),
        ("sort=partition,-run_number", [24, 22, 20]),
        ("sort=-partition,run_number", [1, 3, 5]),
        ("sort=events", [1, 2, 3]),
        ("sort=-started_at", [25, 24, 23]),
    ],
)
def test_order(site: WebSite, query: str, expected: list[int]) -> None:
    assert numbers(get(site, f"runs?{query}&page[limit]=3")) == expected


@pytest.mark.parametrize("sign", ["", "-"])
def test_nulls_come_last_in_both_directions(site: WebSite, sign: str) -> None:
    assert numbers(get(site, f"runs?sort={sign}events"))[-1] == 7


def test_pages_cover_everything_once(site: WebSite) -> None:
    found = []
    for offset in range(0, RUNS + 10, 10):
        answer = get(site, f"runs?page[offset]={offset}&page[limit]=10&sort=partition")
        assert answer["meta"]["totalResourceCount"] == RUNS
        found += numbers(answer)
    assert sorted(found) == list(range(1, RUNS + 1))


def test_unknown_attributes_are_warned_of_and_left_out(site: WebSite) -> None:
    answer = get(site, "runs?filter[nonsense][EQ]=1&fields=run_number,more&sort=else&include=what&colour=red")
    assert answer["meta"]["totalResourceCount"] == RUNS
    assert [warning.partition(":")[0] for warning in answer["meta"]["warnings"]] == [
        "filter[nonsense][EQ]",
        "fields",
        "sort",
        "include",
        "parameter colour is not known here and was left out",
    ]
    assert answer["data"][0]["attributes"].keys() == {"run_number"}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("filter[run_number][EQ]=abc", "filter[run_number][EQ]"),
        ("filter[run_number][EQ]=1;DROP TABLE logbook_run", "filter[run_number][EQ]"),
        ("filter[run_number][EQ]=99999999999999999999", "filter[run_number][EQ]"),
        ("filter[run_number][WHAT]=1", "filter[run_number][WHAT]"),
        ("filter[run_number][LIKE]=1", "filter[run_number][LIKE]"),
        ("filter[duration][GT]=nan", "filter[duration][GT]"),
        ("filter[duration][GT]=1e999", "filter[duration][GT]"),
        ("filter[open][EQ]=yes", "filter[open][EQ]"),
        ("filter[started_at][GE]=yesterday", "filter[started_at][GE]"),
        ("filter[started_at][GE]=0001-01-01T00:00:00%2B14:00", "filter[started_at][GE]"),
        ("filter[facts][EQ]=1", "filter[facts][EQ]"),
        ("filter[comment][EQ]=%00", "filter[comment][EQ]"),
        ("filter[comment][LIKE]=half\\", "filter[comment][LIKE]"),
        ("filter[]=1&filter", "filter"),
        ("page[limit]=0", "page[limit]"),
        ("page[limit]=100001", "page[limit]"),
        ("page[limit]=1&page[limit]=2", "page[limit]"),
        ("page[offset]=-1", "page[offset]"),
        ("page[number]=1", "page[number]"),
        ("page[total]=all", "page[total]"),
        ("sort=facts", "sort"),
    ],
)
def test_what_cannot_be_read_is_an_error(site: WebSite, query: str, parameter: str) -> None:
    reply = site.http.get(f"/api/v1/runs?{query}")
    assert reply.status_code == 400
    (error,) = reply.json()["errors"]
    assert error["source"] == {"parameter": parameter}
    assert "\n" not in error["detail"]


def test_sql_in_every_parameter_is_only_text(site: WebSite) -> None:
    evil = "1'; DROP TABLE logbook_run; --"
    meta = get(site, "runs/meta")["meta"]["fields"]
    for name, about in meta.items():
        for operator in ("EQ", "NEQ", "LT", "GT", "LE", "GE", "LIKE", "CT"):
            reply = site.http.get("/api/v1/runs", params={f"filter[{name}][{operator}]": evil})
            assert reply.status_code == (200 if about["api_type"] == "string" else 400), (name, operator, reply.text)
    for parameter in ("fields", "sort", "include", f"filter[{evil}][EQ]", evil, "group[granularity]"):
        assert site.http.get("/api/v1/runs", params={parameter: evil}).status_code == 200
    assert site.http.get("/api/v1/runs/" + "1'%20OR%20'1'='1").status_code == 404
    assert get(site, "runs")["meta"]["totalResourceCount"] == RUNS


def test_meta_describes_every_attribute(site: WebSite) -> None:
    for name in ("runs", "channels", "archive", "alarms"):
        meta = get(site, f"{name}/meta")["meta"]
        assert meta["fields_order"] == list(meta["fields"])
        for about in meta["fields"].values():
            assert about.keys() == {"title", "description", "units", "api_type", "sortable", "searchable", "projectable"}
    assert get(site, "runs?include=meta&page[limit]=1")["meta"]["fields"] == get(site, "runs/meta")["meta"]["fields"]


def test_includes_change_times_and_leave_out(site: WebSite) -> None:
    row = get(site, "runs/3?include=presentation_timestamp,data_only&page[offset]=0&page[limit]=10")["data"]
    assert row["attributes"]["started_at"] == "2026-11-20 08:30:30"
    assert row.keys() == {"type", "id", "attributes"}


def test_related(site: WebSite) -> None:
    assert numbers(get(site, "runs/3/downtimes")) == [3]
    assert get(site, "downtimes/3/run")["data"]["id"] == "3"
    assert get(site, "downtimes/2/run")["data"] is None
    assert get(site, "downtimes/2/relationships/run")["data"] is None
    assert get(site, "runs/8/relationships/configversion")["data"] == {"type": "configversions", "id": "2"}
    assert get(site, "runs/8/configversion")["data"]["attributes"]["message"] == "slower"
    assert get(site, "runs/3/macro?fields=mean")["data"][0]["attributes"] == {"mean": VBR}


def test_results_are_of_the_newest_analysis_and_older_ones_are_in_the_history(site: WebSite) -> None:
    rows = get(site, "runs/3/reco?fields=value,raw_id,reason")["data"]
    assert [(row["id"], row["attributes"]["raw_id"], row["attributes"]["value"]) for row in rows] == [
        ("2", 2, None),
        ("3", 1, VBR),
    ]
    assert numbers(get(site, f"reco?filter[channel_prefix]={CHANNEL}")) == [2, 3]
    assert site.http.get("/api/v1/reco/1").status_code == 404
    assert numbers(get(site, "reco/3/history")) == [1, 3]
    history = get(site, "recohistory?fields=current,code")["data"]
    assert [row["attributes"] for row in history] == [
        {"current": False, "code": "0.1.0"},
        {"current": True, "code": "0.2.0"},
        {"current": True, "code": "0.3.0"},
    ]
    assert numbers(get(site, "recohistory?filter[current][EQ]=false")) == [1]
    assert numbers(get(site, "jobs/1/reco")) == [1]
    assert numbers(get(site, "raw/1/reco")) == [3]


@pytest.mark.parametrize(
    "path", ["runs/999", "runs/abc", "runs/1~2", "runs/3/nothing", "nothing", "runs/3/relationships/x", "runs/"]
)
def test_what_is_not_there(site: WebSite, path: str) -> None:
    reply = site.http.get(f"/api/v1/{path}")
    assert reply.status_code == 404
    assert reply.json()["errors"][0]["status"] == "404"


def test_csv(site: WebSite) -> None:
    reply = site.http.get("/api/v1/runs/csv?fields=run_number,comment,events&filter[run_number][LE]=4")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    import csv
    import io

    rows = list(csv.reader(io.StringIO(reply.text, newline="")))
    assert rows[0] == ["run_number", "comment", "events"]
    assert rows[3] == ["3", AWKWARD, "3000"]
    assert len(rows) == 5


def test_autocomplete(site: WebSite) -> None:
    answer = get(site, "runs/autocomplete?filter[items][EQ]=5&filter[partition][CT]=E")
    assert [row["attributes"] for row in answer["data"]] == [{"partition": "LED"}]
    every = get(site, "runs/autocomplete?filter[partition][CT]=")["data"]
    assert [row["id"] for row in every] == ["LED", "MAIN"]
    first = get(site, "runs/autocomplete?filter[items][EQ]=2&filter[started_at][GE]=2026-11-20")["data"]
    assert [row["id"] for row in first] == ["2026-11-20T08:10:30Z", "2026-11-20T08:20:30Z"]
    assert get(site, "channels/autocomplete?filter[subsystem][LIKE]=V%25")["data"][0]["id"] == "VETO"
    assert get(site, "runs/autocomplete?filter[events][EQ]=null")["data"] == []


def test_version_and_endpoints(site: WebSite) -> None:
    about = get(site, "version")["data"]["attributes"]
    assert about["api"] == "v1"
    assert about["site"] == yaml.safe_load((site.folder / "site.yaml").read_text("utf-8"))["name"]
    paths = [row["attributes"]["path"] for row in get(site, "version/endpoints")["data"]]
    assert "/runs/{id}/downtimes" in paths


def test_nothing_can_be_written(site: WebSite) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        reply = site.http.request(method, "/api/v1/runs/3", json={"data": {}})
        assert reply.status_code == 405
        assert reply.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["api/v1/runs", "jsonapi/v1/runs/3", "api/v1/runs/csv", "health", ""])
def test_head_is_get_without_its_body_and_options_tells_the_methods(site: WebSite, path: str) -> None:
    got, head = site.http.get(f"/{path}"), site.http.head(f"/{path}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    options = site.http.options(f"/{path}")
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == "GET, HEAD, OPTIONS"


def test_head_and_options_of_what_is_not_there(site: WebSite) -> None:
    assert site.http.head("/api/v1/runs/999").status_code == 404
    assert site.http.head("/jsonapi/v1/runs?colour=red").status_code == 400
    assert site.http.options("/api/v1/nothing").status_code == 404


def test_an_open_downtime_has_no_end_and_a_duration_to_now(site: WebSite) -> None:
    row = get(site, "downtimes/5")["data"]["attributes"]
    assert (row["ended_at"], row["open"]) == (None, True)
    assert row["duration"] != 0
    assert get(site, "downtimes/4")["data"]["attributes"]["duration"] == 240.0
