"""The banner of the alarm service."""

from alarms.level import Level
from opi.alarm_board import AlarmRow, read_banner
from opi.alarm_level import level_style
from opi.theme import ALARM_STYLES, QUIET, UNDEFINED_STYLE
from sipmdcs.severity import Severity


def codes(text: str) -> list[int]:
    return [*text.encode(), 0, 0]


def test_lines_become_rows() -> None:
    text = "10:23:12 MAJOR D:S:HV1:CH01:CURRENT_RBV 3.2 uA HIHI\n10:20:00 UNDEFINED D:S:HV2:CONNECTED  Disconnected"
    assert read_banner(codes(text), [6, 8]) == [
        AlarmRow(Level.MAJOR, "D:S:HV1:CH01:CURRENT_RBV", "3.2 uA HIHI", "10:23:12"),
        AlarmRow(Level.UNDEFINED, "D:S:HV2:CONNECTED", "Disconnected", "10:20:00"),
    ]


def test_signs_of_a_text_part_no_lines_and_are_not_shown() -> None:
    text = "10:23:12 MAJOR A \x85x\x0by\x1c\r z\n10:20:00 MINOR B y"
    assert read_banner([*text.encode("latin-1"), 0], [6, 5]) == [
        AlarmRow(Level.MAJOR, "A", "x y z", "10:23:12"),
        AlarmRow(Level.MINOR, "B", "y", "10:20:00"),
    ]


def test_no_alarm_is_an_empty_text() -> None:
    assert read_banner([0], [0]) == []


def test_text_and_levels_of_two_moments_do_no_harm() -> None:
    assert len(read_banner(codes("10:23:12 MAJOR A x\n10:20:00 MINOR B y"), [6])) == 1


def test_an_unknown_level_is_the_worst() -> None:
    assert read_banner(codes("10:23:12 ODD A x"), [77])[0].level is Level.UNDEFINED


def test_styles_of_levels() -> None:
    assert level_style(Level.OK) is QUIET
    assert level_style(Level.MAJOR) is level_style(Level.MAJOR_ACK) is ALARM_STYLES[Severity.MAJOR]
    assert level_style(Level.UNDEFINED) is level_style(Level.UNDEFINED_ACK) is UNDEFINED_STYLE
