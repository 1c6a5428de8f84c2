"""Honest statistics for pilots: designs that replay, exact moments, inference at the unit of assignment.

Everything public is a name of this package, imported when it is first used, so that ``import experiments`` stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for type checkers; a test compares the two lists
    from experiments.charts import BalancePoint as BalancePoint
    from experiments.charts import ForestRow as ForestRow
    from experiments.charts import balance_plot as balance_plot
    from experiments.charts import forest as forest
    from experiments.charts import over_time as over_time
    from experiments.design.balance import BalanceRow as BalanceRow
    from experiments.design.balance import balance as balance
    from experiments.design.mechanisms import Candidate as Candidate
    from experiments.design.mechanisms import Draw as Draw
    from experiments.design.mechanisms import LeftOut as LeftOut
    from experiments.design.mechanisms import Mechanism as Mechanism
    from experiments.design.mechanisms import MechanismKind as MechanismKind
    from experiments.design.mechanisms import Share as Share
    from experiments.design.mechanisms import assign_one as assign_one
    from experiments.design.mechanisms import bernoulli_hash as bernoulli_hash
    from experiments.design.mechanisms import complete as complete
    from experiments.design.mechanisms import draw as draw
    from experiments.design.mechanisms import from_record as from_record
    from experiments.design.mechanisms import matched_pairs as matched_pairs
    from experiments.design.mechanisms import stratified as stratified
    from experiments.design.power import VisibleEffect as VisibleEffect
    from experiments.design.power import power_of_t as power_of_t
    from experiments.design.power import smallest_visible_customer_effect as smallest_visible_customer_effect
    from experiments.design.power import smallest_visible_effect as smallest_visible_effect
    from experiments.design.reach import n_possible_draws as n_possible_draws
    from experiments.design.reach import require_reachable as require_reachable
    from experiments.design.reach import smallest_p as smallest_p
    from experiments.errors import DesignCannotReachLevel as DesignCannotReachLevel
    from experiments.errors import ExperimentError as ExperimentError
    from experiments.errors import NotEstimable as NotEstimable
    from experiments.estimate.estimate import Estimate as Estimate
    from experiments.estimate.estimate import Method as Method
    from experiments.look.analysis import analyze_look as analyze_look
    from experiments.look.plan import Leads as Leads
    from experiments.look.plan import LookPlan as LookPlan
    from experiments.look.plan import MarginScale as MarginScale
    from experiments.look.plan import PlannedMetric as PlannedMetric
    from experiments.look.plan import Role as Role
    from experiments.look.report import BLOCKING_STAMPS as BLOCKING_STAMPS
    from experiments.look.report import Diagnostic as Diagnostic
    from experiments.look.report import LookReport as LookReport
    from experiments.look.report import NonInferiority as NonInferiority
    from experiments.look.report import ReportRow as ReportRow
    from experiments.look.report import Stamp as Stamp
    from experiments.look.report import Status as Status
    from experiments.measure.metrics import AssignmentUnit as AssignmentUnit
    from experiments.measure.metrics import Direction as Direction
    from experiments.measure.metrics import Metric as Metric
    from experiments.measure.metrics import MetricKind as MetricKind
    from experiments.measure.metrics import MetricLevel as MetricLevel
    from experiments.measure.metrics import MetricUnit as MetricUnit
    from experiments.measure.metrics import average_basket as average_basket
    from experiments.measure.metrics import identification_rate as identification_rate
    from experiments.measure.metrics import metric_from_code as metric_from_code
    from experiments.measure.metrics import purchase_frequency as purchase_frequency
    from experiments.measure.metrics import repeat_purchase as repeat_purchase
    from experiments.measure.metrics import retention as retention
    from experiments.measure.metrics import spend_per_customer as spend_per_customer
    from experiments.measure.metrics import store_total as store_total
    from experiments.measure.moments import arm_moments as arm_moments
    from experiments.measure.moments import unit_moments as unit_moments
    from experiments.measure.series import WeekPoint as WeekPoint
    from experiments.measure.series import weekly_series as weekly_series
    from experiments.measure.series import weeks_around as weeks_around
    from experiments.measure.unit_moments import ArmMoments as ArmMoments
    from experiments.measure.unit_moments import UnitMoments as UnitMoments
    from experiments.measure.windows import Window as Window
    from experiments.measure.windows import Windows as Windows
    from experiments.measure.windows import windows_for as windows_for
    from experiments.messages import Message as Message
    from experiments.monitor.looks import LookRule as LookRule
    from experiments.monitor.looks import advancing_level as advancing_level
    from experiments.monitor.looks import look_rule as look_rule

_HOMES: dict[str, tuple[str, ...]] = {
    "experiments.look.analysis": ("analyze_look",),
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
    "experiments.look.plan": ("LookPlan", "Leads", "MarginScale", "PlannedMetric", "Role"),
    "experiments.look.report": (
        "BLOCKING_STAMPS",
        "Diagnostic",
        "NonInferiority",
        "LookReport",
        "ReportRow",
        "Stamp",
        "Status",
    ),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'experiments' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
