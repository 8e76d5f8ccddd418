"""Which run a downtime names: the newest of the partitions that the detector takes data in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from logbook.downtime.file import Detector, partitions_of_runs, read_downtime_file
from sipmdcs.cli import main
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

EXAMPLES = Path(__file__).parents[3] / "examples"
STOP = "Partition 1 transitioned from Running to Stopped, Last Run/Subrun/Time"


def run(site: Path, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["--site", str(site), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(("example", "detector"), [("padme-like", "PVETO"), ("minimal", "BENCH")])
def test_a_stop_names_the_run_that_goes_on_in_both_examples(tmp_path: Path, example: str, detector: str) -> None:
    site = tmp_path / example
    shutil.copytree(EXAMPLES / example, site, ignore=shutil.ignore_patterns("var"))
    run(site, "run", "start", "--type", "physics")
    run(site, "run", "end")
    number = json.loads(run(site, "run", "start", "--json"))["number"]
    run(site, "downtime", "0", "--no-popup")
    (found,) = json.loads(run(site, "downtime", "--list", "--json"))
    assert (found["detector"], found["run"]) == (detector, number)


def test_a_number_in_the_message_goes_before_the_run_table(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLES / "padme-like", site, ignore=shutil.ignore_patterns("var"))
    run(site, "run", "start")
    run(site, "downtime", f"{STOP} 4711 3 2026-11-21T10:00:00Z", "--no-popup")
    (found,) = json.loads(run(site, "downtime", "--list", "--json"))
    assert (found["run"], found["subrun"]) == (4711, 3)


KNOWN = ("MAIN", "LED", "1")


@pytest.mark.parametrize(
    ("detector", "named", "expected"),
    [
        (Detector(partitions=("1",), run_partitions=("LED", "MAIN")), "1", ("LED", "MAIN")),
        (Detector(partitions=("7",)), "", ("MAIN",)),
        (Detector(partitions=("7",)), "7", ("MAIN",)),
        (Detector(partitions=("1", "7")), "1", ("1",)),
        (Detector(partitions=("LED", "1", "7")), "", ("LED", "1")),
        (Detector(), "LED", ("LED",)),
        (Detector(), "", ("MAIN",)),
    ],
)
def test_partitions_of_messages_are_mapped_to_those_of_the_run_table(
    detector: Detector, named: str, expected: tuple[str, ...]
) -> None:
    assert partitions_of_runs(detector, named, KNOWN) == expected


def test_a_run_partition_that_the_logbook_does_not_have_is_refused(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLES / "padme-like", site, ignore=shutil.ignore_patterns("var"))
    file = site / "downtime.yaml"
    file.write_text(
        file.read_text().replace("partitions: [2], run_partitions: [MAIN]", "partitions: [2], run_partitions: [MIAN]")
    )
    message = (
        r"downtime\.yaml:\d+: detectors\.EVETO\.run_partitions\.0: MIAN is no partition of logbook\.yaml, expected MAIN or SCAN"
    )
    with pytest.raises(BadInput, match=message):
        read_downtime_file(Site(site))
