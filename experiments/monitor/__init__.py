"""Monitors: looks, sample ratio, identification, multiplicity."""
