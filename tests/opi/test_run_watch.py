"""The run in the header."""

import pytest

from opi.run_watch import UNKNOWN, run_text


@pytest.mark.parametrize(
    ("number", "state", "text"),
    [
        (12, "RUNNING", "Run 12"),
        (12, "PAUSED", "Run 12 paused"),
        (12, "INIT", "Run 12 init"),
        (12, "ENDED", "No run"),
        (12, "ABORTED", "No run"),
        (0, "NONE", "No run"),
        (12, "", UNKNOWN),
        (None, "RUNNING", UNKNOWN),
    ],
)
def test_a_run_in_two_words(number: int | None, state: str, text: str) -> None:
    assert run_text(number, state) == text
