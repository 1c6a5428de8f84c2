"""Quarantine takes rows from the inbox too: each row says where it came from, when, and why it waits.

Revision 0003.
"""

import sqlalchemy as sa
from alembic import context, op

import pilot.database

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEW = {
    "batch_id": sa.String(length=120),
    "key_code": sa.String(length=120),
    "reason_code": sa.String(length=60),
    "store": sa.String(length=120),
    "received_at": pilot.database.Instant(timezone=True),
}


def upgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    with op.batch_alter_table("quarantined_row") as table:
        for name, kind in _NEW.items():
            table.add_column(sa.Column(name, kind, nullable=True))
        table.alter_column("run_id", existing_type=sa.Integer(), nullable=True)
    _fill()
    with op.batch_alter_table("quarantined_row") as table:
        for name, kind in _NEW.items():
            if name != "key_code":
                table.alter_column(name, existing_type=kind, nullable=False)
    op.create_index(op.f("ix_quarantined_row_batch_id"), "quarantined_row", ["batch_id"], unique=False)
    op.create_index(
        op.f("ix_quarantined_row_state_reason_code_store"),
        "quarantined_row",
        ["state", "reason_code", "store"],
        unique=False,
    )
    op.create_index(op.f("ix_audit_entry_subject"), "audit_entry", ["subject"], unique=False)


def downgrade() -> None:
    """Rows from the inbox have no place in the older schema: they stop it as long as one waits."""
    if context.config.attributes["target"] != "business":
        return
    rows = sa.table("quarantined_row", sa.column("run_id"), sa.column("state"))
    from_inbox = op.get_bind().execute(
        sa.select(sa.func.count()).select_from(rows).where(rows.c.run_id.is_(None), rows.c.state == "waiting")
    )
    if from_inbox.scalar():
        raise RuntimeError("rows from the inbox wait in quarantine; release or drop them first")
    op.execute(sa.delete(rows).where(rows.c.run_id.is_(None)))
    op.drop_index(op.f("ix_audit_entry_subject"), table_name="audit_entry")
    op.drop_index(op.f("ix_quarantined_row_state_reason_code_store"), table_name="quarantined_row")
    op.drop_index(op.f("ix_quarantined_row_batch_id"), table_name="quarantined_row")
    with op.batch_alter_table("quarantined_row") as table:
        table.alter_column("run_id", existing_type=sa.Integer(), nullable=False)
        for name in reversed(_NEW):
            table.drop_column(name)


def _fill() -> None:
    """Rows that files parked earlier say the same as new ones."""
    rows = sa.table(
        "quarantined_row",
        sa.column("id"),
        sa.column("run_id"),
        sa.column("row", sa.JSON()),
        sa.column("reason", sa.JSON()),
        *(sa.column(name, kind) for name, kind in _NEW.items()),
    )
    runs = sa.table(
        "import_run",
        sa.column("id"),
        sa.column("batch_id"),
        sa.column("staged_at", pilot.database.Instant(timezone=True)),
    )
    connection = op.get_bind()
    found = connection.execute(
        sa.select(rows.c.id, rows.c.row, rows.c.reason, runs.c.batch_id, runs.c.staged_at).join_from(
            rows, runs, rows.c.run_id == runs.c.id
        )
    ).all()
    for row in found:
        values = {
            "batch_id": row.batch_id,
            "reason_code": str(row.reason.get("code", ""))[:60],
            "store": str(row.row.get("store", ""))[:120],
            "received_at": row.staged_at,
        }
        connection.execute(sa.update(rows).where(rows.c.id == row.id).values(**values))
