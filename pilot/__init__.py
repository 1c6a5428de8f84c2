"""Pilot: test & learn for loyalty programs. The business: what may happen, to whom, and who said so."""

__version__ = "0.1.0"
