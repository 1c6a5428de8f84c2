"""A person's language is empty until it is chosen, so that the browser may decide.

Before this release there was one language: nobody can have chosen, so nobody's choice is lost.

Revision 0005.
"""

from alembic import context, op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    op.execute("UPDATE app_user SET language = ''")


def downgrade() -> None:
    if context.config.attributes["target"] != "business":
        return
    op.execute("UPDATE app_user SET language = 'en' WHERE language = ''")
