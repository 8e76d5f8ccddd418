"""Rows that move while the mouse button is held down."""

from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt

from alarms.level import Level
from opi.alarm_board import AlarmRow
from opi.widgets.alarm_banner import ROW_PX, AlarmList

OLD = AlarmRow(Level.MAJOR, "D:S:HV1:CH01:CURRENT_RBV", "3.2 uA HIHI", "10:23:12")
NEW = AlarmRow(Level.MAJOR, "D:S:HV2:CH02:CURRENT_RBV", "4.2 uA HIHI", "10:24:12")
FIRST, SECOND = QPoint(50, ROW_PX // 2), QPoint(50, ROW_PX // 2 + ROW_PX)
LEFT = Qt.MouseButton.LeftButton


def make_list(qtbot: QtBot, rows: list[AlarmRow]) -> tuple[AlarmList, list[str]]:
    alarms = AlarmList("D")
    qtbot.addWidget(alarms)
    alarms.resize(320, 4 * ROW_PX)
    alarms.show_rows(rows)
    with qtbot.waitExposed(alarms):
        alarms.show()
    alarms.repaint()
    clicked: list[str] = []
    alarms.pv_clicked.connect(clicked.append)
    return alarms, clicked


def test_alarm_that_was_pressed_is_told_although_another_came(qtbot: QtBot) -> None:
    alarms, clicked = make_list(qtbot, [OLD])
    qtbot.mousePress(alarms, LEFT, pos=FIRST)
    alarms.show_rows([NEW, OLD])
    alarms.repaint()
    qtbot.mouseRelease(alarms, LEFT, pos=FIRST)
    assert clicked == [OLD.pv]


def test_double_click_tells_of_the_alarm_of_its_first_press_only(qtbot: QtBot) -> None:
    alarms, clicked = make_list(qtbot, [OLD])
    qtbot.mouseClick(alarms, LEFT, pos=FIRST)
    alarms.show_rows([NEW, OLD])
    alarms.repaint()
    qtbot.mouseDClick(alarms, LEFT, pos=FIRST)  # what Qt sends instead of the second press
    qtbot.mouseRelease(alarms, LEFT, pos=FIRST)
    assert clicked == [OLD.pv]


def test_alarm_that_is_not_painted_yet_cannot_be_pressed(qtbot: QtBot) -> None:
    alarms, clicked = make_list(qtbot, [OLD])
    alarms.show_rows([NEW, OLD])
    qtbot.mouseClick(alarms, LEFT, pos=FIRST)
    assert clicked == [OLD.pv]


def test_release_elsewhere_other_buttons_and_empty_rows_tell_nothing(qtbot: QtBot) -> None:
    alarms, clicked = make_list(qtbot, [OLD, NEW])
    qtbot.mousePress(alarms, LEFT, pos=FIRST)
    qtbot.mouseRelease(alarms, LEFT, pos=SECOND)
    qtbot.mouseRelease(alarms, LEFT, pos=FIRST)
    qtbot.mouseClick(alarms, Qt.MouseButton.RightButton, pos=FIRST)
    qtbot.mouseClick(alarms, LEFT, pos=SECOND + QPoint(0, ROW_PX))
    assert clicked == []
