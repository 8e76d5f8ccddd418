"""Rules that the database itself keeps: triggers that refuse a change, made by migrations."""

from __future__ import annotations

from alembic import op


def refuse(name: str, table: str, events: tuple[str, ...], condition: str, message: str) -> None:
    """A trigger that refuses ``events`` on rows for which ``condition`` holds, on SQLite and PostgreSQL.

    Args:
        name: of the trigger; the event is appended.
        table: whose rows it guards.
        events: of ``INSERT``, ``UPDATE``, ``DELETE``.
        condition: SQL over ``OLD`` and ``NEW`` that both databases understand.
        message: what the client is told.
    """
    if op.get_bind().dialect.name == "sqlite":
        for event in events:
            op.execute(
                f"CREATE TRIGGER {name}_{event.lower()} BEFORE {event} ON {table} "
                f"WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    for event in events:
        function = f"{name}_{event.lower()}"
        row = "OLD" if event == "DELETE" else "NEW"
        op.execute(
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {condition} THEN RAISE EXCEPTION '{message}'; END IF; RETURN {row}; END $$"
        )
        op.execute(f"CREATE TRIGGER {function} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()")
