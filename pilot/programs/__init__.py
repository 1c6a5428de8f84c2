"""Loyalty programs: variants, offers, and the catalogue of mechanics with their typed terms."""
