import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.clock import ManualClock
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import Site
from sipmdcs.supervise.scenario import ScenarioFile, Step, fill_in, play, read_scenario
from tests.sipmdcs.supervise.tiny_site import TinySite

HEAD = "title: Test\nsteps:\n"


@pytest.fixture
def site(make_site: Callable[..., TinySite]) -> Site:
    return Site(make_site("a", services="[]").folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "  - {at_min: 2, run: status}\n  - {at_min: 1, run: status}\n",
            r"steps.1.at_min: is 1, before the step above it \(2\)",
        ),
        (HEAD + '  - {at_min: 1, run: "run \'x"}\n', r"steps.0.run: cannot be split into words: No closing quotation"),
        (HEAD + "  - {at_min: -1, run: status}\n", r"s.yaml:3: steps.0.at_min: "),
        (HEAD + "  - {at_min: 1}\n", r"s.yaml:3: steps.0.run: "),
        ("title: Test\nsteps: []\n", r"s.yaml:2: steps: "),
        (HEAD + "  - {at_min: 1, run: status, shell: true}\n", r"s.yaml:3: steps.0.shell: "),
    ],
)
def test_bad_scenarios_are_told_by_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadInput, match=message):
        read_scenario(path)


@given(st.lists(st.text(alphabet=st.characters(codec="ascii", exclude_characters="{}"), min_size=1), min_size=1))
def test_words_without_braces_come_through(words: list[str]) -> None:
    assert list(fill_in(shlex.join(words), {})) == words


def test_a_name_that_nobody_gave_is_told_with_those_that_are_known() -> None:
    assert fill_in("downtime 'run {number} at {time}'", {"number": 3, "time": "now"}) == ("downtime", "run 3 at now")
    with pytest.raises(BadInput, match=r"'\{run\}' cannot be filled in, known are: number, time"):
        fill_in("run show {run}", {"number": 3, "time": "now"})


def test_output_of_a_step_is_at_hand_for_those_after_it(site: Site) -> None:
    steps = (
        Step(at_min=0, run="status --json", background=True),
        Step(at_min=0, run="config history --json"),
        Step(at_min=0.02, run="config history --limit 1 --json", note="versions {versions}"),
    )
    said: list[str] = []
    scenario = ScenarioFile(title="Test", steps=steps)
    with pytest.raises(ServiceError, match=r"^minute 0: status --json: exit status 1"):
        play(site, scenario, 60, said.append, ManualClock())
    played = play(site, ScenarioFile(title="Test", steps=steps[1:]), 60, said.append, ManualClock())
    assert [json.loads(step.output)["versions"] for step in played] == [[], []]
    assert said[0] == "Test: 0.02 minutes, 60 times faster"


def test_a_step_that_fails_ends_the_play_and_what_waits(site: Site) -> None:
    waiting = Step(at_min=0, run="sim run", background=True)
    failing = Step(at_min=0, run="config show 77")
    with pytest.raises(ServiceError, match=r"^minute 0: config show 77: there are no settings yet"):
        play(site, ScenarioFile(title="Test", steps=(waiting, failing)), 60, lambda line: None, ManualClock())
