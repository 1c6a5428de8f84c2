"""What the standard policy does with a harmful, a useless and a worthwhile program, and whether forecasts cover.

``python -m benchmarks.gate_policy --write`` plays 2,000 pilots for each program and 500 worlds of forecasts, prints
both tables and puts them into docs/gate_policy.md; ``--quick`` plays few, for a test. Simulated are the stores' weekly
sales; everything after them is the product's own: pairs, draw, look analysis, money, gate, transport.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from experiments.design.mechanisms import CONTROL, Candidate, Mechanism, Share, draw, matched_pairs
from experiments.errors import NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.forecast.harm import posterior
from experiments.forecast.shrinkage import Prior
from experiments.forecast.transport import GroupEffect, transport
from experiments.look.analysis import analyze_look
from experiments.look.money import money_effect
from experiments.look.plan import Leads, LookPlan, PlannedMetric, Role
from experiments.measure.metrics import AssignmentUnit, store_total
from experiments.measure.unit_moments import UnitMoments
from experiments.measure.unit_money import UnitMoney
from pilot.evidence.gate import recommend
from pilot.evidence.recommendation import Cause, Recommended
from pilot.planning.plan import STANDARD_GATE, GateRule, Plan, StagePlan

PAGE = Path(__file__).parents[1] / "docs" / "gate_policy.md"

# Fixed before the first run; none of them was changed after a result.
SEED = 20_261_122
PILOTS, WORLDS, QUICK = 2_000, 500, 4
PRE_WEEKS, WEEKS, EXTENSION, LOOKS = 26, 12, 6, 2
STAGES = (40, 80)  # stores of the pilot's stage, and of the regions' stage
NETWORK = 400
ALPHA, DRAWS = 0.05, 999
MARGIN = 0.25  # of net sales: what goods earn
SIZE_SPREAD, DRIFT, WEEKLY, CARRY = (
    0.5,
    0.03,
    0.08,
    0.4,
)  # store sizes (log), drift after the start, weekly noise, AR(1)
BETWEEN = 0.02  # standard deviation of a program's effect between stores
COVERED_AT_LEAST, CONFIDENCE = 0.85, 0.90

GROUPS = 4  # groups of pairs in each of two strata, from which the network is forecast

CARD, NET = "card", "net_minor_per_week"
WITH_MONEY = (*STANDARD_GATE, GateRule.MONEY)
_MEAN_MINOR = 2_000_000  # weekly sales of a mean store


@dataclass(frozen=True, slots=True)
class Program:
    """What is tried: its true mean ``effect`` on sales, what it gives back (``reward``, of sales), and the gate."""

    name: str
    effect: float
    reward: float
    gate: tuple[GateRule, ...] = STANDARD_GATE


PROGRAMS = (
    Program("harmful", -0.04, 0.01),
    Program("useless", 0.0, 0.01),
    Program("worthwhile", 0.10, 0.01),
    Program("harmful", -0.04, 0.01, WITH_MONEY),
    Program("useless", 0.0, 0.01, WITH_MONEY),
    Program("worthwhile", 0.10, 0.01, WITH_MONEY),
    # Added when a first trial of four pilots had shown that the row before passes rarely: at a fifth of the cost.
    Program("worthwhile and cheap", 0.10, 0.002, WITH_MONEY),
)


@dataclass(frozen=True, slots=True)
class World:
    """Weekly sales of stores without any program, (stores, weeks), the pre-period first; and each store's effect."""

    sales: Floats
    effects: Floats


@dataclass(slots=True)
class Outcomes:
    """What became of the pilots of one program."""

    launched: int = 0
    causes: dict[Cause, int] = field(default_factory=dict)
    stores: list[int] = field(default_factory=list)
    weeks: list[int] = field(default_factory=list)
    first_stage: int = 0

    def stop(self, cause: Cause) -> None:
        self.causes[cause] = self.causes.get(cause, 0) + 1


def world(stores: int, effect: float, generator: np.random.Generator) -> World:
    """Sizes differ, sales drift apart for good after the start, and each week has noise that carries over."""
    weeks = PRE_WEEKS + WEEKS + (LOOKS - 1) * EXTENSION
    size = _MEAN_MINOR * np.exp(SIZE_SPREAD * generator.standard_normal(stores) - SIZE_SPREAD**2 / 2.0)
    drift = 1.0 + DRIFT * generator.standard_normal(stores)
    noise = np.empty((stores, weeks))
    noise[:, 0] = generator.standard_normal(stores)
    for week in range(1, weeks):
        noise[:, week] = CARRY * noise[:, week - 1] + math.sqrt(1 - CARRY**2) * generator.standard_normal(stores)
    level = np.where(np.arange(weeks) < PRE_WEEKS, 1.0, drift[:, None])
    sales = size[:, None] * level * np.clip(1.0 + WEEKLY * noise, 0.05, None)
    return World(sales, effect + BETWEEN * generator.standard_normal(stores))


def paired(found: World) -> Mechanism:
    """The product's pairs of stores with alike sales before the start."""
    before = found.sales[:, :PRE_WEEKS].mean(axis=1)
    candidates = [Candidate(f"S{i:03}", None, {NET: int(value)}) for i, value in enumerate(before)]
    return matched_pairs(candidates, [Share(CONTROL, 1), Share(CARD, 1)], on=[NET])


