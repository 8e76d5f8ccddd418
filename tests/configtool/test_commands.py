"""The command line, against SQL and a detector in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url

from configtool.targets import Target, build_targets
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.cli import main
from sipmdcs.site import Site
from tests.sqlite_writer import writing

SITE = """
name: Test
prefix: DET
controllers:
  HV07: {driver: padme-nim, id: "07", subsystem: VETO, port: sim}
  HV17: {driver: padme-nim, id: "17", subsystem: HEPVETO, port: sim}
iocs:
  veto: {controllers: [HV07, HV17]}
"""


class Program:
    """``sipmdcs`` on one site, in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["--site", str(self.folder), "config", *arguments])
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text(SITE)
    before = dict(os.environ)
    yield Program(folder)
    # Commands set the EPICS variables of their site for themselves.
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def imported(program: Program, table: Callable[..., Path], rows_of: Callable[..., list[str]]) -> Path:
    path = table(*rows_of("07"), *rows_of("17", overvoltage=3.0), *rows_of("02"))
    program("import", "--channels", str(path), "--message", "first")
    return path


@pytest.fixture
def detector(
    program: Program, imported: Path, make_detector: Callable[..., FakeChannels], monkeypatch: pytest.MonkeyPatch
) -> FakeChannels:
    from configtool.content import load_content
    from configtool.installation import installed_controllers
    from configtool.parameters import WriteMode
    from configtool.store import open_store

    site = Site(program.folder)
    installed = installed_controllers(site)
    with open_store(site, pytest.fail) as store, store.session() as session:
        content = load_content(session, installed, "head")
    targets: tuple[Target, ...] = build_targets(content.values, installed, content.parameters).targets
    booted = build_targets(content.values, installed, content.parameters, WriteMode.RENDER).targets
    channels = make_detector(targets)
    for target in booted:
        channels.add(target.pv, target.value)
    for module in ("push_command", "diff_command"):
        monkeypatch.setattr(f"configtool.{module}.open_channels", lambda: channels)
    return channels


def test_import_says_what_it_found(program: Program, imported: Path) -> None:
    again = program("import", "--channels", str(imported))
    assert again.stdout.splitlines()[:3] == [
        "48 channels, overvoltage: default 5.00 V, controller 17 3.00 V",
        "16 of them on controllers that the site does not have: 02",
        "topology: unchanged",
    ]
    assert again.stdout.splitlines()[3].startswith("settings: unchanged, no new version, still version 1 (")
    facts = program.json("import", "--channels", str(imported))
    assert facts["overvoltage_V"] == {"default": 5.0, "controllers": {"17": 3.0}, "channels": {}}
    assert (facts["new_version"], facts["channels"], facts["spares"]) == (False, 48, {"02": 16})


def test_a_bad_table_is_one_line(program: Program, imported: Path) -> None:
    imported.write_text(imported.read_text().replace("07,02,", "07,01,"))
    result = program("import", "--channels", str(imported), code=1)
    assert result.stderr == f"Error: {imported}:3: channel: channel 07.01 is already at line 2\n"
    assert len(program.json("history")["versions"]) == 1


def test_layers_are_shown(program: Program, imported: Path) -> None:
    lines = program("show").stdout.splitlines()
    assert lines[1] == "48 channels on 3 controllers, 1 of them spares"
    assert "  BIAS = VBR + OVERVOLTAGE" in lines
    assert lines[lines.index("controller 17 (HV17)") + 1] == "  OVERVOLTAGE = 3 V"


