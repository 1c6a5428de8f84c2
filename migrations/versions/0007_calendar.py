"""The calendar of the network, amendments being written, and what was studied of a draft's design.

Revision 0007.
"""

import sqlalchemy as sa
from alembic import context, op

import pilot.database

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    instant = pilot.database.Instant(timezone=True)
    op.create_table(
        "calendar_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.ForeignKeyConstraint(["created_by_id"], ["app_user.id"], name=op.f("fk_calendar_event_created_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_event")),
    )
    op.create_index(op.f("ix_calendar_event_first_day"), "calendar_event", ["first_day"], unique=False)
    op.create_index(op.f("ix_calendar_event_last_day"), "calendar_event", ["last_day"], unique=False)
    op.create_table(
        "amendment_draft",
        sa.Column("pilot_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("edited_by_id", sa.Integer(), nullable=False),
        sa.Column("edited_at", instant, nullable=False),
        sa.ForeignKeyConstraint(["edited_by_id"], ["app_user.id"], name=op.f("fk_amendment_draft_edited_by_id")),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilot.id"], name=op.f("fk_amendment_draft_pilot_id")),
        sa.PrimaryKeyConstraint("pilot_id", name=op.f("pk_amendment_draft")),
    )
    op.create_table(
        "design_study",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pilot_id", sa.Integer(), nullable=False),
        sa.Column("stage_number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("made_at", instant, nullable=False),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilot.id"], name=op.f("fk_design_study_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_design_study")),
        sa.UniqueConstraint(
            "pilot_id", "stage_number", "kind", name=op.f("uq_design_study_pilot_id_stage_number_kind")
        ),
    )


def downgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    op.drop_table("design_study")
    op.drop_table("amendment_draft")
    op.drop_index(op.f("ix_calendar_event_last_day"), table_name="calendar_event")
    op.drop_index(op.f("ix_calendar_event_first_day"), table_name="calendar_event")
    op.drop_table("calendar_event")
