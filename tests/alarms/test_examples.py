"""The examples that come with the program."""

import re
from pathlib import Path

import pytest

from alarms.alarmsfile import AlarmsFile
from alarms.notifyfile import load_notify
from sipmdcs.site import packaged_templates
from sipmdcs.yamlfile import read_yaml

EXAMPLES = sorted(path for path in (Path(__file__).parents[2] / "examples").iterdir() if (path / "site.yaml").is_file())


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_every_guidance_of_the_templates_is_written(folder):
    asked = set()
    for template in packaged_templates().glob("*.template"):
        asked.update(re.findall(r"info\(alarm,.*guidance=([\w-]+)", template.read_text("utf-8")))
    assert asked - read_yaml(folder / "alarms.yaml", AlarmsFile).guidance.keys() == set()


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_notify_can_be_used(folder):
    load_notify(folder)
