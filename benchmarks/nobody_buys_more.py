"""Two worlds in which nobody buys more and only cards are shown: what must not move, and what must be stamped.

(a) *new shoppers*: a tenth of the households showed no card before; in treated stores all of their receipts, and those
of everybody else without a home store, become identified from week 27 on. Nobody on a home list changes.
(b) *card-showing*: listed customers show their card on 40 % of their formerly anonymous visits to treated stores.

Here an assignment changes receipts of customers from other stores too, so each draw goes the full way: receipts of that
draw → the product's moments → the product's estimates.
"""

from benchmarks.one_draw import LEVEL, STAMP_LEVEL, Assignment, Headline, headline
from benchmarks.tally import Tally
from benchmarks.trials import CARD, IDENTIFICATION, JUDGED, paired_on_spend
from experiments.design.mechanisms import draw
from experiments.measure.metrics import MetricLevel, spend_per_customer, store_total
from experiments.measure.unit_moments import UnitMoments
from pilot.demo.households import Baskets
from pilot.demo.seeds import DEMO, seed_of
from pilot.demo.stores import Bools, before_the_pilot
from pilot.demo.truth import Moments, world_moments
from pilot.demo.worlds import CARDLESS, card_showing, receipts, revealed_new, store_code, with_cards_shown

CUSTOMER_METRICS = tuple(metric for metric in JUDGED if metric.level is MetricLevel.CUSTOMER)
METRICS = (*JUDGED, IDENTIFICATION)


def new_shoppers(number: int, baskets: Baskets, n_draws: int, tally: Tally) -> None:
    """World (a): ``same_rows`` counts draws whose customer rows all equal those without the new shoppers, exactly."""
    before = before_the_pilot(baskets, DEMO, "coverage", "new-shoppers", number, cardless_share=CARDLESS)
    plain = receipts(before)
    without = {metric.code: world_moments(before, plain, metric) for metric in METRICS}
    pairs = paired_on_spend(without[spend_per_customer().code])
    codes = {store_code(store): store for store in before.eligible}
    for k in range(n_draws):
        seed = seed_of(DEMO, "coverage", "new-shoppers", number, "draw", k)
        assignment = draw(pairs, seed).assignment
        treated = [codes[unit] for unit, variant in assignment.items() if variant == CARD]
        shown = with_cards_shown(before, plain, revealed_new(before, treated))
        rows, plain_rows = {}, {}
        for metric in METRICS:
            moments = world_moments(before, shown, metric)
            rows[metric.code] = headline(metric, _of(moments, assignment), pairs, assignment, seed=seed)
            plain_rows[metric.code] = headline(
                metric, _of(without[metric.code], assignment), pairs, assignment, seed=seed
            )
        same = all(rows[metric.code] == plain_rows[metric.code] for metric in CUSTOMER_METRICS)
        tally.add("new/same_rows", number, same)
        tally.add("new/identified_more", number, rows[IDENTIFICATION.code].effect)
        _count("new", tally, number, rows)


def cards_shown_more(number: int, baskets: Baskets, n_draws: int, tally: Tally) -> None:
    """World (b): customer rows rise though nobody buys more; the stamp must say so."""
    before = before_the_pilot(baskets, DEMO, "coverage", "card-showing", number)
    plain = receipts(before)
    pairs = paired_on_spend(world_moments(before, plain, spend_per_customer()))
    codes = {store_code(store): store for store in before.eligible}
    for k in range(n_draws):
        seed = seed_of(DEMO, "coverage", "card-showing", number, "draw", k)
        assignment = draw(pairs, seed).assignment
        treated = [codes[unit] for unit, variant in assignment.items() if variant == CARD]
        also: Bools = card_showing(before, treated, DEMO, "coverage", "card-showing", number, "shows")
        shown = with_cards_shown(before, plain, also)
        rows = {
            metric.code: headline(
                metric, _of(world_moments(before, shown, metric), assignment), pairs, assignment, seed=seed
            )
            for metric in METRICS
        }
        tally.add("shown/identified_more", number, rows[IDENTIFICATION.code].effect)
        _count("shown", tally, number, rows)


def _count(world: str, tally: Tally, number: int, rows: dict[str, Headline]) -> None:
    stamped = rows[IDENTIFICATION.code].p_value < STAMP_LEVEL
    total = rows[store_total().code]
    for metric in JUDGED:
        row = rows[metric.code]
        tally.add(f"{world}/{metric.code}/effect", number, row.effect)
        tally.add(f"{world}/{metric.code}/rises", number, row.p_value <= LEVEL and row.effect > 0)
    tally.add(f"{world}/stamped", number, stamped)
    # Store totals lead wherever an offer is tied to a card: the gate reads them, whatever the customer rows say.
    tally.add(f"{world}/advances", number, total.p_value <= LEVEL and total.effect > 0)
    # A pilot that let customers lead: a stamp hands the lead to the totals.
    led = total if stamped else rows["purchase_frequency"]
    tally.add(f"{world}/advances_customers_lead", number, led.p_value <= LEVEL and led.effect > 0)


def _of(moments: Moments, assignment: Assignment) -> tuple[UnitMoments, ...]:
    return tuple(moments[unit] for unit in sorted(assignment))
