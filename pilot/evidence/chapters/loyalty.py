"""True loyalty: what costs the customer something, next to repeat purchase, which may be habit or want of choice.

Everything is of the listed customers of each unit, whatever they do with the card: full-price share, purchases beyond
the home store, unpaid referrals and share of wallet as they say when asked. What has no data says what to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from experiments.design.mechanisms import CONTROL
from experiments.errors import NotEstimable
from experiments.estimate.estimate import Estimate
from experiments.estimate.unit_table import unit_table
from experiments.look.unit_effects import Ratio, permuted, ratio_effect
from experiments.measure.days import DayFacts
from experiments.measure.metrics import Metric, repeat_purchase
from experiments.measure.unit_moments import UnitMoments
from experiments.measure.visits import BEFORE, WINDOW
from experiments.measure.windows import windows_for
from experiments.messages import N_
from experiments.messages import Message as ExperimentMessage
from pilot.evidence.chapters import loyalty_customers as by_customer
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.reasons import (
    EXPLORATORY,
    customers,
    divided,
    identification_of,
    or_reason,
    require_enough,
)
from pilot.outcomes.surveys import WHOLE, answers_between

if TYPE_CHECKING:
    from pilot.network.model import SurveyAnswer

_DAYS = 60
_NO_ANSWERS = ExperimentMessage(
    "no_survey_answers",
    N_(
        "no listed customer answered this question from {first:date} to {last:date}; import survey answers: customer, "
        "day asked, share of wallet, recommended us, paid for it"
    ),
    {},
)


class LoyaltyRow(StrEnum):
    """The rows of the chapter in their order; the codes are the metric library's, but for the last."""

    REPEAT = "repeat_purchase"
    FULL_PRICE = "full_price_share"
    BEYOND_HOME = "visits_beyond_home"
    REFERRALS = "unpaid_referrals"
    WALLET = "share_of_wallet"
    RESPONSE = "response"


# What an answer says to a question: (numerator, denominator), None where it says nothing.
Says = Callable[["SurveyAnswer"], tuple[int, int] | None]
Rows = Mapping[LoyaltyRow, Callable[[str], dict[str, Any]]]


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """The chapter: per variant one row a measure, with its effect or why there is none."""
    repeat = repeat_purchase(min(_DAYS, inputs.window.days))
    of_customers = inputs.population.customers is not None
    rows = _rows_of_customers(inputs, repeat) if of_customers else _rows_of_stores(inputs, repeat)
    return {
        "confidence_level": 0.95,
        "days": repeat.params["days"],
        "drawn": "customers" if of_customers else "stores",
        "variants": {
            variant: {
                "rows": {
                    row.value: {**_stamp(inputs, row, repeat), **or_reason(compute, variant)}
                    for row, compute in rows.items()
                },
                "identification": identification_of(inputs, variant),
            }
            for variant in inputs.plan.treated
        },
    }


def _rows_of_stores(inputs: ChapterInputs, metric: Metric) -> Rows:
    asked, moments = _Answers(inputs), _repeat(inputs, metric)
    return {
        LoyaltyRow.REPEAT: lambda variant: _planned(inputs, metric, moments, variant),
        LoyaltyRow.FULL_PRICE: lambda variant: _effect(inputs, _full_price(inputs), variant),
        LoyaltyRow.BEYOND_HOME: lambda variant: _effect(inputs, _beyond_home(inputs), variant),
        LoyaltyRow.REFERRALS: lambda variant: _of_people(_effect(inputs, asked.ratios(_unpaid_referral), variant)),
        LoyaltyRow.WALLET: lambda variant: _of_people(_effect(inputs, asked.ratios(_wallet), variant, WHOLE)),
        LoyaltyRow.RESPONSE: lambda variant: _of_people(_effect(inputs, asked.response(), variant)),
    }


