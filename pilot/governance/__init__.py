"""Approvals, gates and decisions."""
