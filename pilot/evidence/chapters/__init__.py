"""The chapters of a report: what it says beside the effects, each computed once and frozen with it."""
