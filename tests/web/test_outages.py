"""Sources that are away are a 503 of what needs them, and of nothing else; they may come and go."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.postgresql import PostgresServer
from tests.system.installation import wait_until
from tests.web.conftest import PORTS, WebSite, make_site
from tests.web.seed import CHANNEL, RUNS, fill

TYPE = {"/api/v1": "application/json", "/jsonapi/v1": "application/vnd.api+json"}


@pytest.mark.parametrize("base", TYPE)
@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("alarms", "the alarm service does not answer"),
        ("alarmevents", "the alarm service does not answer"),
        ("pvs", "the archiver does not answer"),
        (f"archive?filter[pv][EQ]={CHANNEL}:TEMP_RBV", "the archiver does not answer"),
    ],
)
def test_a_service_that_is_away(elsewhere: WebSite, base: str, path: str, who: str) -> None:
    reply = elsewhere.http.get(f"{base}/{path}")
    assert reply.status_code == 503
    assert reply.headers["content-type"] == TYPE[base]
    assert reply.headers["retry-after"]
    assert reply.json()["errors"][0]["detail"].startswith(f"{who} since ")
    assert elsewhere.http.get(f"{base}/runs").status_code == 200


def test_channels_of_an_ioc_that_is_away_are_there_without_values(elsewhere: WebSite) -> None:
    row = elsewhere.http.get("/api/v1/channels/HV1:CH01").json()["data"]
    values = row["attributes"]
    assert (values["state"], values["severity"], values["connected"], values["age"]) == ("DISCONNECTED", "INVALID", False, None)
    assert values["current"] is None
    assert values["controller_name"] == "HV1"
    states = elsewhere.http.get("/api/v1/services?fields=state").json()["data"]
    assert {row["id"]: row["attributes"]["state"] for row in states} == {
        "bench": "LOST",
        "veto": "LOST",
        "archiver": "LOST",
        "alarms": "LOST",
        "web": "RUNNING",
    }


@pytest.mark.timeout(180)
def test_the_database_stops_and_starts(
    postgresql_to_stop: PostgresServer, tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    site = make_site(tmp_path / "site", free_ports(len(PORTS)), database=postgresql_to_stop.url)
    with site.serving():
        empty = site.http.get("/jsonapi/v1/runs").json()
        assert empty["data"] == []
        assert "no table" in empty["meta"]["warnings"][0]
        site.make_versions()
        fill(postgresql_to_stop.url)
        assert site.http.get("/api/v1/runs").json()["meta"]["totalResourceCount"] == RUNS

        postgresql_to_stop.stop()
        for base, media_type in TYPE.items():
            reply = site.http.get(f"{base}/runs")
            assert (reply.status_code, reply.headers["content-type"]) == (503, media_type)
            assert reply.json()["errors"][0]["detail"].startswith("the database does not answer since ")
        assert site.http.get("/api/v1/channels").status_code == 200
        assert site.http.get("/health").json()["sources"]["database"].startswith("away since ")
        assert site.http.get("/api/v1/version").status_code == 200

        postgresql_to_stop.start()
        wait_until(lambda: site.http.get("/api/v1/runs").status_code == 200, 30, "runs are back")
        assert site.http.get("/api/v1/runs").json()["meta"]["totalResourceCount"] == RUNS
    assert "Traceback" not in (site.folder / "web.log").read_text()
    site.http.close()
