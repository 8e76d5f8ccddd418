"""What is frozen cannot be replaced or emptied either.

SQLite's ``INSERT OR REPLACE`` deletes the old row without asking the triggers of DELETE, PostgreSQL's ``TRUNCATE`` those of any
row.
"""

from __future__ import annotations

from alembic import op

from sipmdcs.sqltriggers import refuse

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_FROZEN = (
    ("config_version", "a version is never changed"),
    ("config_setting", "a version is never changed"),
    ("config_push", "pushes are kept"),
    ("config_push_item", "pushes are kept"),
)


def upgrade() -> None:
    ended = "EXISTS (SELECT 1 FROM config_push WHERE id = NEW.push_id AND ended_at IS NOT NULL)"
    refuse("config_push_item_late", "config_push_item", ("INSERT",), ended, "a finished push is never changed")
    if op.get_bind().dialect.name == "sqlite":
        _refuse_replacing()
    else:
        _refuse_truncating()


def _refuse_replacing() -> None:
    same = "id = NEW.id OR coalesce(parent_id, 0) = coalesce(NEW.parent_id, 0)"
    there = f"EXISTS (SELECT 1 FROM config_version WHERE {same})"  # noqa: S608 - our own text
    refuse("config_version_replaced", "config_version", ("INSERT",), there, "a version is never changed")
    there = "EXISTS (SELECT 1 FROM config_push WHERE id = NEW.id)"
    refuse("config_push_replaced", "config_push", ("INSERT",), there, "pushes are kept")
    there = "EXISTS (SELECT 1 FROM config_push_item WHERE push_id = NEW.push_id AND pv = NEW.pv)"
    refuse("config_push_item_replaced", "config_push_item", ("INSERT",), there, "pushes are kept")


def _refuse_truncating() -> None:
    for table, message in _FROZEN:
        name = f"{table}_emptied"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {name}()")
