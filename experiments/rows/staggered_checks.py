"""What stands around a staggered row: what it rests on, what took no part, and the checks of its design."""

import math
from collections.abc import Iterator

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.callaway_santanna import MANY, Aggregation, CallawaySantanna
from experiments.estimate.group_time import GroupTime
from experiments.estimate.stepped_wedge import SteppedWedge
from experiments.estimate.two_way_fixed_effects import two_way_fixed_effects
from experiments.estimate.unit_panel import Floats, UnitPanel
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.plan import Plan
from experiments.rows.pre_trends import pre_trends_of
from experiments.rows.series import SHOWN


def group_time_words(found: CallawaySantanna, panel: UnitPanel, plan: Plan) -> Iterator[Message]:
    """What the group-time effects rest on."""
    if not plan.is_randomised:
        template = N_(
            "observational: nobody drew who started when, so the effect is causal only if nothing else differed"
        )
        yield Message("observational_starts", template, {})
    conditional = panel.covariates is not None
    yield Message(
        "parallel_trends_given" if conditional else "parallel_trends",
        N_("assumes that, given the covariates, all starts would have moved alike without treatment (doubly robust)")
        if conditional
        else N_("assumes that all starts would have moved alike without treatment, and that nobody acted ahead of it"),
        {},
    )
    if found.small:
        template = N_(
            "under {many} units in some start: the error takes the starts as they are, with Student's t, and with two "
            "or three units in a start it is cautious"
        )
        yield Message("few_units_a_start", template, {"many": MANY})


def group_time_warnings(found: GroupTime) -> tuple[Message, ...]:
    """Units left out, and starts and periods that nothing can be compared with."""
    words = list(found.left_out.messages())
    for reason, template in (
        ("no_control", N_("{n} starts and periods have no unit still untreated and take no part: {cells}")),
        ("no_overlap", N_("{n} starts and periods have no control with like covariates and take no part: {cells}")),
    ):
        cells = [
            f"{found.panel.periods[cell.start]} in {found.panel.periods[cell.period]}"
            for cell in found.unidentified_after_start
            if cell.reason == reason
        ]
        if cells:
            words.append(Message(f"cells_{reason}", template, {"n": len(cells), "cells": _listed(cells)}))
    return tuple(words)


def wedge_warnings(wedge: SteppedWedge) -> tuple[Message, ...]:
    """Units left out, and periods without an untreated unit."""
    words = list(wedge.left_out.messages())
    if wedge.periods_left_out:
        words.append(
            Message(
                "periods_without_untreated",
                N_("in {n} periods no unit was left untreated; they take no part: {periods}"),
                {"n": len(wedge.periods_left_out), "periods": _listed(list(wedge.periods_left_out))},
            )
        )
    return tuple(words)


def reach(wedge: SteppedWedge, plan: Plan, variant: str) -> Diagnostic:
    """Whether the launch orders can show an effect at the plan's level at all."""
    can = wedge.smallest_p <= plan.alpha
    template = (
        N_("the smallest p-value that {orders} launch orders can give is {smallest:.2g}")
        if can
        else N_(
            "the smallest p-value that {orders} launch orders can give is {smallest:.2g}, above the level {level:.2g}: "
            "the design can never show an effect, however large"
        )
    )
    values: dict[str, str | int | float] = {
        "orders": wedge.n_orders,
        "smallest": wedge.smallest_p,
        "level": plan.alpha,
    }
    status = Status.OK if can else Status.ALARM
    return Diagnostic("reach", status, wedge.smallest_p, Message("wedge_reach", template, values), variant)


def pre_trends_before(found: CallawaySantanna, plan: Plan, variant: str) -> tuple[Diagnostic, ...]:
    """The steps before the start, averaged by time to it."""
    parts = [part for part in found.average(Aggregation.DYNAMIC).parts if part.position < 0]
    if not parts:
        return ()
    effects = np.array([part.effect for part in parts])
    errors = [part.welch.std_error if found.small else part.std_error for part in parts]
    influence = np.column_stack([part.influence for part in parts])
    own = np.sqrt((influence**2).sum(axis=0)) / len(influence)
    influence = influence * (np.array(errors) / np.where(own > 0.0, own, 1.0))
    df = min(part.welch.df for part in parts) if found.small else math.inf
    steps: Floats = np.ones(len(parts))  # every effect before the start is one step, so a trend is the same in each
    return (pre_trends_of(effects, influence, df=df, periods=steps, seed=plan.effective_seed, variant=variant),)


def fixed_effects(panel: UnitPanel, variant: str) -> tuple[Diagnostic, ...]:
    """What the usual regression would have said, and how much of it uses treated units as controls."""
    try:
        found = two_way_fixed_effects(panel)
    except NotEstimable:
        return ()
    message = Message(
        "two_way_fixed_effects",
        N_(
            "the usual regression with unit and period effects gives {effect:.4g} (error {std_error:.2g}); {share:.0%} "
            "of the treated units and periods count with a negative weight in it, so it is not used"
        ),
        {"effect": found.effect, "std_error": found.std_error, "share": found.negative_share},
    )
    status = Status.WARN if found.negative_share > 0.0 else Status.OK
    return (Diagnostic("two_way_fixed_effects", status, found.negative_share, message, variant),)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
