"""Estimates: one estimator a file."""