def _rows_of_customers(inputs: ChapterInputs, metric: Metric) -> Rows:
    asked = _Answers(inputs)
    return {
        LoyaltyRow.REPEAT: lambda variant: by_customer.repeat(inputs, metric, variant),
        LoyaltyRow.FULL_PRICE: lambda variant: by_customer.share_of_amounts(
            inputs, "full_price_net_minor", "net_minor", variant
        ),
        LoyaltyRow.BEYOND_HOME: lambda variant: by_customer.share_of_amounts(
            inputs, "sales_elsewhere", "sales", variant
        ),
        LoyaltyRow.REFERRALS: lambda variant: by_customer.answers(inputs, asked.said(_unpaid_referral), variant),
        LoyaltyRow.WALLET: lambda variant: by_customer.answers(inputs, asked.said(_wallet), variant, WHOLE),
        LoyaltyRow.RESPONSE: lambda variant: by_customer.response(
            inputs, set(asked.said(lambda answer: (0, 1))), variant
        ),
    }


def _stamp(inputs: ChapterInputs, row: LoyaltyRow, repeat: Metric) -> dict[str, str]:
    """Repeat purchase is in the plan where it was planned with these days; everything else is exploratory."""
    planned = row is LoyaltyRow.REPEAT and repeat.code in inputs.plan.metric_codes
    return {} if planned else {"stamp": EXPLORATORY}


def _effect(inputs: ChapterInputs, ratios: Sequence[Ratio], variant: str, whole: int = 1) -> dict[str, Any]:
    """The effect on a ratio whose values are counted in parts of ``whole``."""
    estimate = divided(ratio_effect(ratios, inputs.look_plan, variant), whole)
    counted = {arm: _counted(inputs, ratios, arm) for arm in (CONTROL, variant)}
    return _found(estimate, counted[CONTROL], counted[variant])


def _of_people(found: dict[str, Any]) -> dict[str, Any]:
    """What is told of people, where they are enough."""
    require_enough(found["n_control"], found["n_variant"])
    return {**found, **customers(found["n_control"], found["n_variant"])}


def _counted(inputs: ChapterInputs, ratios: Sequence[Ratio], arm: str) -> int:
    return sum(ratio.n for ratio in ratios if inputs.population.assignment[ratio.unit] == arm)


def _found(estimate: Estimate, control: int, treated: int) -> dict[str, Any]:
    """``n_control`` and ``n_variant`` are the denominators: customers, purchases, minor units, or answers."""
    return {"estimate": estimate.to_dict(), "n_control": control, "n_variant": treated}


def _repeat(inputs: ChapterInputs, metric: Metric) -> Sequence[UnitMoments]:
    """Repeat purchase within 60 days, or within the window where that is shorter."""
    from experiments.measure.stage import Asked, stage_moments

    known = [row for row in inputs.moments.get(metric.code, ()) if isinstance(row, UnitMoments)]
    if known:
        return known
    windows = windows_for(metric, window=inputs.window, before=inputs.before, data_through=inputs.through)
    population = inputs.population
    found = stage_moments(
        DayFacts.of_receipts(inputs.receipts),
        Asked([(metric, windows)]),
        units=sorted(population.assignment),
        stores=population.stores,
        homes=population.homes.select(["customer_key", "unit"]),
    )
    return [row for row in found.moments[metric.code] if row.unit in population.units]


def _planned(inputs: ChapterInputs, metric: Metric, moments: Sequence[UnitMoments], variant: str) -> dict[str, Any]:
    plan = inputs.look_plan
    table = unit_table(metric, moments, mechanism=plan.mechanism, assignment=plan.assignment, variant=variant)
    estimate, _ = permuted(table, plan, variant)
    n = {arm: sum(row.n for row in moments if plan.assignment[row.unit] == arm) for arm in (CONTROL, variant)}
    return _of_people(_found(estimate, n[CONTROL], n[variant]))


def _full_price(inputs: ChapterInputs) -> list[Ratio]:
    """Net sales of receipts without a discount / net sales of the listed customers, wherever they bought."""
    return _of_visits(inputs, "full_price_net_minor", "net_minor", lambda _row: True)


def _beyond_home(inputs: ChapterInputs) -> list[Ratio]:
    """Purchases outside the unit of home / all purchases of the listed customers."""
    return _of_visits(inputs, "sales", "sales", lambda row: row["at"] != row["home"])


