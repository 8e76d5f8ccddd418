"""Nothing that is shown is taken for HTML."""

import re
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

import opi
from opi.theme import QUIET
from opi.widgets.badge import Notice, set_badge
from opi.widgets.plain_text import MAX_CHARACTERS, PlainLabel, PlainValueLabel, plain_question, set_plain_tip

HOSTILE = '<h1>FIRE</h1> & "x" <img src="file:///etc/passwd">\n  second line'


def test_tool_tip_shows_the_characters_of_its_text(qtbot: QtBot) -> None:
    label = PlainLabel()
    qtbot.addWidget(label)
    set_plain_tip(label, HOSTILE)
    shown = QTextDocument()
    shown.setHtml(label.toolTip())
    assert shown.toPlainText().replace("\u2028", "\n") == HOSTILE
    set_plain_tip(label, "")
    assert label.toolTip() == ""


@given(
    st.text(st.characters() | st.sampled_from("\u202e\u200b\u2066\x1b\x00\n\r\t&<>"), max_size=50), st.sampled_from([1, 1000])
)
@example("x", 100_000)
def test_every_label_and_question_shows_what_can_be_printed_of_any_text(qapp: QApplication, part: str, times: int) -> None:
    text = part * times
    parent = QWidget()
    labels = [PlainLabel("", parent), Notice(parent), PlainValueLabel(parent)]
    for label in labels:
        label.setText(text)
    for widget in (*labels, plain_question("Title", text, parent)):
        shown = widget.text()
        assert widget.textFormat() is Qt.TextFormat.PlainText
        assert len(shown) <= MAX_CHARACTERS + 1
        assert shown.replace("\n", "").isprintable()
        assert {*shown} <= {*text, " ", "\n", "…"}
        if text.isprintable() and len(text) < 100 and text == " ".join(text.split()):
            assert shown == text
    assert "\n" not in labels[-1].text()


def test_widgets_with_text_are_made_in_one_place() -> None:
    found = [
        f"{path.name}: {line.strip()}"
        for path in Path(opi.__file__).parent.rglob("*.py")
        if path.name != "plain_text.py"
        for line in path.read_text("utf-8").splitlines()
        if re.search(
            r"\bQLabel\(|\(QLabel\)|PyDMLabel\b|setToolTip\(|QToolTip\.|QMessageBox\(|setWhatsThis\(|RichText|QTextEdit", line
        )
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
