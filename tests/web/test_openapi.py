"""The generated OpenAPI document, and what schemathesis makes of it in a bounded time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.conftest import WebSite


def test_it_tells_media_types_and_parameters(elsewhere: WebSite) -> None:
    document = elsewhere.http.get("/openapi.json").json()
    strict = document["paths"]["/jsonapi/v1/runs"]["get"]
    assert list(strict["responses"]["200"]["content"]) == ["application/vnd.api+json"]
    assert list(strict["responses"]["400"]["content"]) == ["application/vnd.api+json"]
    names = {item.get("name") for item in strict["parameters"]}
    assert {"fields[runs]", "include", "sort", "page[offset]", "page[limit]"} <= names
    oms = document["paths"]["/api/v1/runs"]["get"]
    assert list(oms["responses"]["200"]["content"]) == ["application/json"]
    assert document["paths"]["/api/v1/runs/csv"]["get"]["responses"]["200"]["content"].keys() == {"text/csv"}
    shared = document["components"]["parameters"]
    for item in (*strict["parameters"], *oms["parameters"]):
        if "$ref" in item:
            assert item["$ref"].rpartition("/")[2] in shared


EVERY_CASE = r"^/(api|jsonapi)/v1/downtimeedits(/\{id\}/downtime)?$"
"""A collection and a row that is related, in both dialects: every boundary of every parameter."""
EVERY_RESOURCE = r"^/(health|(api|jsonapi)/v1/\w+(/\{id\})?)$"
"""Collections and rows of all resources, in both dialects: a request each, as it comes."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("tried", "how"),
    [
        (EVERY_CASE, "--phases coverage,fuzzing --max-examples 10 --max-time 20"),
        (EVERY_RESOURCE, "--phases fuzzing --max-examples 1 --max-time 40"),
    ],
    ids=["every case of some operations", "every resource"],
)
def test_schemathesis(detector: WebSite, tmp_path: Path, tried: str, how: str) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    command = [str(program), "run", f"{detector.url}/openapi.json", "--include-path-regex", tried, *how.split()]
    command += ["--seed", "1", "--suppress-health-check", "all", "--request-timeout", "60", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_it_is_json_that_names_every_resource_object(elsewhere: WebSite) -> None:
    document = json.loads(elsewhere.http.get("/openapi.json").text)
    assert document["components"]["schemas"]["runs"]["properties"]["attributes"]["properties"]["duration"]["type"] == [
        "number",
        "null",
    ]
