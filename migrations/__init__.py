"""Alembic's environment and the numbered revisions, one head."""
