"""Append-only means UPDATE, DELETE, TRUNCATE and INSERT OR REPLACE are refused, on both databases.

Revision 0002.
"""

from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Each table with every unique key it has: SQLite's INSERT OR REPLACE deletes silently through any of them.
APPEND_ONLY = {
    "audit_entry": [("seq",)],
    "plan_version": [("id",), ("pilot_id", "number")],
    "sealed_seed": [("id",), ("pilot_id", "stage_number", "plan_hash")],
    "draw": [("id",), ("pilot_id", "stage_number", "plan_hash")],
    "ledger_entry": [("id",), ("draw_id", "unit_code")],
    "home_entry": [("draw_id", "customer_key")],
    "frozen_report": [("id",), ("code",), ("pilot_id", "stage_number", "look")],
    "approval": [("id",), ("pilot_id", "plan_hash", "kind", "user_id")],
    "decision": [("id",)],
    "answer": [("id",), ("report_id", "round")],
}


def upgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    if op.get_bind().dialect.name == "sqlite":
        for table, keys in APPEND_ONLY.items():
            _guard_sqlite(table, keys)
        return
    op.execute(
        "CREATE FUNCTION pilot_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = '23000'; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION pilot_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION pilot_append_only()"
        )


def downgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    if op.get_bind().dialect.name == "sqlite":
        for table in APPEND_ONLY:
            for act in ("update", "delete", "replace"):
                op.execute(f"DROP TRIGGER {table}_no_{act}")
        return
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
    op.execute("DROP FUNCTION pilot_append_only()")


def _guard_sqlite(table: str, keys: list[tuple[str, ...]]) -> None:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}")
    op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}")
    taken = " OR ".join("(" + " AND ".join(f"{column} = NEW.{column}" for column in key) + ")" for key in keys)
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) {refuse}"
    )