def test_values_are_shown_with_the_layer_they_come_from(program: Program, imported: Path) -> None:
    lines = program("show", "--controller", "HV17").stdout.splitlines()
    assert lines[1].split()[:2] == ["channel", "sensor"]
    assert " ".join(lines[2].split()) == "17.01 S17-1 0.10 n 50.01 n 0.50 d 2.00 d 50.00 d 3.00 c 53.01 d"
    facts = program.json("show", "head", "--controller", "17")
    assert len(facts["channels"]) == 16
    assert facts["channels"]["17.01"]["values"]["OVERVOLTAGE"] == {
        "value": 3.0,
        "unit": "V",
        "layer": "controller",
        "formula": "3",
    }
    assert facts["channels"]["17.01"]["values"]["BIAS"]["value"] == 53.01
    assert len(program.json("show")["channels"]) == 48
    error = program("show", "--controller", "HV99", code=1).stderr
    assert error == "Error: --controller HV99: no such controller, there are 02, HV07, HV17\n"


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (("default", "OVERVOLTAGE", "4"), 32),
        (("VETO", "OVERVOLTAGE", "4"), 16),
        (("HV17", "OVERVOLTAGE", "4.0"), 16),
        (("17", "OVERVOLTAGE", "4"), 16),
        (("HV17.03", "OVERVOLTAGE", "4"), 1),
        (("17.03", "BIAS", "VBR + OVERVOLTAGE - 0.5"), 1),
        (("HV17", "OVERVOLTAGE", "none"), 16),
    ],
)
def test_one_setting_is_changed(program: Program, imported: Path, arguments: tuple[str, str, str], changes: int) -> None:
    facts = program.json("set", *arguments)
    assert (facts["version"], facts["new_version"]) == (2, True)
    changed = [one for one in program.json("diff", "1", "2")["values"] if one["parameter"] == "BIAS"]
    assert len(changed) == changes
    assert program.json("history")["versions"][0]["message"] == f"{arguments[0]}: {arguments[1]} = {arguments[2]}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("HV99", "OVERVOLTAGE", "4"),
            "HV99 is neither default, nor a subsystem, a controller of the channel table or a channel",
        ),
        (("17.99", "OVERVOLTAGE", "4"), "there is no channel 17.99 in the channel table"),
        (("17.x", "OVERVOLTAGE", "4"), "'17.x' is no channel"),
        (("17", "SPEED", "4"), "controller 17: unknown parameter SPEED"),
        (("17", "OVERVOLTAGE", "4,5"), "'4,5' is neither a number nor a sum"),
        (("17", "OVERVOLTAGE", "nan"), "'nan' is neither a number nor a sum"),
        (("17", "OVERVOLTAGE", "11"), "channel 17.01: OVERVOLTAGE = 11 V (controller 17) is outside 0 to 10 V"),
        (("17", "BIAS", "81"), "channel 17.01: BIAS = 81 V (controller 17) is outside 0 to 80 V"),
        (("17", "VBR", "BIAS"), "channel 17.01: "),
        (("07", "OVERVOLTAGE", "none"), "controller 07 says nothing about OVERVOLTAGE, so there is nothing to remove"),
        (("17", "OVERVOLTAGE", "4", "--on", "1"), "the change was made on version 1, which is not the head: version 2"),
    ],
)
def test_a_setting_that_cannot_be(program: Program, imported: Path, arguments: tuple[str, ...], message: str) -> None:
    program("set", "default", "CURRENT_LIMIT", "40")
    if arguments[:2] == ("17", "VBR"):
        program("set", "17.01", "BIAS", "VBR + 3")
        arguments = ("17.01", "VBR", "BIAS")
        message = "channel 17.01: BIAS -> VBR -> BIAS goes in a circle"
    assert program("set", *arguments, code=1).stderr.startswith(f"Error: {message}")


def test_setting_what_is_set_makes_no_version(program: Program, imported: Path) -> None:
    assert program("set", "17", "OVERVOLTAGE", "3.00").stdout.startswith("unchanged, still version 1 (")


