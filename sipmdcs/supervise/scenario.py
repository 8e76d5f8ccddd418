"""An hour of data taking in a file, played against a running site faster than it would be: for demonstrations and tests.

A scenario is a list of ``sipmdcs`` commands with the minute at which each is due::

    title: An hour of data taking
    steps:
      - {at_min: 1, run: run start --type physics --json, note: the first run}
      - {at_min: 9, run: "downtime 'Partition 1 transitioned from Running to Stopped, … {number} 3 {time}'", background: true}

``{time}`` is the time at which the step is played (ISO 8601, UTC). What a step prints as one JSON object is at hand for the
steps after it, field by field: ``{number}`` is that of the run. Everything is done through the command line, as a script of
the data acquisition would do it.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sipmdcs.clock import Clock, to_datetime
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import Site
from sipmdcs.supervise.start import sipmdcs_command
from sipmdcs.supervise.stop import Report
from sipmdcs.yamlfile import Strict, read_yaml

MINUTE_S = 60.0


class Step(Strict):
    """One command."""

    at_min: Annotated[float, Field(ge=0)]
    """When it is due, minutes after the start."""
    run: Annotated[str, Field(min_length=1)]
    """Arguments of ``sipmdcs``, written as in a shell."""
    note: str = ""
    """What the spectator is told."""
    background: bool = False
    """Go on with the next step while it runs: it waits for a person."""


class ScenarioFile(Strict):
    """Schema of a scenario."""

    title: str
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Played:
    """A step that ended."""

    step: Step
    arguments: tuple[str, ...]
    output: str


def read_scenario(path: Path) -> ScenarioFile:
    """A scenario.

    Raises:
        BadInput: not what the schema expects, or its steps are not in the order of their times.
    """
    scenario = read_yaml(path, ScenarioFile)
    for index, (step, following) in enumerate(zip(scenario.steps, scenario.steps[1:], strict=False)):
        if following.at_min < step.at_min:
            message = f"is {following.at_min:g}, before the step above it ({step.at_min:g})"
            raise BadInput(message, file=path, key=f"steps.{index + 1}.at_min")
    for index, step in enumerate(scenario.steps):
        try:
            shlex.split(step.run)
        except ValueError as err:
            raise BadInput(f"cannot be split into words: {err}", file=path, key=f"steps.{index}.run") from err
    return scenario


def fill_in(text: str, facts: Mapping[str, object]) -> tuple[str, ...]:
    """Words of a command with ``{name}`` replaced from ``facts``.

    Raises:
        BadInput: a name that no step before gave.
    """
    words: list[str] = []
    for word in shlex.split(text):
        try:
            words.append(word.format_map(facts))
        except (KeyError, ValueError, IndexError, AttributeError) as err:
            known = ", ".join(sorted(facts))
            raise BadInput(f"{word!r} cannot be filled in, known are: {known}", key=text) from err
    return tuple(words)


def play(site: Site, scenario: ScenarioFile, speed: float, report: Report, clock: Clock) -> list[Played]:
    """Play a scenario and wait for its end.

    Args:
        site: running.
        scenario: what to do.
        speed: 60 makes an hour a minute. A step that takes longer than the time to the next delays that one.
        report: told of every step.
        clock: for the times that go into messages; the pauses between steps are the machine's own.

    Returns:
        The steps that were waited for, with their output.

    Raises:
        ServiceError: a step failed; those in the background are ended.
        BadInput: a step asks for something that none before it gave.
    """
    begin = time.monotonic()
    facts: dict[str, object] = {}
    played: list[Played] = []
    waiting: list[tuple[Step, subprocess.Popen[str]]] = []
    report(f"{scenario.title}: {scenario.steps[-1].at_min:g} minutes, {speed:g} times faster")
    try:
        for step in scenario.steps:
            time.sleep(max(0.0, begin + step.at_min * MINUTE_S / speed - time.monotonic()))
            words = fill_in(step.run, facts | {"time": to_datetime(clock.time_ns()).isoformat(timespec="milliseconds")})
            report(f"  minute {step.at_min:4.0f}  {step.note or shlex.join(words)}")
            process = subprocess.Popen(
                sipmdcs_command(site, *words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            if step.background:
                waiting.append((step, process))
                continue
            output = _result(step, process)
            facts |= _json_object(output)
            played.append(Played(step, words, output))
        if open_still := [step for step, process in waiting if process.poll() is None]:
            report(f"  waiting for somebody to answer: {'; '.join(step.note or step.run for step in open_still)}")
        for step, process in waiting:
            _result(step, process)
    finally:
        for _, process in waiting:
            if process.poll() is None:
                process.terminate()
                process.communicate()
    report(f"  minute {(time.monotonic() - begin) * speed / MINUTE_S:4.0f}  the end")
    return played


def _result(step: Step, process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate()
    if process.returncode != 0:
        said = errors.strip().removeprefix("Error: ") or f"exit status {process.returncode}"
        raise ServiceError(f"minute {step.at_min:g}: {step.run}: {said}")
    return output


def _json_object(output: str) -> dict[str, object]:
    try:
        found = json.loads(output)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
