"""Honest statistics for pilots: designs that replay, exact moments, inference at the unit of assignment.

Everything public is a name of this package, imported when it is first used, so that ``import experiments`` stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for type checkers; a test compares the two lists
    from experiments.analysis import analyze as analyze
    from experiments.calibration import Calibration as Calibration
    from experiments.calibration import calibrate as calibrate
    from experiments.charts import BalancePoint as BalancePoint
    from experiments.charts import ForestRow as ForestRow
    from experiments.charts import balance_plot as balance_plot
    from experiments.charts import forest as forest
    from experiments.charts import over_time as over_time
    from experiments.design.balance import BalanceRow as BalanceRow
    from experiments.design.balance import balance as balance
    from experiments.design.cluster_power import ClusterPower as ClusterPower
    from experiments.design.cluster_power import cluster_power as cluster_power
    from experiments.design.cluster_power import design_effect as design_effect
    from experiments.design.cluster_power import intraclass_correlation as intraclass_correlation
    from experiments.design.cluster_power import stepped_wedge_variance as stepped_wedge_variance
    from experiments.design.constraints import Constraints as Constraints
    from experiments.design.criterion import Criterion as Criterion
    from experiments.design.designer import CandidateDesign as CandidateDesign
    from experiments.design.designer import Costs as Costs
    from experiments.design.designer import propose_designs as propose_designs
    from experiments.design.mechanisms import Candidate as Candidate
    from experiments.design.mechanisms import Draw as Draw
    from experiments.design.mechanisms import LeftOut as LeftOut
    from experiments.design.mechanisms import Mechanism as Mechanism
    from experiments.design.mechanisms import MechanismKind as MechanismKind
    from experiments.design.mechanisms import NoAcceptableDraw as NoAcceptableDraw
    from experiments.design.mechanisms import Share as Share
    from experiments.design.mechanisms import acceptance as acceptance
    from experiments.design.mechanisms import assign_one as assign_one
    from experiments.design.mechanisms import bernoulli_hash as bernoulli_hash
    from experiments.design.mechanisms import complete as complete
    from experiments.design.mechanisms import draw as draw
    from experiments.design.mechanisms import from_record as from_record
    from experiments.design.mechanisms import matched_pairs as matched_pairs
    from experiments.design.mechanisms import rerandomized as rerandomized
    from experiments.design.mechanisms import stratified as stratified
    from experiments.design.network_history import NetworkHistory as NetworkHistory
    from experiments.design.network_history import network_history as network_history
    from experiments.design.power import VisibleEffect as VisibleEffect
    from experiments.design.power import power_of_t as power_of_t
    from experiments.design.power import smallest_visible_customer_effect as smallest_visible_customer_effect
    from experiments.design.power import smallest_visible_effect as smallest_visible_effect
    from experiments.design.reach import n_possible_draws as n_possible_draws
    from experiments.design.reach import possible_draws as possible_draws
    from experiments.design.reach import require_reachable as require_reachable
    from experiments.design.reach import smallest_p as smallest_p
    from experiments.errors import DesignCannotReachLevel as DesignCannotReachLevel
    from experiments.errors import ExperimentError as ExperimentError
    from experiments.errors import NotEstimable as NotEstimable
    from experiments.estimate.anderson_rubin import anderson_rubin as anderson_rubin
    from experiments.estimate.callaway_santanna import Aggregation as Aggregation
    from experiments.estimate.callaway_santanna import callaway_santanna as callaway_santanna
    from experiments.estimate.cluster_robust import Correction as Correction
    from experiments.estimate.cluster_robust import cluster_robust as cluster_robust
    from experiments.estimate.complier_effect import complier_effect as complier_effect
    from experiments.estimate.cox import cox as cox
    from experiments.estimate.cox import log_rank as log_rank
    from experiments.estimate.customer_weighted import StoreMoments as StoreMoments
    from experiments.estimate.customer_weighted import customer_weighted as customer_weighted
    from experiments.estimate.difference_in_differences import difference_in_differences as difference_in_differences
    from experiments.estimate.donor_panel import DonorPanel as DonorPanel
    from experiments.estimate.dunnett import dunnett as dunnett
    from experiments.estimate.dunnett import dunnett_from_moments as dunnett_from_moments
    from experiments.estimate.estimate import Estimate as Estimate
    from experiments.estimate.estimate import Inference as Inference
    from experiments.estimate.estimate import Method as Method
    from experiments.estimate.estimate import Side as Side
    from experiments.estimate.estimate import TInference as TInference
    from experiments.estimate.geo_regression import geo_regression as geo_regression
    from experiments.estimate.group_time import Controls as Controls
    from experiments.estimate.imputation import imputation as imputation
    from experiments.estimate.interaction import segments_differ as segments_differ
    from experiments.estimate.interaction import segments_differ_clustered as segments_differ_clustered
    from experiments.estimate.kaplan_meier import kaplan_meier as kaplan_meier
    from experiments.estimate.logistic import logistic as logistic
    from experiments.estimate.max_t import max_t as max_t
    from experiments.estimate.newcombe import newcombe as newcombe
    from experiments.estimate.random_intercept import random_intercept as random_intercept
    from experiments.estimate.ratio import ratio_of_sums as ratio_of_sums
    from experiments.estimate.rmst import compare_rmst as compare_rmst
    from experiments.estimate.rmst import rmst as rmst
    from experiments.estimate.segment_shrinkage import shrink_segments as shrink_segments
    from experiments.estimate.stepped_wedge import stepped_wedge as stepped_wedge
    from experiments.estimate.synthetic_control import synthetic_control as synthetic_control
    from experiments.estimate.synthetic_did import synthetic_did as synthetic_did
    from experiments.estimate.time_based_regression import time_based_regression as time_based_regression
    from experiments.estimate.two_way_fixed_effects import two_way_fixed_effects as two_way_fixed_effects
    from experiments.estimate.unit_panel import UnitPanel as UnitPanel
    from experiments.estimate.wild_bootstrap import wild_bootstrap as wild_bootstrap
    from experiments.forecast.decision_rule import DecisionRule as DecisionRule
    from experiments.forecast.decision_rule import Guardrail as Guardrail
    from experiments.forecast.decision_rule import Stage as Stage
    from experiments.forecast.decision_rule import operating_characteristics as operating_characteristics
    from experiments.forecast.harm import probability_b_beats_a as probability_b_beats_a
    from experiments.forecast.harm import probability_of_harm as probability_of_harm
    from experiments.forecast.purchases import fit_purchases as fit_purchases
    from experiments.forecast.shrinkage import Prior as Prior
    from experiments.forecast.shrinkage import prior_from_past as prior_from_past
    from experiments.forecast.shrinkage import shrink as shrink
    from experiments.forecast.shrinkage import winners_curse as winners_curse
    from experiments.forecast.transport import GroupEffect as GroupEffect
    from experiments.forecast.transport import overlap as overlap
    from experiments.forecast.transport import transport as transport
    from experiments.forecast.waiting import value_of_waiting as value_of_waiting
    from experiments.frame import Frame as Frame
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
    from experiments.measure.customer_sums import CustomerReach as CustomerReach
    from experiments.measure.customer_sums import customer_sums as customer_sums
    from experiments.measure.customer_sums import merge_customer_sums as merge_customer_sums
    from experiments.measure.days import DayFacts as DayFacts
    from experiments.measure.days import customer_days as customer_days
    from experiments.measure.days import store_days as store_days
    from experiments.measure.kept_sums import CustomerSums as CustomerSums
    from experiments.measure.kept_sums import KeptSums as KeptSums
    from experiments.measure.kept_sums import ReadSums as ReadSums
    from experiments.measure.metrics import AssignmentUnit as AssignmentUnit
    from experiments.measure.metrics import Direction as Direction
    from experiments.measure.metrics import Metric as Metric
    from experiments.measure.metrics import MetricKind as MetricKind
    from experiments.measure.metrics import MetricLevel as MetricLevel
    from experiments.measure.metrics import MetricUnit as MetricUnit
    from experiments.measure.metrics import average_basket as average_basket
    from experiments.measure.metrics import full_price_share as full_price_share
    from experiments.measure.metrics import identification_rate as identification_rate
    from experiments.measure.metrics import metric_from_code as metric_from_code
    from experiments.measure.metrics import purchase_frequency as purchase_frequency
    from experiments.measure.metrics import repeat_purchase as repeat_purchase
    from experiments.measure.metrics import retention as retention
    from experiments.measure.metrics import sales_outside_list as sales_outside_list
    from experiments.measure.metrics import spend_per_customer as spend_per_customer
    from experiments.measure.metrics import store_total as store_total
    from experiments.measure.moments import arm_moments as arm_moments
    from experiments.measure.moments import unit_moments as unit_moments
    from experiments.measure.moments import weekly_series as weekly_series
    from experiments.measure.risk import RiskTable as RiskTable
    from experiments.measure.risk import RiskWeek as RiskWeek
    from experiments.measure.risk import by_week as by_week
    from experiments.measure.risk import together as together
    from experiments.measure.series import Weekly as Weekly
    from experiments.measure.series import WeekPoint as WeekPoint
    from experiments.measure.series import weeks_around as weeks_around
    from experiments.measure.stage import Asked as Asked
    from experiments.measure.stage import StageMoments as StageMoments
    from experiments.measure.stage import stage_moments as stage_moments
    from experiments.measure.stage import stage_reach as stage_reach
    from experiments.measure.stage import store_reach as store_reach
    from experiments.measure.stage_arms import AskedOfArms as AskedOfArms
    from experiments.measure.stage_arms import StageArms as StageArms
    from experiments.measure.stage_arms import arms_reach as arms_reach
    from experiments.measure.stage_arms import stage_arms as stage_arms
    from experiments.measure.unit_moments import ArmMoments as ArmMoments
    from experiments.measure.unit_moments import UnitMoments as UnitMoments
    from experiments.measure.windows import Window as Window
    from experiments.measure.windows import Windows as Windows
    from experiments.measure.windows import windows_for as windows_for
    from experiments.messages import Message as Message
    from experiments.monitor.confidence_sequence import always_valid_p as always_valid_p
    from experiments.monitor.confidence_sequence import confidence_sequence as confidence_sequence
    from experiments.monitor.equivalence import non_inferiority as non_inferiority
    from experiments.monitor.equivalence import tost as tost
    from experiments.monitor.looks import LookRule as LookRule
    from experiments.monitor.looks import advancing_level as advancing_level
    from experiments.monitor.looks import look_rule as look_rule
    from experiments.monitor.multiplicity import benjamini_hochberg as benjamini_hochberg
    from experiments.monitor.multiplicity import holm as holm
    from experiments.monitor.sample_ratio import sample_ratio as sample_ratio
    from experiments.monitor.spending import Spending as Spending
    from experiments.monitor.spending import boundaries as boundaries
    from experiments.monitor.spending import look_levels as look_levels
    from experiments.monitor.spending import repeated_interval as repeated_interval
    from experiments.plan import Plan as Plan
    from experiments.plan import plan_from_mapping as plan_from_mapping
    from experiments.powering import PowerReport as PowerReport
    from experiments.powering import plan_power as plan_power
    from experiments.reading import read as read
    from experiments.report import Report as Report
    from experiments.report import Row as Row

_HOMES: dict[str, tuple[str, ...]] = {
    "experiments.analysis": ("analyze",),
    "experiments.calibration": ("Calibration", "calibrate"),
    "experiments.charts": ("BalancePoint", "ForestRow", "balance_plot", "forest", "over_time"),
    "experiments.design.balance": ("BalanceRow", "balance"),
    "experiments.design.cluster_power": (
        "ClusterPower",
        "cluster_power",
        "design_effect",
        "intraclass_correlation",
        "stepped_wedge_variance",
    ),
    "experiments.design.constraints": ("Constraints",),
    "experiments.design.criterion": ("Criterion",),
    "experiments.design.designer": ("CandidateDesign", "Costs", "propose_designs"),
    "experiments.design.mechanisms": (
        "Candidate",
        "Draw",
        "LeftOut",
        "Mechanism",
        "MechanismKind",
        "NoAcceptableDraw",
        "Share",
        "acceptance",
        "assign_one",
        "bernoulli_hash",
        "complete",
        "draw",
        "from_record",
        "matched_pairs",
        "rerandomized",
        "stratified",
    ),
    "experiments.design.network_history": ("NetworkHistory", "network_history"),
    "experiments.design.power": (
        "VisibleEffect",
        "power_of_t",
        "smallest_visible_customer_effect",
        "smallest_visible_effect",
    ),
    "experiments.design.reach": ("n_possible_draws", "possible_draws", "require_reachable", "smallest_p"),
    "experiments.errors": ("DesignCannotReachLevel", "ExperimentError", "NotEstimable"),
    "experiments.estimate.anderson_rubin": ("anderson_rubin",),
    "experiments.estimate.callaway_santanna": ("Aggregation", "callaway_santanna"),
    "experiments.estimate.cluster_robust": ("Correction", "cluster_robust"),
    "experiments.estimate.complier_effect": ("complier_effect",),
    "experiments.estimate.cox": ("cox", "log_rank"),
    "experiments.estimate.customer_weighted": ("StoreMoments", "customer_weighted"),
    "experiments.estimate.difference_in_differences": ("difference_in_differences",),
    "experiments.estimate.donor_panel": ("DonorPanel",),
    "experiments.estimate.dunnett": ("dunnett", "dunnett_from_moments"),
    "experiments.estimate.estimate": ("Estimate", "Inference", "Method", "Side", "TInference"),
    "experiments.estimate.geo_regression": ("geo_regression",),
    "experiments.estimate.group_time": ("Controls",),
    "experiments.estimate.imputation": ("imputation",),
    "experiments.estimate.interaction": ("segments_differ", "segments_differ_clustered"),
    "experiments.estimate.kaplan_meier": ("kaplan_meier",),
    "experiments.estimate.logistic": ("logistic",),
    "experiments.estimate.max_t": ("max_t",),
    "experiments.estimate.newcombe": ("newcombe",),
    "experiments.estimate.random_intercept": ("random_intercept",),
    "experiments.estimate.ratio": ("ratio_of_sums",),
    "experiments.estimate.rmst": ("compare_rmst", "rmst"),
    "experiments.estimate.segment_shrinkage": ("shrink_segments",),
    "experiments.estimate.stepped_wedge": ("stepped_wedge",),
    "experiments.estimate.synthetic_control": ("synthetic_control",),
    "experiments.estimate.synthetic_did": ("synthetic_did",),
    "experiments.estimate.time_based_regression": ("time_based_regression",),
    "experiments.estimate.two_way_fixed_effects": ("two_way_fixed_effects",),
    "experiments.estimate.unit_panel": ("UnitPanel",),
    "experiments.estimate.wild_bootstrap": ("wild_bootstrap",),
    "experiments.forecast.decision_rule": ("DecisionRule", "Guardrail", "Stage", "operating_characteristics"),
    "experiments.forecast.harm": ("probability_b_beats_a", "probability_of_harm"),
    "experiments.forecast.purchases": ("fit_purchases",),
    "experiments.forecast.shrinkage": ("Prior", "prior_from_past", "shrink", "winners_curse"),
    "experiments.forecast.transport": ("GroupEffect", "overlap", "transport"),
    "experiments.forecast.waiting": ("value_of_waiting",),
    "experiments.frame": ("Frame",),
    "experiments.look.analysis": ("analyze_look",),
    "experiments.look.plan": ("Leads", "LookPlan", "MarginScale", "PlannedMetric", "Role"),
    "experiments.look.report": (
        "BLOCKING_STAMPS",
        "Diagnostic",
        "LookReport",
        "NonInferiority",
        "ReportRow",
        "Stamp",
        "Status",
    ),
    "experiments.measure.customer_sums": ("CustomerReach", "customer_sums", "merge_customer_sums"),
    "experiments.measure.days": ("DayFacts", "customer_days", "store_days"),
    "experiments.measure.kept_sums": ("CustomerSums", "KeptSums", "ReadSums"),
    "experiments.measure.metrics": (
        "AssignmentUnit",
        "Direction",
        "Metric",
        "MetricKind",
        "MetricLevel",
        "MetricUnit",
        "average_basket",
        "full_price_share",
        "identification_rate",
        "metric_from_code",
        "purchase_frequency",
        "repeat_purchase",
        "retention",
        "sales_outside_list",
        "spend_per_customer",
        "store_total",
    ),
    "experiments.measure.moments": ("arm_moments", "unit_moments", "weekly_series"),
    "experiments.measure.risk": ("RiskTable", "RiskWeek", "by_week", "together"),
    "experiments.measure.series": ("WeekPoint", "Weekly", "weeks_around"),
    "experiments.measure.stage": ("Asked", "StageMoments", "stage_moments", "stage_reach", "store_reach"),
    "experiments.measure.stage_arms": ("AskedOfArms", "StageArms", "arms_reach", "stage_arms"),
    "experiments.measure.unit_moments": ("ArmMoments", "UnitMoments"),
    "experiments.measure.windows": ("Window", "Windows", "windows_for"),
    "experiments.messages": ("Message",),
    "experiments.monitor.confidence_sequence": ("always_valid_p", "confidence_sequence"),
    "experiments.monitor.equivalence": ("non_inferiority", "tost"),
    "experiments.monitor.looks": ("LookRule", "advancing_level", "look_rule"),
    "experiments.monitor.multiplicity": ("benjamini_hochberg", "holm"),
    "experiments.monitor.sample_ratio": ("sample_ratio",),
    "experiments.monitor.spending": ("Spending", "boundaries", "look_levels", "repeated_interval"),
    "experiments.plan": ("Plan", "plan_from_mapping"),
    "experiments.powering": ("PowerReport", "plan_power"),
    "experiments.reading": ("read",),
    "experiments.report": ("Report", "Row"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'experiments' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