def test_differences_of_versions(program: Program, imported: Path) -> None:
    program("set", "HV17", "OVERVOLTAGE", "2.5")
    program("set", "VETO", "OVERVOLTAGE", "4")
    assert program("diff", "1", "head").stdout.splitlines() == [
        "subsystem VETO: OVERVOLTAGE: nothing -> 4",
        "controller 17: OVERVOLTAGE: 3 -> 2.5",
        "settings that differ: 2; values: 64, channels: 32",
    ]
    assert program.json("diff", "2", "2") == {"settings": [], "values": []}


def test_render_writes_what_iocs_boot_from(program: Program, imported: Path) -> None:
    facts = program.json("render")
    assert [(Path(one["file"]).name, one["changed"]) for one in facts["files"]] == [("veto.substitutions", True)]
    assert program("render").stdout.startswith("0 of 1 files changed, from version 1 (")


def test_a_push_from_end_to_end(program: Program, detector: FakeChannels) -> None:
    dry = program.json("push", "--dry-run")
    assert (dry["to_write"], dry["values"], dry["channels"], dry["absent"], dry["refusals"]) == (96, 96, 32, {"02": 16}, [])
    assert detector.puts == []
    result = program("push", "-m", "why not")
    assert result.stdout.splitlines()[1:] == [
        "left out: 16 channels of controllers that the site does not have (02)",
        "push 1 verified: 96 values agree, 96 written, 0 were right already",
    ]
    assert detector.value("DET:HEPVETO:HV17:CH01:BIAS_RBV") == 53.01
    again = program.json("push")
    assert (again["state"], again["to_write"], again["push"]) == ("verified", 0, 2)
    assert program("push", "--dry-run").stdout.splitlines()[-1] == "would write 0 values; 96 are as they should be"
    pushes = program.json("history")["pushes"]
    assert [(one["push"], one["state"], one["message"]) for one in pushes] == [(2, "verified", ""), (1, "verified", "why not")]
    assert program("diff").stdout == "160 values compared, 0 differ, 0 could not be read\n"


@pytest.mark.parametrize(
    ("patterns", "written"),
    [
        (["HV17"], 48),
        (["17"], 48),
        (["17.0?"], 27),
        (["HV17", "HV07"], 96),
        (["BIAS"], 32),
        (["*:HV07:CH01:*"], 3),
        (["HV07", "*:CH01:BIAS"], 49),
    ],
)
def test_a_partial_push(program: Program, detector: FakeChannels, patterns: list[str], written: int) -> None:
    options = [word for pattern in patterns for word in ("--only", pattern)]
    assert program.json("push", *options)["values"] == written
    assert len(detector.puts) == written
    assert program.json("history")["pushes"][0]["only"] == " ".join(patterns)


def test_a_pattern_that_names_nothing(program: Program, detector: FakeChannels) -> None:
    error = program("push", "--only", "HV99", code=1).stderr
    assert error == "Error: --only HV99: no PV, controller, channel or parameter that a push writes is named so\n"


def test_a_refused_push_lists_every_reason(program: Program, detector: FakeChannels) -> None:
    for n in (1, 2, 3):
        detector.disconnect(f"DET:VETO:HV07:CH{n:02d}:VBR")
    result = program("push", code=1)
    lines = result.stderr.splitlines()
    assert lines[-1] == "push 1 refused, nothing was written; reasons: 3"
    assert sum("HV07:CH0" in line and "not connected" in line for line in lines) == 3
    assert program("push", "--dry-run", code=1).stderr.splitlines()[-1] == "a push would be refused; reasons: 3"
    facts = program.json("push", code=1)
    assert (facts["state"], len(facts["refusals"])) == ("aborted", 3)


def test_a_push_that_fails_ends_with_1_and_the_reason(program: Program, detector: FakeChannels) -> None:
    pv = "DET:VETO:HV07:CH01:BIAS"
    detector.on_put("DET:VETO:HV07:CH01:VBR", lambda value: detector.refuse(pv, "interlocked"))
    assert program("push", code=1).stderr.splitlines()[-1] == f"push 1 rolled_back: {pv}: interlocked"
    assert detector.value("DET:HEPVETO:HV17:CH01:BIAS_RBV") == 1.0


