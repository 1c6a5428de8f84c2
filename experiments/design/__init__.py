"""Designs: mechanisms that can be drawn and replayed, matching, balance, power."""
