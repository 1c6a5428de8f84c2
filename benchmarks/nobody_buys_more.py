"""Two worlds in which nobody buys more and only cards are shown: what must not move, and what must be stamped.

(a) *new shoppers*: a tenth of the households showed no card before; in treated stores all of their receipts, and those
of everybody else without a home store, become identified from week 27 on. Nobody on a home list changes.
(b) *card-showing*: listed customers show their card on 40 % of their formerly anonymous visits to treated stores.

Here an assignment changes receipts of customers from other stores too, so each draw goes the full way: receipts of that
draw → the product's moments → the product's report → the recommendation of the product's gate.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pyarrow as pa

from benchmarks.one_draw import LEVEL, Assignment
from benchmarks.tally import Tally
from benchmarks.trials import CARD, IDENTIFICATION, JUDGED, paired_on_spend
from experiments.design.mechanisms import Mechanism, draw
from experiments.estimate.estimate import Estimate
from experiments.look.analysis import analyze_look
from experiments.look.plan import Leads, LookPlan, PlannedMetric, Role
from experiments.look.report import LookReport, ReportRow, Stamp
from experiments.measure.metrics import AssignmentUnit, MetricLevel, purchase_frequency, spend_per_customer, store_total
from pilot.demo.households import Baskets
from pilot.demo.seeds import DEMO, seed_of
from pilot.demo.stores import Before, before_the_pilot
from pilot.demo.truth import Moments, world_moments
from pilot.demo.worlds import CARDLESS, card_showing, receipts, revealed_new, store_code, with_cards_shown
from pilot.evidence.gate import recommend
from pilot.evidence.recommendation import Recommended
from pilot.planning.plan import Plan, StagePlan

CUSTOMER_METRICS = tuple(metric for metric in JUDGED if metric.level is MetricLevel.CUSTOMER)
_STAGE = StagePlan(number=1, name="one look", starts_on=date(2017, 6, 26), weeks=26)
_PLAN = Plan(pilot="demonstration", program="points", stages=(_STAGE,))
_PRIMARY = {Leads.STORE_TOTALS: store_total(), Leads.CUSTOMERS: purchase_frequency()}

Measured = Mapping[str, Moments]


def new_shoppers(number: int, baskets: Baskets, n_draws: int, tally: Tally) -> None:
    """World (a): ``same_rows`` counts draws whose customer rows all equal those without the new shoppers, exactly."""
    before = before_the_pilot(baskets, DEMO, "coverage", "new-shoppers", number, cardless_share=CARDLESS)
    plain = receipts(before)
    without = _measure(before, plain)
    pairs = paired_on_spend(without[spend_per_customer().code])
    for k in range(n_draws):
        seed = seed_of(DEMO, "coverage", "new-shoppers", number, "draw", k)
        assignment = draw(pairs, seed).assignment
        also = revealed_new(before, _treated(before, assignment))
        measured = _measure(before, with_cards_shown(before, plain, also))
        report = _count("new", tally, number, measured, pairs, assignment, seed)
        plain_report = report_of(without, pairs, assignment, seed, Leads.STORE_TOTALS)
        tally.add("new/same_rows", number, _customer_rows(report) == _customer_rows(plain_report))


def cards_shown_more(number: int, baskets: Baskets, n_draws: int, tally: Tally) -> None:
    """World (b): customer rows rise though nobody buys more; the stamp must say so."""
    before = before_the_pilot(baskets, DEMO, "coverage", "card-showing", number)
    plain = receipts(before)
    pairs = paired_on_spend(world_moments(before, plain, spend_per_customer()))
    for k in range(n_draws):
        seed = seed_of(DEMO, "coverage", "card-showing", number, "draw", k)
        assignment = draw(pairs, seed).assignment
        also = card_showing(before, _treated(before, assignment), DEMO, "coverage", "card-showing", number, "shows")
        _count("shown", tally, number, _measure(before, with_cards_shown(before, plain, also)), pairs, assignment, seed)


def _measure(before: Before, table: pa.Table) -> Measured:
    return {metric.code: world_moments(before, table, metric) for metric in (*JUDGED, IDENTIFICATION)}


def _treated(before: Before, assignment: Assignment) -> list[int]:
    return [store for store in before.eligible if assignment.get(store_code(store)) == CARD]


def report_of(measured: Measured, pairs: Mechanism, assignment: Assignment, seed: int, leads: Leads) -> LookReport:
    """The product's report of this draw, its permutations drawn by ``seed``."""
    primary = _PRIMARY[leads]
    metrics = tuple(
        PlannedMetric(metric, Role.PRIMARY if metric == primary else Role.SECONDARY)
        for metric in (*JUDGED, IDENTIFICATION)
    )
    plan = LookPlan(AssignmentUnit.STORE, pairs, assignment, metrics, leads, seed, alpha=LEVEL)
    moments = {code: [by_unit[unit] for unit in sorted(assignment)] for code, by_unit in measured.items()}
    return analyze_look(plan, moments, moments[IDENTIFICATION.code])


def _count(
    world: str, tally: Tally, number: int, measured: Measured, pairs: Mechanism, assignment: Assignment, seed: int
) -> LookReport:
    """Count what the report of this draw says, and return it."""
    report = report_of(measured, pairs, assignment, seed, Leads.STORE_TOTALS)
    for metric in JUDGED:
        estimate = _estimate(report.row(metric.code, CARD))
        tally.add(f"{world}/{metric.code}/effect", number, estimate.effect)
        tally.add(f"{world}/{metric.code}/rises", number, estimate.p_value <= LEVEL and estimate.effect > 0)
    tally.add(f"{world}/identified_more", number, _estimate(report.row(IDENTIFICATION.code, CARD)).effect)
    stamped = all(Stamp.MAY_BE_IDENTIFICATION in report.row(metric.code, CARD).stamps for metric in CUSTOMER_METRICS)
    tally.add(f"{world}/stamped", number, stamped)
    tally.add(f"{world}/advances", number, _advances(report))
    customers_lead = report_of(measured, pairs, assignment, seed, Leads.CUSTOMERS)
    tally.add(f"{world}/advances_customers_lead", number, _advances(customers_lead))
    return report


def _advances(report: LookReport) -> bool:
    return recommend(report, _PLAN, _STAGE).choice is Recommended.ADVANCE


def _customer_rows(report: LookReport) -> list[ReportRow]:
    """The customer rows without their stamps: a stamp speaks of identification, which the new shoppers do raise."""
    return [replace(report.row(metric.code, CARD), stamps=()) for metric in CUSTOMER_METRICS]


def _estimate(row: ReportRow) -> Estimate:
    if row.estimate is None:
        raise ValueError(f"{row.metric} was refused: {row.refusal}")
    return row.estimate