def _of_visits(
    inputs: ChapterInputs, numerator: str, denominator: str, counts: Callable[[Mapping[str, Any]], bool]
) -> list[Ratio]:
    sums = {unit: {period: [0, 0] for period in (WINDOW, BEFORE)} for unit in inputs.population.units}
    for row in inputs.visits.to_pylist():
        if row["home"] not in sums:
            continue
        found = sums[row["home"]][row["period"]]
        found[0] += row[numerator] if counts(row) else 0
        found[1] += row[denominator]
    return [Ratio(unit, *found[WINDOW], *found[BEFORE]) for unit, found in sums.items()]


def _unpaid_referral(answer: SurveyAnswer) -> tuple[int, int] | None:
    """Who recommended and does not say whether it was paid has not answered."""
    if answer.referred is None or (answer.referred and answer.referral_paid is None):
        return None
    return int(answer.referred and not answer.referral_paid), 1


def _wallet(answer: SurveyAnswer) -> tuple[int, int] | None:
    return None if answer.share_of_wallet_ppm is None else (answer.share_of_wallet_ppm, 1)


class _Answers:
    """The answers of listed customers by unit of home, in the window and before it."""

    def __init__(self, inputs: ChapterInputs) -> None:
        self._inputs = inputs
        homes = inputs.population.homes
        self._listed: dict[str, int] = dict.fromkeys(inputs.population.units, 0)
        self._said = {
            period: answers_between(inputs.session, window.first, window.last)
            for period, window in ((WINDOW, inputs.window), (BEFORE, inputs.before))
        }
        wanted = {answer.customer_key for said in self._said.values() for answer in said}
        self._home: dict[int, str] = {}
        for key, unit in zip(homes["customer_key"].to_pylist(), homes["unit"].to_pylist(), strict=True):
            if unit in self._listed:
                self._listed[unit] += 1
                if key in wanted:
                    self._home[key] = unit

    def said(self, says: Says) -> dict[int, tuple[int, int]]:
        """What each drawn customer says in the window, the latest that says something. Raises ``NotEstimable``."""
        drawn = set(self._inputs.customers.column("customer_key").to_pylist())
        found = {key: answer for key, answer in _latest(self._said[WINDOW], says).items() if key in drawn}
        if not found:
            raise NotEstimable(self._nobody_answered())
        return found

    def ratios(self, says: Says) -> list[Ratio]:
        """What customers say, one answer each, the latest that says something. Raises ``NotEstimable``."""
        sums = {period: self._sums(said, says) for period, said in self._said.items()}
        if not any(n for _, n in sums[WINDOW].values()):
            raise NotEstimable(self._nobody_answered())
        return [Ratio(unit, *sums[WINDOW][unit], *sums[BEFORE][unit]) for unit in self._listed]

    def response(self) -> list[Ratio]:
        """Who answered anything / listed customers."""
        self.ratios(lambda answer: (0, 1))
        answered = self._sums(self._said[WINDOW], lambda answer: (0, 1))
        return [Ratio(unit, answered[unit][1], listed) for unit, listed in self._listed.items()]

    def _nobody_answered(self) -> ExperimentMessage:
        window = self._inputs.window
        values = {"first": window.first.isoformat(), "last": window.last.isoformat()}
        return ExperimentMessage(_NO_ANSWERS.code, _NO_ANSWERS.template, values)

    def _sums(self, said: Sequence[SurveyAnswer], says: Says) -> dict[str, tuple[int, int]]:
        sums = dict.fromkeys(self._listed, (0, 0))
        for key, (y, n) in _latest(said, says).items():
            unit = self._home.get(key)
            if unit is not None:
                sums[unit] = (sums[unit][0] + y, sums[unit][1] + n)
        return sums


def _latest(said: Sequence[SurveyAnswer], says: Says) -> dict[int, tuple[int, int]]:
    latest: dict[int, tuple[int, int]] = {}
    for answer in said:  # in the order of days
        found = says(answer)
        if found is not None:
            latest[answer.customer_key] = found
    return latest
