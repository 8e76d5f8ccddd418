"""The client of CMS OMS against the server named on the command line; prints what it found as JSON."""

import contextlib
import io
import json
import sys

from omsapi import OMSAPI


def main(url: str) -> dict[str, object]:
    api = OMSAPI(f"{url}/api", "v1", cert_verify=False, retry_on_err_sec=0, retry_on_err_attempts=0)
    api.verbose = False

    filtered = api.query("runs")
    filtered.attrs(["run_number", "partition"])
    filtered.filter("run_number", 7, "GT").filter("run_number", 10, "LE")
    filtered.sort("run_number", asc=False)
    answer = filtered.data().json()

    second = api.query("runs")
    second.sort("run_number").paginate(page=2, per_page=10)

    units = api.query("runs/3")
    units.include("meta").include("presentation_timestamp")
    one = units.data().json()

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        wrong = api.query("runs")
        wrong.set_verbose(True)
        wrong.filter("nonsense", 1)
    wrong.set_verbose(False)
    wrong.set_validation(False)
    with contextlib.redirect_stdout(said):
        wrong.filter("nonsense", 1)
    unchecked = wrong.data().json()

    return {
        "meta": "run_number" in (filtered.meta() or {}),
        "filtered": [row["attributes"]["run_number"] for row in answer["data"]],
        "attributes": sorted(answer["data"][0]["attributes"]),
        "second_page": [int(row["id"]) for row in second.data().json()["data"]],
        "one": one["data"]["attributes"]["run_number"],
        "related": [int(row["id"]) for row in api.query("runs/3/downtimes").data().json()["data"]],
        "units": one["data"]["meta"]["row"]["duration"]["units"],
        "presentation": one["data"]["attributes"]["started_at"],
        "unknown": said.getvalue().startswith("Warning: Attribute"),
        "not_validated": [unchecked["meta"]["warnings"][0], unchecked["meta"]["totalResourceCount"]],
        "version": api.query_metadata().data("v1/version").json()["data"]["attributes"]["api"],
    }


print(json.dumps(main(sys.argv[1])))  # noqa: T201  read by the test
