"""What the doctor says about a healthy site and about each thing that can be wrong with one."""

import copy
import json
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sipmdcs import controllers
from sipmdcs.cli import main
from sipmdcs.doctor_site import SITE_CHECKS, ReadOnce
from sipmdcs.epicsdb import Record, load_substitutions
from sipmdcs.errors import BadInput
from sipmdcs.finding import Finding, Level
from sipmdcs.installed import installed
from sipmdcs.site import Site

SITE: dict[str, Any] = {
    "name": "Test",
    "prefix": "TST",
    "services": [],
    "controllers": {"PS1": {"driver": "c11204", "id": "1", "subsystem": "LAB", "port": "sim"}},
    "iocs": {"bench": {"controllers": ["PS1"]}},
}


@pytest.fixture
def make(tmp_path: Path, free_port: int) -> Callable[..., Site]:
    def make(**changes: Any) -> Site:
        data = copy.deepcopy(SITE) | {"channel_access": {"server_port": free_port}} | changes
        (tmp_path / "site.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
        rendered = tmp_path / "var" / "rendered"
        rendered.mkdir(parents=True, exist_ok=True)
        (rendered / "bench.substitutions").write_text("", "utf-8")
        return Site(tmp_path)

    return make


def _find(check: str, site: Site) -> list[Finding]:
    return list(SITE_CHECKS[check](site))


def test_healthy_site_gives_only_good_lines(make: Callable[..., Site]) -> None:
    site = make()
    (site.var / "sipmdcs.sqlite").touch()
    for check in SITE_CHECKS:
        for finding in _find(check, site):
            assert finding.level is Level.OK or finding.check == "disk", finding
            assert not finding.next_step or finding.check == "disk"


def test_records_are_read_once_for_all_checks(make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of channels that is most of the time that the doctor takes."""
    site = make(services=["alarms", "archiver"])
    read: Counter[str] = Counter()

    def counting(path: Path, *rest: Any) -> list[Record]:
        read[f"{path.name} {rest[-1] if len(rest) > 1 else ''}"] += 1
        return load_substitutions(path, *rest)

    monkeypatch.setattr("sipmdcs.site.load_substitutions", counting)
    once = ReadOnce(site.folder)
    for check in SITE_CHECKS:
        _find(check, once)
    assert len(read) >= 4
    assert set(read.values()) == {1}


def test_kinds_of_controller_are_looked_up_once_for_a_site_of_hundreds(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read the entry points takes 10 ms, which every push and comparison would pay for each controller."""
    asked: list[str] = []
    monkeypatch.setattr(controllers, "installed", lambda group: asked.append(group) or installed(group))
    controllers._entry_points.cache_clear()
    assert {controllers.controller_type("c11204").name for _ in range(3)} == {"c11204"}
    assert asked == [controllers.GROUP]


def test_port_in_use_is_told_with_its_owner(make: Callable[..., Site], free_port: int) -> None:
    site = make()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", free_port))
        (finding,) = _find("ports", site)
    assert finding.level is Level.FAIL
    assert f"UDP port {free_port} on 127.0.0.1 is in use by" in finding.text
    assert "channel_access.server_port" in finding.next_step


@pytest.mark.parametrize(
    ("controller", "text", "step"),
    [
        ({"driver": "nonsense"}, "controllers.PS1.driver: unknown driver nonsense, installed are", "correct site.yaml"),
        ({"port": "serial:///dev/no-such-tty"}, "PS1: /dev/no-such-tty is not there", "plug it in"),
    ],
)
def test_controller_without_driver_or_wire(make: Callable[..., Site], controller: dict[str, str], text: str, step: str) -> None:
    site = make(controllers={"PS1": SITE["controllers"]["PS1"] | controller})
    finding = _find("wires", site)[0]
    assert finding.level is Level.FAIL
    assert finding.text.startswith(text)
    assert finding.next_step.startswith(step)


def test_yaml_of_any_part_is_read(make: Callable[..., Site]) -> None:
    site = make()
    (site.folder / "alarms.yaml").write_text("a: 1\nb: [\n", "utf-8")
    with pytest.raises(BadInput, match=r"alarms\.yaml:3: not valid YAML"):
        _find("YAML", site)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("archiver.yaml", "polices: []\n", "archiver.yaml:1: polices: unknown key"),
        ("alarms.yaml", "banner: 5\n", "alarms.yaml:1: banner: unknown key"),
        ("notify.yaml", "receivers:\n  a: {chanel: x, address: a@b.c}\n", "notify.yaml:2: receivers.a.chanel: unknown key"),
        ("downtime.yaml", "detectors: {A: {host: [x]}}\n", "downtime.yaml:1: detectors.A.host: unknown key"),
        ("alarms.yaml", "pvs:\n  NONE: {delay_s: 5}\n", "alarms.yaml:2: pvs.NONE: no PV in the alarm tree"),
    ],
)
def test_parts_read_their_own_files(make: Callable[..., Site], file: str, text: str, message: str) -> None:
    site = make()
    assert {finding.level for finding in _find("parts", site)} == {Level.OK}
    (site.folder / file).write_text(text, "utf-8")
    failed = [finding for finding in _find("parts", site) if finding.level is Level.FAIL]
    part = "alarms" if file == "notify.yaml" else file.removesuffix(".yaml")
    assert [finding.check for finding in failed] == [part]
    assert message in failed[0].text
    (site.rendered / "bench.substitutions").unlink()
    new = [finding.text for finding in _find("parts", site) if finding.level is Level.FAIL]
    assert new == ([] if "no PV" in message else [failed[0].text]), "what needs no records is read of a new site as well"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('record(ai, "TST:lower") {}', r"TST:lower: expected upper-case letters"),
        ('record(ai, "TST:A") {}\nrecord(ai, "TST:SYS:BENCH:PID") {}', r"TST:SYS:BENCH:PID"),
        ('record(ai, "TST:A") { info(archive, "sometimes") }', r"TST:A\.info\(archive\): 'sometimes' is no archive policy"),
        ('record(ai, "TST:A") { info(alarm, "X why=no") }', r"TST:A\.info\(alarm\): 'X why=no': unknown option why"),
        ('record(ai, "TST:A") { field(DTYP, "asynFloat64") field(INP, "x") }', r"TST:A\.INP: 'x' is no device address"),
        ('record(ai, "TST:A") { field(', r"own\.template:\d+: expected"),
    ],
)
def test_records_that_break_a_rule_are_named(make: Callable[..., Site], record: str, message: str) -> None:
    site = make()
    (site.rendered / "bench.substitutions").write_text('file "own.template" { {} }\n', "utf-8")
    (site.folder / "db_templates").mkdir()
    (site.folder / "db_templates" / "own.template").write_text(record, "utf-8")
    with pytest.raises(BadInput, match=message):
        _find("records", site)


