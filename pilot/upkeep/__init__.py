"""Keeping an installation in order: migrations, backup, restore, upgrade."""
