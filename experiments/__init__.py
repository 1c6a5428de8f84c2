"""Honest statistics for pilots: designs that replay, exact moments, inference at the unit of assignment.

Everything public is a name of this package, imported when it is first used, so that ``import experiments`` stays light.
"""

import importlib
from typing import Any

_HOMES = {
    "experiments.analysis": ("analyze",),
    "experiments.charts": ("BalancePoint", "ForestRow", "balance_plot", "forest", "over_time"),
    "experiments.design.balance": ("BalanceRow", "balance"),
    "experiments.design.mechanisms": (
        "Candidate",
        "Draw",
        "LeftOut",
        "Mechanism",
        "MechanismKind",
        "Share",
        "assign_one",
        "bernoulli_hash",
        "complete",
        "draw",
        "from_record",
        "matched_pairs",
        "stratified",
    ),
    "experiments.design.power": (
        "VisibleEffect",
        "power_of_t",
        "smallest_visible_customer_effect",
        "smallest_visible_effect",
    ),
    "experiments.design.reach": ("n_possible_draws", "require_reachable", "smallest_p"),
    "experiments.errors": ("DesignCannotReachLevel", "ExperimentError", "NotEstimable"),
    "experiments.estimate.estimate": ("Estimate", "Method"),
    "experiments.measure.metrics": (
        "AssignmentUnit",
        "Direction",
        "Metric",
        "MetricKind",
        "MetricLevel",
        "MetricUnit",
        "average_basket",
        "identification_rate",
        "metric_from_code",
        "purchase_frequency",
        "repeat_purchase",
        "retention",
        "spend_per_customer",
        "store_total",
    ),
    "experiments.measure.moments": ("arm_moments", "unit_moments"),
    "experiments.measure.series": ("WeekPoint", "weekly_series", "weeks_around"),
    "experiments.measure.unit_moments": ("ArmMoments", "UnitMoments"),
    "experiments.measure.windows": ("Window", "Windows", "windows_for"),
    "experiments.messages": ("Message",),
    "experiments.monitor.looks": ("LookRule", "advancing_level", "look_rule"),
    "experiments.plan": ("AnalysisPlan", "Leads", "MarginScale", "PlannedMetric", "Role"),
    "experiments.report": (
        "BLOCKING_STAMPS",
        "Diagnostic",
        "NonInferiority",
        "Report",
        "ReportRow",
        "Stamp",
        "Status",
    ),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - built from the one table above, which a test compares


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'experiments' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
