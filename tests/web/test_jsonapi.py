"""JSON:API 1.1, checked against what its specification says a server MUST do."""

import json
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.web.conftest import WebSite
from tests.web.seed import CHANNEL, RUNS

TYPE = "application/vnd.api+json"

MEMBER = "^[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?$"
IDENTIFIER = {
    "type": "object",
    "required": ["type", "id"],
    "properties": {"type": {"type": "string", "pattern": MEMBER}, "id": {"type": "string", "minLength": 1}},
}
LINKAGE = {"anyOf": [{"type": "null"}, IDENTIFIER, {"type": "array", "items": IDENTIFIER, "uniqueItems": True}]}
LINKS = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
RELATIONSHIP = {
    "type": "object",
    "anyOf": [{"required": ["links"]}, {"required": ["data"]}, {"required": ["meta"]}],
    "properties": {"links": LINKS, "data": LINKAGE, "meta": {"type": "object"}},
    "additionalProperties": False,
}
RESOURCE = {
    "type": "object",
    "required": ["type", "id"],
    "properties": IDENTIFIER["properties"]
    | {
        "attributes": {
            "type": "object",
            "propertyNames": {"pattern": MEMBER, "not": {"enum": ["type", "id"]}},
        },
        "relationships": {
            "type": "object",
            "propertyNames": {"pattern": MEMBER, "not": {"enum": ["type", "id"]}},
            "additionalProperties": RELATIONSHIP,
        },
        "links": LINKS,
        "meta": {"type": "object"},
    },
    "additionalProperties": False,
}
DOCUMENT = {
    "type": "object",
    "anyOf": [{"required": ["data"]}, {"required": ["errors"]}, {"required": ["meta"]}],
    "not": {"required": ["data", "errors"]},
    "dependentRequired": {"included": ["data"]},
    "properties": {
        "data": {"anyOf": [{"type": "null"}, RESOURCE, {"type": "array", "items": RESOURCE}]},
        "included": {"type": "array", "items": RESOURCE},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "minProperties": 1,
                "properties": {
                    "status": {"type": "string", "pattern": "^[45][0-9][0-9]$"},
                    "code": {"type": "string"},
                    "title": {"type": "string"},
                    "detail": {"type": "string"},
                    "source": {"type": "object", "propertyNames": {"enum": ["pointer", "parameter", "header"]}},
                    "links": LINKS,
                    "meta": {"type": "object"},
                    "id": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
        "meta": {"type": "object"},
        "links": LINKS,
        "jsonapi": {"type": "object", "properties": {"version": {"const": "1.1"}}, "required": ["version"]},
    },
    "additionalProperties": False,
}
CHECK = Draft202012Validator(DOCUMENT)


def checked(reply: httpx.Response) -> dict[str, Any]:
    """The document of a reply, all of what the specification says of any document being so."""
    assert reply.headers["content-type"] == TYPE
    assert "Accept" in reply.headers["vary"]
    document = json.loads(reply.text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    CHECK.validate(document)
    data = document.get("data") or []
    rows = data if isinstance(data, list) else [data]
    everything = [*rows, *document.get("included", [])]
    there = [(row["type"], row["id"]) for row in everything]
    assert len(there) == len(set(there)), "a resource object is there twice"
    for row in everything:
        assert not row.get("attributes", {}).keys() & row.get("relationships", {}).keys(), "fields share one namespace"
    linked = {
        (one["type"], one["id"])
        for row in everything
        for relationship in row.get("relationships", {}).values()
        for one in _listed(relationship.get("data"))
    }
    assert {(row["type"], row["id"]) for row in document.get("included", [])} <= linked, "full linkage"
    return document


def _listed(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [] if data is None else [data]


def get(site: WebSite, path: str, **headers: str) -> dict[str, Any]:
    reply = site.http.get(f"/jsonapi/v1/{path}", headers=headers)
    assert reply.status_code == 200, reply.text
    return checked(reply)


@pytest.mark.parametrize(
    "path",
    [
        "runs",
        "runs/3",
        "downtimes",
        "channels",
        "slowcontrol?page[limit]=2",
        "runs/3/slowcontrol",
        "reco",
        "macro",
        "pushitems",
        "runs?include=",
        "runs?page[offset]=1000",
    ],
)
def test_documents_are_what_the_specification_says(site: WebSite, path: str) -> None:
    get(site, path)


def test_include_follows_paths_and_gives_each_row_once(site: WebSite) -> None:
    document = get(site, "runs?filter[run_number][LE]=3&include=downtimes.edits,reco.job.raw,configversion")
    types = [row["type"] for row in document["included"]]
    assert types.count("downtimes") == 2
    assert types.count("downtimeedits") == 1
    assert types.count("reco") == types.count("jobs") == types.count("raw") == 2
    third = document["data"][2]["relationships"]
    assert third["downtimes"]["data"] == [{"type": "downtimes", "id": "3"}]
    assert third["configversion"]["data"] is None
    assert "data" not in third["transitions"]
    assert document["data"][1]["relationships"]["downtimes"]["data"] == []


def test_an_included_way_back_is_not_included_again(site: WebSite) -> None:
    document = get(site, "runs/3?include=downtimes.run")
    assert [row["type"] for row in document["included"]] == ["downtimes"]
    assert document["included"][0]["relationships"]["run"]["data"] == {"type": "runs", "id": "3"}


def test_an_honoured_include_has_included_even_if_empty(site: WebSite) -> None:
    assert get(site, "runs/20?include=downtimes")["included"] == []
    assert "included" not in get(site, "runs/20")


def test_sparse_fieldsets_hold_for_attributes_and_relationships(site: WebSite) -> None:
    document = get(site, "runs/3?fields[runs]=run_number,downtimes&fields[downtimes]=category&include=downtimes")
    assert document["data"]["attributes"].keys() == {"run_number"}
    assert document["data"]["relationships"].keys() == {"downtimes"}
    (downtime,) = document["included"]
    assert downtime["attributes"] == {"category": "HV"}
    assert "relationships" not in downtime
    assert get(site, "runs/3?fields[runs]=")["data"]["attributes"] == {}


def test_next_leads_over_every_row(site: WebSite) -> None:
    found: list[str] = []
    document = get(site, "runs?sort=-partition&page[limit]=4&filter[run_number][GE]=2")
    found += [row["id"] for row in document["data"]]
    while following := document["links"].get("next"):
        document = checked(site.http.get(following))
        found += [row["id"] for row in document["data"]]
    assert len(found) == len(set(found)) == RUNS - 1
    last = checked(site.http.get(document["links"]["first"]))["links"]["last"]
    assert checked(site.http.get(last))["data"] == document["data"]
    assert "prev" in document["links"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("filter[nonsense][EQ]=1", "filter[nonsense][EQ]"),
        ("filter[nonsense]=1", "filter[nonsense]"),
        ("filter[run_number][EQ]=x", "filter[run_number][EQ]"),
        ("filter[run_number][IN]=1", "filter[run_number][IN]"),
        ("sort=nonsense", "sort"),
        ("sort=run_number,,state", "sort"),
        ("include=nonsense", "include"),
        ("include=downtimes.nonsense", "include"),
        ("include=meta", "include"),
        ("include=downtimes.run.downtimes.run.downtimes", "include"),
        ("fields=run_number", "fields"),
        ("fields[runs]=nonsense", "fields[runs]"),
        ("fields[nonsense]=x", "fields[nonsense]"),
        ("page[limit]=0", "page[limit]"),
        ("page[number]=2", "page[number]"),
        ("page[total]=all", "page[total]"),
        ("page=2", "page"),
        ("group[granularity]=60", "group[granularity]"),
        ("groupBy[granularity]=60", "groupBy[granularity]"),
        ("colour=red", "colour"),
        ("Filter[state]=ended", "Filter[state]"),
        ("sort[=x", "sort["),
    ],
)
def test_what_is_not_known_is_an_error_that_names_the_parameter(site: WebSite, query: str, parameter: str) -> None:
    reply = site.http.get(f"/jsonapi/v1/runs?{query}")
    assert reply.status_code == 400
    (error,) = checked(reply)["errors"]
    assert error["source"] == {"parameter": parameter}


def test_a_single_row_takes_no_page(site: WebSite) -> None:
    assert site.http.get("/jsonapi/v1/runs/3?page[limit]=1").status_code == 400
    assert site.http.get("/jsonapi/v1/downtimes/3/run?sort=state").status_code == 400


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Accept", TYPE, 200),
        ("Accept", "*/*", 200),
        ("Accept", f"{TYPE}; charset=utf-8", 406),
        ("Accept", f'{TYPE}; ext="https://example.org/bulk"', 406),
        ("Accept", f'{TYPE}; profile="https://example.org/p, q; r"', 200),
        ("Accept", f"{TYPE}; q=0.5", 200),
        ("Accept", f"{TYPE}; charset=utf-8, {TYPE}", 200),
        ("Accept", f"text/html, {TYPE};version=1", 406),
        ("Content-Type", TYPE, 200),
        ("Content-Type", f"{TYPE}; charset=utf-8", 415),
        ("Content-Type", f'{TYPE}; profile="https://example.org/p"', 200),
        ("Content-Type", "application/json", 200),
    ],
)
def test_content_negotiation(site: WebSite, header: str, value: str, status: int) -> None:
    reply = site.http.get("/jsonapi/v1/runs", headers={header: value})
    assert reply.status_code == status
    document = checked(reply)
    if status != 200:
        assert document["errors"][0]["source"] == {"header": header}


