"""What customers said when they were asked: share of wallet, and whether they recommended the store.

Revision 0009.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    op.create_table(
        "survey_answer",
        sa.Column("customer_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asked_on", sa.Date(), nullable=False),
        sa.Column("share_of_wallet_ppm", sa.Integer(), nullable=True),
        sa.Column("referred", sa.Boolean(), nullable=True),
        sa.Column("referral_paid", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_key"], ["customer.customer_key"], name=op.f("fk_survey_answer_customer_key")
        ),
        sa.PrimaryKeyConstraint("customer_key", "asked_on", name=op.f("pk_survey_answer")),
    )
    op.create_index(op.f("ix_survey_answer_asked_on"), "survey_answer", ["asked_on"], unique=False)


def downgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    op.drop_table("survey_answer")
