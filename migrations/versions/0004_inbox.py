"""The inbox: batches with their answers, payloads, parked receipts, the key window.

Revision 0004.
"""

import sqlalchemy as sa
from alembic import context, op

import pilot.database

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if context.config.attributes["target"] != "inbox":
        return
    op.create_table(
        "inbox_batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("key_code", sa.String(length=120), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("received_at", pilot.database.Instant(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("drain_id", sa.String(length=64), nullable=True),
        sa.Column("drained_at", pilot.database.Instant(timezone=True), nullable=True),
        sa.Column("lake_version", sa.BigInteger(), nullable=True),
        sa.Column("n_accepted", sa.Integer(), nullable=False),
        sa.Column("n_known", sa.Integer(), nullable=False),
        sa.Column("n_conflict", sa.Integer(), nullable=False),
        sa.Column("n_rejected", sa.Integer(), nullable=False),
        sa.Column("n_quarantined", sa.Integer(), nullable=False),
        sa.Column("store_codes", sa.JSON(), nullable=False),
        sa.Column("verdicts", sa.JSON(), nullable=False),
        sa.Column("drain_findings", sa.JSON(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_batch")),
        sa.UniqueConstraint("batch_id", name=op.f("uq_inbox_batch_batch_id")),
        sa.UniqueConstraint("key_code", "idempotency_key", name=op.f("uq_inbox_batch_key_code_idempotency_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_inbox_batch_drain_id"), "inbox_batch", ["drain_id"], unique=False)
    op.create_index(
        op.f("ix_inbox_batch_state_received_at"), "inbox_batch", ["state", "received_at", "n_accepted"], unique=False
    )
    op.create_table(
        "inbox_payload",
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["inbox_batch.batch_id"], name=op.f("fk_inbox_payload_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_inbox_payload")),
    )
    op.create_table(
        "inbox_parked",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("receipt_id", sa.String(length=64), nullable=False),
        sa.Column("field", sa.String(length=200), nullable=False),
        sa.Column("row", sa.JSON(), nullable=False),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["inbox_batch.batch_id"], name=op.f("fk_inbox_parked_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_parked")),
    )
    op.create_index(op.f("ix_inbox_parked_batch_id"), "inbox_parked", ["batch_id"], unique=False)
    op.create_table(
        "inbox_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("arrival", sa.Integer(), nullable=False),
        sa.Column("business_day", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_keys")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_inbox_keys_arrival"), "inbox_keys", ["arrival"], unique=False)
    op.create_index(op.f("ix_inbox_keys_business_day_level"), "inbox_keys", ["business_day", "level"], unique=False)
    if op.get_bind().dialect.name == "postgresql":  # both are packed, or random: trying to compress them is in vain
        op.execute("ALTER TABLE inbox_payload ALTER COLUMN payload SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE inbox_keys ALTER COLUMN hashes SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Receipts that wait in the inbox stop it: nothing acknowledged is dropped."""
    if context.config.attributes["target"] != "inbox":
        return
    waiting = op.get_bind().execute(sa.text("SELECT count(*) FROM inbox_batch WHERE state <> 'drained'"))
    if waiting.scalar():
        raise RuntimeError("batches wait in the inbox; drain them first")
    op.drop_table("inbox_keys")
    op.drop_table("inbox_parked")
    op.drop_table("inbox_payload")
    op.drop_table("inbox_batch")
