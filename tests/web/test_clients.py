"""Clients that others wrote, as they come from PyPI, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.conftest import WebSite
from tests.web.seed import RUNS


def run_client(name: str, url: str) -> dict[str, object]:
    program = Path(__file__).with_name(name)
    done = subprocess.run([sys.executable, str(program), url], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(120)
def test_omsapi(site: WebSite) -> None:
    found = run_client("omsapi_process.py", site.url)
    assert found == {
        "meta": True,
        "filtered": [10, 9, 8],
        "attributes": ["partition", "run_number"],
        "second_page": [11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
        "one": 3,
        "related": [3],
        "units": "s",
        "presentation": "2026-11-20 08:30:30",
        "unknown": True,
        "not_validated": ["filter[nonsense][EQ]: runs has no attribute 'nonsense'; it was left out", RUNS],
        "version": "v1",
    }


@pytest.mark.timeout(120)
def test_jsonapi_client(site: WebSite) -> None:
    found = run_client("jsonapi_client_process.py", site.url)
    assert found == {
        "iterated": RUNS,
        "filtered": [5, 4],
        "comment": "Zoë",
        "included": ["HV"],
        "fetched": ["HV"],
        "back": 3,
        "none": None,
    }
