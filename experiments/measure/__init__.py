"""Measures: metric definitions, observation windows, and the push-down of receipts to exact moments."""
