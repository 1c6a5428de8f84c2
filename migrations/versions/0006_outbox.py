"""The outbox: deliveries by mail and to webhooks, the webhooks, and what each person wants by mail.

Revision 0006.
"""

import sqlalchemy as sa
from alembic import context, op

import pilot.database

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    instant = pilot.database.Instant(timezone=True)
    op.create_table(
        "webhook",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("secret_number", sa.Integer(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
        sa.UniqueConstraint("code", name=op.f("uq_webhook_code")),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=120), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("webhook_id", sa.Integer(), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", instant, nullable=True),
        sa.Column("last_error", sa.JSON(), nullable=True),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("done_at", instant, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_delivery_user_id")),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name=op.f("fk_delivery_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("code", name=op.f("uq_delivery_code")),
    )
    op.create_index(op.f("ix_delivery_user_id"), "delivery", ["user_id"], unique=False)
    op.create_index(op.f("ix_delivery_webhook_id"), "delivery", ["webhook_id"], unique=False)
    op.create_index(
        op.f("ix_delivery_channel_state_next_try_at"), "delivery", ["channel", "state", "next_try_at"], unique=False
    )
    op.create_table(
        "mail_preference",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("muted", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_mail_preference_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_mail_preference")),
    )


def downgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    op.drop_table("mail_preference")
    op.drop_index(op.f("ix_delivery_channel_state_next_try_at"), table_name="delivery")
    op.drop_index(op.f("ix_delivery_webhook_id"), table_name="delivery")
    op.drop_index(op.f("ix_delivery_user_id"), table_name="delivery")
    op.drop_table("delivery")
    op.drop_table("webhook")
