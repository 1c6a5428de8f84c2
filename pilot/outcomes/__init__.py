"""Receipts: accepted, kept exactly once in the lake, read back as histories."""
