"""Aggregates of the archive: bins, what holds in empty ones, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.installation import wait_until
from tests.web.conftest import WebSite
from tests.web.seed import CHANNEL
from web.archive_rows import Bins, wanted_bins
from web.errors import ApiError
from web.query import Filter, Group, Operator

NOW = 1_800_000_000.0
PV = f"{CHANNEL}:TEMP_RBV"


def when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("filters", "group", "expected"),
    [
        ((), None, Bins(1_799_996_400, 1_800_000_000, 8)),
        ((), Group(60), Bins(1_799_996_400, 1_800_000_000, 60)),
        ((Filter("time", Operator.GE, when(NOW - 86_400)),), Group(None, 100), Bins(1_799_913_312, 1_800_000_576, 864)),
        (
            (Filter("time", Operator.GE, when(NOW - 100)), Filter("time", Operator.LT, when(NOW - 40))),
            Group(10),
            Bins(1_799_999_900, 1_799_999_960, 10),
        ),
        (
            (Filter("width", Operator.EQ, 30), Filter("epoch", Operator.EQ, 1_799_999_970)),
            None,
            Bins(1_799_999_970, 1_800_000_000, 30),
        ),
        ((Filter("time", Operator.GE, when(NOW + 100)),), Group(10), Bins(1_800_000_100, 1_800_000_100, 10)),
    ],
)
def test_which_bins(filters: tuple[Filter, ...], group: Group | None, expected: Bins) -> None:
    assert wanted_bins(filters, group, NOW) == expected


def test_the_size_of_a_group_is_the_width_of_a_bin(detector: WebSite) -> None:
    found = rows(detector, "groupBy[size]=20")
    assert {row["attributes"]["width"] for row in found} == {20}


def test_too_many_bins_are_refused() -> None:
    with pytest.raises(ApiError, match="ask for wider bins"):
        wanted_bins((Filter("time", Operator.GE, when(0)),), Group(1), NOW)


def rows(site: WebSite, query: str) -> list[dict[str, Any]]:
    reply = site.http.get(f"/jsonapi/v1/archive?filter[pv]={PV}&{query}")
    assert reply.status_code == 200, reply.text
    return reply.json()["data"]


def test_bins_of_a_real_archive(detector: WebSite) -> None:
    wait_until(lambda: len(rows(detector, "groupBy[granularity]=1")) > 5, 60, "some seconds are archived")
    found = rows(detector, "groupBy[granularity]=1&page[limit]=1000")
    times = [row["attributes"]["epoch"] for row in found]
    assert times == list(range(times[0], times[-1] + 1)), "a bin without samples repeats what held"
    for row in found:
        values = row["attributes"]
        assert values["minimum"] <= values["mean"] <= values["maximum"]
        assert 0 < values["mean"] < 60
        assert row["meta"]["row"]["mean"]["units"] == "degC"
        assert values["time"] == when(values["epoch"]).isoformat().replace("+00:00", "Z")
    one = detector.http.get(found[0]["links"]["self"]).json()["data"]
    assert one["attributes"] == found[0]["attributes"]
    assert sum(row["attributes"]["samples"] for row in found) > 0


def test_a_chosen_number_of_points(detector: WebSite) -> None:
    since = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = rows(detector, f"filter[time][GE]={since}&groupBy[granularity]=auto&groupBy[count]=100")
    assert {row["attributes"]["width"] for row in found} <= {864, 865}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "filter[pv][EQ]"),
        ("filter[pv][LIKE]=%25", "filter[pv][EQ]"),
        (f"filter[pv][EQ]={PV}&group[granularity]=0", "group[granularity]"),
        (f"filter[pv][EQ]={PV}&group[granularity]=run", "group[granularity]"),
        (f"filter[pv][EQ]={PV}&group[count]=100000", "group[count]"),
        (f"filter[pv][EQ]={PV}&group[size]=0", "group[size]"),
        (f"filter[pv][EQ]={PV}&group[granularity]=60&group[size]=60", "group[size]"),
        (f"filter[pv][EQ]={PV}&group[what]=2", "group[what]"),
        ("filter[pv][EQ]=LAB:SYS:ARCHIVER:VERSION", "filter[pv][EQ]"),
    ],
)
def test_what_is_refused(detector: WebSite, query: str, parameter: str) -> None:
    reply = detector.http.get(f"/api/v1/archive?{query}")
    assert reply.status_code == 400, reply.text
    assert reply.json()["errors"][0]["source"] == {"parameter": parameter}


@pytest.mark.parametrize("pv", ["NO:SUCH:PV", "mean_60(X)", "A,B", "'; DROP TABLE x", "*"])
def test_a_pv_that_is_not_archived_has_no_rows(detector: WebSite, pv: str) -> None:
    reply = detector.http.get("/api/v1/archive", params={"filter[pv][EQ]": pv})
    assert (reply.status_code, reply.json()["data"]) == (200, [])
