"""Rows of a report: for each design the builder that answers one metric of one variant."""
