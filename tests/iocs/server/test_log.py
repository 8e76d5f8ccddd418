"""Lines that clients bring about do not fill a disk."""

from __future__ import annotations

import logging

import pytest

from iocs.server_log import MAX_LINES, PERIOD_S, Sparing


def test_lines_beyond_the_limit_are_counted_in_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    logger = logging.getLogger("test.sparing")
    logger.addFilter(Sparing(lambda: now))
    for number in range(10 * MAX_LINES):
        logger.warning("client %d broke the protocol", number)
    assert len(caplog.records) == MAX_LINES
    now += PERIOD_S
    logger.warning("client %d %s", 5, "50 % off")
    logger.warning("the one after that")
    assert [record.getMessage() for record in caplog.records[MAX_LINES:]] == [
        f"client 5 50 % off (before this, {9 * MAX_LINES} further lines were left out)",
        "the one after that",
    ]


def test_few_lines_pass_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    logger = logging.getLogger("test.few")
    logger.addFilter(Sparing(lambda: now))
    for _ in range(5):
        logger.warning("said")
        now += PERIOD_S
    assert [record.getMessage() for record in caplog.records] == ["said"] * 5