def test_going_back_to_an_older_version(program: Program, detector: FakeChannels) -> None:
    program("push")
    program("set", "HV17", "OVERVOLTAGE", "2.5")
    assert program.json("push")["to_write"] == 16
    assert detector.value("DET:HEPVETO:HV17:CH01:BIAS") == 52.51
    assert program.json("push", "--version", "1")["to_write"] == 16
    assert detector.value("DET:HEPVETO:HV17:CH01:BIAS") == 53.01


def test_drift_is_seen(program: Program, detector: FakeChannels) -> None:
    program("push")
    detector.set("DET:HEPVETO:HV17:CH01:BIAS_RBV", 50.0)
    detector.set("DET:VETO:HV07:CH02:CURRENT_RBV.HIGH", 9.0)
    detector.disconnect("DET:VETO:HV07:CH03:VBR")
    facts = program.json("diff", "head", "live", code=1)
    assert [(one["pv"], one["needs"]) for one in facts["differences"]] == [
        ("DET:VETO:HV07:CH03:VBR", "push"),
        ("DET:HEPVETO:HV17:CH01:BIAS", "push"),
        ("DET:VETO:HV07:CH02:CURRENT_RBV.HIGH", "render"),
    ]
    assert (facts["compared"], facts["unreadable"]) == (160, 1)
    lines = program("diff", code=1).stdout.splitlines()
    assert "DET:HEPVETO:HV17:CH01:BIAS_RBV is 50, expected 53.01 V" in lines
    assert lines[-1] == "160 values compared, 2 differ, 1 could not be read"


@pytest.mark.parametrize(
    "command", [("show",), ("push",), ("diff",), ("set", "default", "BIAS", "1"), ("render", "--version", "1")]
)
def test_before_an_import(program: Program, command: tuple[str, ...]) -> None:
    error = program(*command, code=1).stderr
    assert error == "Error: there are no settings yet; run: sipmdcs config import --channels FILE\n"


def test_history_of_nothing(program: Program) -> None:
    assert program.json("history") == {"versions": [], "pushes": []}


def test_a_table_that_replaces_is_confirmed_and_a_dry_run_stores_nothing(
    program: Program, imported: Path, table: Callable[..., Path], rows_of: Callable[..., list[str]]
) -> None:
    part = table(*rows_of("07"), name="part.csv")
    facts = program.json("import", "--channels", str(part), "--replace", "--dry-run")
    assert (len(facts["dropped"]), facts["stored"], program.json("history")["versions"][0]["version"]) == (32, False, 1)
    refused = program("import", "--channels", str(part), "--replace", code=1)
    assert "channels that end: 32 (02.01, 02.02, " in refused.stderr
    assert "nothing was stored: say --yes" in refused.stderr
    assert program.json("history")["versions"][0]["version"] == 1
    assert len(program.json("import", "--channels", str(part))["dropped"]) == 0
    assert program.json("import", "--channels", str(part), "--replace", "--yes")["version"] == 2


@pytest.mark.parametrize("name", ["import", "render", "show", "diff", "history", "set", "push"])
def test_help_teaches_with_examples(name: str) -> None:
    result = CliRunner().invoke(main, ["config", name, "--help"])
    assert result.exit_code == 0
    assert f"  Examples:\n    sipmdcs config {name}" in result.stdout


def test_commands_that_read_wait_for_no_writer(program: Program, detector: FakeChannels) -> None:
    program("set", "default", "CURRENT_LIMIT", "40")
    with writing(Path(make_url(Site(program.folder).database_url).database or "")):
        assert [each["version"] for each in program.json("history")["versions"]] == [2, 1]
        assert program.json("show", "1")
        assert program.json("render")["version"] == 2
        assert program.json("diff", "1", "2")
        assert program.json("diff")["version"] == 2
        assert program("push", "--dry-run")
