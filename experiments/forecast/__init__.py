"""Forecasts: what a pilot says about stores that have not been treated, always given a stated prior."""
