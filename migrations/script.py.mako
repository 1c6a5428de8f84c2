"""${message}."""

import sqlalchemy as sa
from alembic import context, op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    ${downgrades if downgrades else "pass"}