def stage_plan(number: int, gate: tuple[GateRule, ...]) -> StagePlan:
    return StagePlan(
        number=number, name="a stage", starts_on=date(2026, 1, 5), weeks=WEEKS, looks=LOOKS,
        extension_weeks=EXTENSION, gate=gate,
    )  # fmt: skip


PLAN = Plan.from_document(
    {
        "pilot": "p", "program": "card", "variants": [{"code": CONTROL}, {"code": CARD}],
        "economics": {"margin_share": str(MARGIN)},
    }
)  # fmt: skip


def _minor(sales: Floats) -> list[int]:
    return [round(value) for value in sales.sum(axis=1)]


def play_stage(number: int, program: Program, found: World, seed: int) -> tuple[Recommended, Cause | None, int]:
    """One stage from its draw to its end: the choice, why it stopped, and how many weeks it took."""
    mechanism, stage = paired(found), stage_plan(number, program.gate)
    assignment = draw(mechanism, seed).assignment
    treated = np.array([assignment.get(f"S{i:03}") == CARD for i in range(len(found.sales))])
    lifted = found.sales * np.where(treated, 1.0 + found.effects, 1.0)[:, None]
    before = _minor(found.sales[:, :PRE_WEEKS])
    for look in range(1, LOOKS + 1):
        weeks = WEEKS + (look - 1) * EXTENSION
        window = _minor(lifted[:, PRE_WEEKS : PRE_WEEKS + weeks])
        plan = LookPlan(
            unit=AssignmentUnit.STORE, mechanism=mechanism, assignment=assignment,
            metrics=(PlannedMetric(store_total(), Role.PRIMARY),), leads=Leads.STORE_TOTALS,
            seed=seed, alpha=ALPHA, look=look, looks_planned=LOOKS, draws=DRAWS,
        )  # fmt: skip
        units = [(i, f"S{i:03}") for i in range(len(window)) if f"S{i:03}" in assignment]
        report = analyze_look(plan, {"store_total": _totals(units, window, before, weeks)})
        chapters = {}
        if GateRule.MONEY in program.gate:
            account = money(plan, units, window, before, treated, weeks=weeks, reward=program.reward,
                            confidence=report.look.gate_confidence)  # fmt: skip
            chapters = {"money": {"variants": {CARD: account}}}
        said = recommend(report, PLAN, stage, chapters)
        if said.choice is not Recommended.EXTEND:
            return said.choice, said.cause, weeks
    return Recommended.STOP, Cause.EVIDENCE, weeks


def _totals(
    units: Sequence[tuple[int, str]], window: Sequence[int], before: Sequence[int], weeks: int
) -> tuple[UnitMoments, ...]:
    days, days_x = 7 * weeks, 7 * PRE_WEEKS
    return tuple(
        UnitMoments(
            unit=code, n=days, y=window[i], yy=window[i] ** 2, x=before[i], xx=before[i] ** 2, xy=0, n_x=days_x,
            days=days, days_x=days_x,
        )
        for i, code in units
    )  # fmt: skip


def money(
    plan: LookPlan,
    units: Sequence[tuple[int, str]],
    window: Sequence[int],
    before: Sequence[int],
    treated: Any,
    *,
    weeks: int,
    reward: float,
    confidence: float,
) -> dict[str, Any]:
    """The account of a look, as the chapter of a report reckons it where nothing is paid but rewards."""
    rows = [
        UnitMoney(
            code, 1, window[i], 0, round(MARGIN * window[i]), 0, round(reward * window[i]) if treated[i] else 0,
            round(MARGIN * before[i]),
        )
        for i, code in units
    ]  # fmt: skip
    found = money_effect(plan, rows, CARD, days=7 * weeks, days_before=7 * PRE_WEEKS)
    estimate, (_, high) = found.effect.estimate, found.effect.inference.interval(confidence)
    scale, sceptical = found.control_sales * MARGIN, PLAN.priors.sceptical
    prior = Prior(
        "sceptical", scale * float(sceptical.mean_share) - found.rewards, scale * float(sceptical.sd_share),
        sceptical.source,
    )  # fmt: skip
    known = posterior(estimate.effect, found.effect.regression_error, found.effect.regression_df, prior)
    return {
        "net_minor": round(estimate.effect * found.times),
        "horizon_high_gate_minor": None if high is None else round(high * found.times),
        "p_loss_sceptical": known.probability_below(0.0),
    }


def play(program: Program, pilots: int) -> Outcomes:
    """Pilots of one program under the standard policy: executives do what the reports recommend."""
    found = Outcomes()
    for number in range(pilots):
        generator = np.random.Generator(np.random.PCG64([SEED, number]))  # the same worlds for every program
        stores = weeks = 0
        for stage, size in enumerate(STAGES, start=1):
            found_world, seed = world(size, program.effect, generator), int(generator.integers(2**53))
            choice, cause, took = play_stage(stage, program, found_world, seed)
            stores, weeks = stores + size // 2, weeks + took
            if choice is not Recommended.ADVANCE:
                found.stop(cause or Cause.EVIDENCE)
                break
            found.first_stage += stage == 1
        else:
            found.launched += 1
        found.stores.append(stores)
        found.weeks.append(weeks)
    return found