@pytest.mark.parametrize("path", ["runs/999", "runs/x", "nothing", "runs/3/nothing", "runs/3/relationships/nothing"])
def test_what_is_not_there(site: WebSite, path: str) -> None:
    reply = site.http.get(f"/jsonapi/v1/{path}")
    assert reply.status_code == 404
    assert checked(reply)["errors"][0]["status"] == "404"


def test_empty_relations(site: WebSite) -> None:
    assert get(site, "downtimes/2/run")["data"] is None
    assert get(site, "downtimes/2/relationships/run")["data"] is None
    assert get(site, "runs/20/downtimes")["data"] == []
    assert get(site, "runs/20/relationships/downtimes")["data"] == []


def test_a_relationship_itself_includes_nothing(site: WebSite) -> None:
    reply = site.http.get("/jsonapi/v1/runs/3/relationships/downtimes?include=run")
    assert reply.status_code == 400
    assert checked(reply)["errors"][0]["source"] == {"parameter": "include"}


def test_nothing_can_be_written(site: WebSite) -> None:
    for method in ("POST", "PATCH", "DELETE"):
        reply = site.http.request(method, "/jsonapi/v1/runs/3", json={"data": {}}, headers={"Content-Type": TYPE})
        assert reply.status_code == 405
        checked(reply)


def test_both_dialects_say_the_same(site: WebSite) -> None:
    queries = [
        "runs?sort=-partition,events&filter[run_number][GE]=4",
        "slowcontrol?filter[mean][GT]=0.15",
        f"reco?filter[channel_prefix]={CHANNEL}",
    ]
    for query in queries:
        oms = site.http.get(f"/api/v1/{query}").json()
        strict = site.http.get(f"/jsonapi/v1/{query}").json()
        assert oms["data"]
        assert [_plain(row) for row in oms["data"]] == [_plain(row) for row in strict["data"]]
        assert oms["meta"] == strict["meta"]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Without links, and without what grows while somebody waits."""
    attributes = {name: value for name, value in row["attributes"].items() if name != "duration"}
    return {"type": row["type"], "id": row["id"], "attributes": attributes, "meta": row.get("meta")}
