"""Who must approve what as data: the policy's versions, deputies, renewed signatures, and what a decision may limit.

Revision 0008.
"""

import sqlalchemy as sa
from alembic import context, op

import pilot.database

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

APPROVAL = [("id",), ("pilot_id", "plan_hash", "kind", "user_id", "renewal")]
APPROVAL_BEFORE = [("id",), ("pilot_id", "plan_hash", "kind", "user_id")]
APPEND_ONLY = {
    "acceptance": [("id",), ("pilot_id", "plan_hash")],
    "stage_restriction": [("id",), ("pilot_id", "stage_number")],
    "policy_version": [("id",), ("number",)],
}
ACTS = ("update", "delete", "replace")


def upgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    op.add_column("plan_version", sa.Column("money_at_risk", sa.JSON()))
    op.add_column("decision", sa.Column("regions", sa.JSON()))
    op.execute(
        "ALTER TABLE decision ADD COLUMN for_user_id INTEGER "
        "CONSTRAINT fk_decision_for_user_id_app_user REFERENCES app_user (id)"
    )
    _approval_may_be_renewed()
    instant = pilot.database.Instant(timezone=True)
    op.create_table(
        "acceptance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pilot_id", sa.Integer(), nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("for_user_id", sa.Integer()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilot.id"], name=op.f("fk_acceptance_pilot_id_pilot")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_acceptance_user_id_app_user")),
        sa.ForeignKeyConstraint(["for_user_id"], ["app_user.id"], name=op.f("fk_acceptance_for_user_id_app_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acceptance")),
        sa.UniqueConstraint("pilot_id", "plan_hash", name=op.f("uq_acceptance_pilot_id_plan_hash")),
    )
    op.create_table(
        "stage_restriction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pilot_id", sa.Integer(), nullable=False),
        sa.Column("stage_number", sa.Integer(), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilot.id"], name=op.f("fk_stage_restriction_pilot_id_pilot")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_restriction")),
        sa.UniqueConstraint("pilot_id", "stage_number", name=op.f("uq_stage_restriction_pilot_id_stage_number")),
    )
    op.create_table(
        "policy_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["app_user.id"], name=op.f("fk_policy_version_created_by_id_app_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_version")),
        sa.UniqueConstraint("number", name=op.f("uq_policy_version_number")),
    )
    op.create_table(
        "deputy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("deputy_id", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_deputy_user_id_app_user")),
        sa.ForeignKeyConstraint(["deputy_id"], ["app_user.id"], name=op.f("fk_deputy_deputy_id_app_user")),
        sa.ForeignKeyConstraint(["created_by_id"], ["app_user.id"], name=op.f("fk_deputy_created_by_id_app_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deputy")),
    )
    op.create_index(op.f("ix_deputy_user_id"), "deputy", ["user_id"], unique=False)
    op.create_index(op.f("ix_deputy_deputy_id"), "deputy", ["deputy_id"], unique=False)
    for table, keys in APPEND_ONLY.items():
        _guard(table, keys)


def downgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    for table in APPEND_ONLY:
        _unguard(table)
    for table in ("deputy", "policy_version", "stage_restriction", "acceptance"):
        op.drop_table(table)
    _without_approval_guard()
    with op.batch_alter_table("approval") as batch:
        batch.drop_constraint("uq_approval_pilot_id_plan_hash_kind_user_id_renewal", type_="unique")
        batch.drop_constraint("fk_approval_for_user_id_app_user", type_="foreignkey")
        batch.drop_column("renewal")
        batch.drop_column("for_user_id")
        batch.create_unique_constraint(
            "uq_approval_pilot_id_plan_hash_kind_user_id", ["pilot_id", "plan_hash", "kind", "user_id"]
        )
    if _is_sqlite():
        _guard("approval", APPROVAL_BEFORE)
    op.drop_column("decision", "for_user_id")
    op.drop_column("decision", "regions")
    op.drop_column("plan_version", "money_at_risk")


def _approval_may_be_renewed() -> None:
    """SQLite makes the table anew, and its triggers go with the old one: they are put back by hand."""
    _without_approval_guard()
    with op.batch_alter_table("approval") as batch:
        batch.add_column(sa.Column("for_user_id", sa.Integer()))
        batch.add_column(sa.Column("renewal", sa.Integer(), nullable=False, server_default="0"))
        batch.create_foreign_key("fk_approval_for_user_id_app_user", "app_user", ["for_user_id"], ["id"])
        batch.drop_constraint("uq_approval_pilot_id_plan_hash_kind_user_id", type_="unique")
        batch.create_unique_constraint(
            "uq_approval_pilot_id_plan_hash_kind_user_id_renewal",
            ["pilot_id", "plan_hash", "kind", "user_id", "renewal"],
        )
    if _is_sqlite():
        _guard("approval", APPROVAL)


def _without_approval_guard() -> None:
    if _is_sqlite():
        _unguard("approval")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _guard(table: str, keys: list[tuple[str, ...]]) -> None:
    """Append-only, as revision 0002 made it for the tables of its time."""
    if not _is_sqlite():
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION pilot_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION pilot_append_only()"
        )
        return
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}")
    op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}")
    taken = " OR ".join("(" + " AND ".join(f"{column} = NEW.{column}" for column in key) + ")" for key in keys)
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) {refuse}"
    )


def _unguard(table: str) -> None:
    if _is_sqlite():
        for act in ACTS:
            op.execute(f"DROP TRIGGER {table}_no_{act}")
        return
    op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