def forecasts(worlds: int) -> tuple[int, int, float]:
    """In how many worlds the 90 % prediction interval holds the mean effect of the untreated stores, of how many; and
    the mean width of the interval in points of sales."""
    covered, made, widths = 0, 0, []
    for number in range(worlds):
        generator = np.random.Generator(np.random.PCG64([SEED, 99, number]))
        effect = 0.05 * float(generator.standard_normal())
        found = world(NETWORK, effect, generator)
        strata = np.arange(NETWORK) % 2
        found.effects[strata == 1] += 0.02
        piloted = generator.permutation(NETWORK)[: STAGES[1]]
        groups = _pairs_of(found, piloted, strata, int(generator.integers(2**53)))
        untreated = np.setdiff1d(np.arange(NETWORK), piloted)
        truth = float(found.effects[untreated].mean())
        try:
            said = transport(
                groups, {str(h): int((strata[untreated] == h).sum()) for h in (0, 1)}, confidence_level=CONFIDENCE
            )
        except NotEstimable:
            continue
        made += 1
        covered += said.interval[0] <= truth <= said.interval[1]
        widths.append(said.interval[1] - said.interval[0])
    return covered, made, float(np.mean(widths)) if widths else math.nan


def _pairs_of(found: World, piloted: Any, strata: Any, seed: int) -> list[GroupEffect]:
    """Groups of pairs: the mean of their pairs' differences of change, and its error from how these differ."""
    groups: list[GroupEffect] = []
    for stratum in (0, 1):
        chosen = piloted[strata[piloted] == stratum]
        part = World(found.sales[chosen], found.effects[chosen])
        mechanism = paired(part)
        assignment = draw(mechanism, seed + stratum).assignment
        window = slice(PRE_WEEKS, PRE_WEEKS + WEEKS)
        differences = []
        for block in mechanism.blocks:
            change = {}
            for code in block:
                i = int(code[1:])
                lift = 1.0 + part.effects[i] if assignment[code] == CARD else 1.0
                sales = part.sales[i]
                change[assignment[code]] = sales[window].mean() * lift / sales[:PRE_WEEKS].mean()
            differences.append(change[CARD] / change[CONTROL] - 1.0)
        for part_of in np.array_split(np.array(differences), GROUPS):
            error = float(part_of.std(ddof=1)) / math.sqrt(len(part_of))
            groups.append(GroupEffect(float(part_of.mean()), error, str(stratum), len(part_of)))
    return groups


def rate(hits: int, n: int) -> str:
    """A share with its Monte Carlo error."""
    p = hits / n
    return f"{p:.1%} ± {math.sqrt(p * (1 - p) / n):.1%}"


def page(outcomes: Mapping[Program, Outcomes], coverage: tuple[int, int, float], pilots: int) -> str:
    """Both tables, as Markdown."""
    causes = (Cause.HARM, Cause.MONEY, Cause.FUTILITY, Cause.EVIDENCE)
    head = [
        "program", "true effect on sales", "rewards, of sales", "gate", "goes to the network",
        "through the first stage",
        *(f"stopped: {cause.value}" for cause in causes), "stores treated", "weeks",
    ]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for program, found in outcomes.items():
        gate = "with the money rule" if GateRule.MONEY in program.gate else "standard"
        cells = [program.name, f"{program.effect:+.0%}", f"{program.reward:.1%}", gate]
        cells += [rate(found.launched, pilots), rate(found.first_stage, pilots)]
        cells += [rate(found.causes.get(cause, 0), pilots) for cause in causes]
        cells += [f"{np.mean(found.stores):.0f}", f"{np.mean(found.weeks):.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    covered, made, width = coverage
    verdict = "as wanted" if covered >= COVERED_AT_LEAST * made else "MISSED"
    return "\n".join(
        [
            f"{pilots:,} pilots a row; ± is one Monte Carlo standard error.",
            "",
            *lines,
            "",
            f"{CONFIDENCE:.0%} prediction intervals for the untreated stores' mean effect held it in {covered} of "
            f"{made} worlds ({covered / made:.1%}; at least {COVERED_AT_LEAST:.0%} wanted: {verdict}). "
            f"Their mean width is {100 * width:.1f} points of sales.",
        ]
    )


BEGIN, END = (
    "<!-- written by benchmarks/gate_policy.py: begin -->",
    "<!-- written by benchmarks/gate_policy.py: end -->",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print, and put the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/gate_policy.md")
    parser.add_argument("--quick", action="store_true", help="a few pilots and worlds only")
    given = parser.parse_args(arguments)
    pilots, worlds = (QUICK, QUICK) if given.quick else (PILOTS, WORLDS)
    outcomes = {program: play(program, pilots) for program in PROGRAMS}
    text = page(outcomes, forecasts(worlds), pilots)
    print(text)
    if given.write:
        before, rest = PAGE.read_text("utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