def test_what_is_not_rendered_is_a_warning(make: Callable[..., Site]) -> None:
    site = make()
    (site.rendered / "bench.substitutions").unlink()
    assert _find("records", site)[0] == Finding(
        "records", Level.WARN, "not rendered yet: bench", "up does it, or sipmdcs config render"
    )


def test_database_that_is_not_there(make: Callable[..., Site], free_port: int) -> None:
    (finding,) = _find("database", make())
    assert finding.level is Level.WARN
    (finding,) = _find("database", make(database=f"postgresql+psycopg://user:secret@127.0.0.1:{free_port}/x"))
    assert finding.level is Level.FAIL
    assert "does not answer" in finding.text
    assert "secret" not in finding.text
    assert "control runs without it" in finding.next_step


def test_command_shows_each_finding_and_fails_if_one_does(make: Callable[..., Site]) -> None:
    site = make()
    runner = CliRunner()
    healthy = runner.invoke(main, ["--site", str(site.folder), "doctor"])
    assert healthy.exit_code == 0, healthy.output
    assert "ok    site        Test; controllers: 1, IOCs: 1" in healthy.output
    make(services=["nonsense"])
    ill = runner.invoke(main, ["--site", str(site.folder), "doctor", "--json"])
    assert ill.exit_code == 1
    failed = [finding for finding in json.loads(ill.output) if finding["level"] == "FAIL"]
    assert [finding["check"] for finding in failed] == ["services", "records", "alarms"]
    assert failed[0]["text"].endswith("services.0: nonsense is no installed command")
    assert failed[1]["text"].startswith("nonsense.substitutions is not among the templates")
    nowhere = runner.invoke(main, ["--site", str(site.folder / "nowhere"), "doctor"])
    assert nowhere.exit_code == 1
    assert "FAIL  site" in nowhere.output
