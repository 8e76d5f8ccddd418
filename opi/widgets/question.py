"""A question that does not hold up anything else: alarms and values behind it go on."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QMessageBox, QWidget

from opi.verdict import Verdict, Weight
from opi.widgets.plain_text import plain_question


class Question(QObject):
    """Judges a command, asks where it must, and judges again when the answer comes, as values have gone on meanwhile.

    If a yes was to something else by then, the question is asked anew.

    Args:
        parent: widget whose window the question belongs to.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        self.dialog: QMessageBox | None = None
        """The question while it is open."""
        self._finish: Callable[[bool], None] = lambda yes: None

    def ask(
        self, title: str, judge: Callable[[], Verdict], send: Callable[[], object], refuse: Callable[[str], object]
    ) -> None:
        """Do what a command needs.

        Args:
            title: of the question.
            judge: what the command needs at the moment.
            send: called once it may go out.
            refuse: called with the reason if it may not.
        """
        if self.dialog is not None:
            self.dialog.raise_()
            return
        self._proceed(title, judge, send, refuse, None)

    def _proceed(
        self,
        title: str,
        judge: Callable[[], Verdict],
        send: Callable[[], object],
        refuse: Callable[[str], object],
        asked: Verdict | None,
    ) -> None:
        verdict = judge()
        if verdict.weight is Weight.REFUSAL:
            refuse(verdict.text)
        elif verdict.weight is Weight.NONE or (asked is not None and asked.covers(verdict)):
            send()
        else:

            def finish(yes: bool) -> None:
                if yes:
                    self._proceed(title, judge, send, refuse, verdict)

            self._finish = finish
            self._open(title, verdict)

    def _open(self, title: str, verdict: Verdict) -> None:
        dialog = plain_question(title, verdict.text, self._widget.window() or self._widget)
        if verdict.weight is Weight.WARNING:
            dialog.setIcon(QMessageBox.Icon.Warning)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(self._answered)
        self.dialog = dialog
        dialog.open()

    def _answered(self, answer: int) -> None:
        self.dialog = None
        self._finish(answer == QMessageBox.StandardButton.Yes.value)
