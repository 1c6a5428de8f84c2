"""Draws and their ledger; who gets what, and why."""
