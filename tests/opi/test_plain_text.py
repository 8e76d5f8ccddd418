"""Nothing that is shown is taken for HTML."""

import re
from pathlib import Path

from pytestqt.qtbot import QtBot
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QVBoxLayout, QWidget

import opi
from opi.theme import QUIET
from opi.widgets.badge import Notice, set_badge
from opi.widgets.plain_text import plain_label, set_plain_tip

HOSTILE = '<h1>FIRE</h1> & "x" <img src="file:///etc/passwd">\n  second line'


def test_tool_tip_shows_the_characters_of_its_text(qtbot: QtBot) -> None:
    label = plain_label("", None)
    qtbot.addWidget(label)
    set_plain_tip(label, HOSTILE)
    shown = QTextDocument()
    shown.setHtml(label.toolTip())
    assert shown.toPlainText().replace("\u2028", "\n") == HOSTILE
    set_plain_tip(label, "")
    assert label.toolTip() == ""


def test_widgets_with_text_are_made_in_one_place() -> None:
    found = [
        f"{path.name}: {line.strip()}"
        for path in Path(opi.__file__).parent.rglob("*.py")
        if path.name != "plain_text.py"
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\bQLabel\(|setToolTip\(|QToolTip\.|QMessageBox\(|setWhatsThis\(|RichText|QTextEdit", line)
        and not line.startswith("class ")
    ]
    assert found == []


def test_notice_is_as_high_as_its_lines(qtbot: QtBot) -> None:
    window = QWidget()
    notice = Notice(window)
    box = QVBoxLayout(window)
    box.addWidget(notice)
    box.addStretch(1)
    qtbot.addWidget(window)
    window.resize(360, 300)
    heights: list[int] = []
    for lines in (1, 3):
        set_badge(notice, "a reason that takes a line of its own in it " * lines, QUIET)
        window.show()
        qtbot.waitUntil(lambda: notice.height() == notice.minimumHeight() > 0)
        heights.append(notice.height())
    line = notice.fontMetrics().height()
    assert heights[0] < 2.5 * line
    assert 3 * line < heights[1] < 5 * line
