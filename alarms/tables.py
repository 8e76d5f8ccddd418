"""Tables of the alarm service's own database, ``var/alarms.sqlite``.

State is kept apart from configuration, which is in files, so that neither editing nor restarting loses a latch, an
acknowledgement or a page. Times are Unix nanoseconds.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text, text

METADATA = MetaData()

pv_state = Table(
    "pv_state",
    METADATA,
    Column("pv", Text, primary_key=True),
    Column("state", JSON, nullable=False),
)
"""What is known of each PV; one that left the configuration keeps its row, in case it comes back."""

history = Table(
    "history",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("time_ns", BigInteger, nullable=False, index=True),
    Column("pv", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("pv_time_ns", BigInteger, nullable=False),
    Column("current_severity", Text, nullable=False),
    Column("current_message", Text, nullable=False),
    Column("raised", Boolean, nullable=False),
    Column("annunciate", Boolean, nullable=False),
    Column("user", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Index("ix_history_pv_time", "pv", "time_ns"),
)
"""The newest changes of alarms, never rewritten."""

incident = Table(
    "incident",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("route", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("pv", Text, nullable=False),
    Column("highest", Text, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("remind_ns", BigInteger),
    Column("ended_ns", BigInteger, index=True),
    Column("ended", Text),
    sqlite_autoincrement=True,
)
"""Incidents; open while ``ended_ns`` is null, then ``ended`` says why."""

page = Table(
    "page",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("message_id", Text, nullable=False, unique=True),
    Column("receiver", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("in_reply_to", Text, nullable=False),
    Column("summary", Boolean, nullable=False),
    Column("composed_ns", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("last_error", Text, nullable=False, default=""),
    Column("sent_ns", BigInteger),
    Column("reply", Text, nullable=False, default=""),
    Column("cancelled_ns", BigInteger),
    Column("dead_ns", BigInteger, index=True),
    Column("unknown", Integer, nullable=False, server_default="0"),
    Column("forwards", Integer),
    Column("causes", Text, nullable=False, server_default=""),
    Index("ix_page_receiver_sent", "receiver", "sent_ns"),
)
"""Mails, sent until accepted. ``reply`` is the server's own word for that.

A mail that can never be delivered is a dead letter since ``dead_ns``, and ``last_error`` says why; a mail that brings it to
another receiver ``forwards`` its number. ``unknown`` counts the attempts after which nobody knows whether the server took it.
``causes`` are those of its alarms, one a line.
"""

notice = Table(
    "notice",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("incident", Integer, nullable=False, index=True),
    Column("receiver", Text, nullable=False),
    Column("pv", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("pv_time_ns", BigInteger, nullable=False),
    Column("user", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("queued_ns", BigInteger, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("void_ns", BigInteger),
    Column("page", ForeignKey(page.c.id), index=True),
    Index("ix_notice_waiting", "receiver", "page", "void_ns"),
    Index("ix_notice_open", "due_ns", sqlite_where=text("page IS NULL AND void_ns IS NULL")),
)
"""What is to be told; gathered into pages when due. Void: settled before anybody was told."""
