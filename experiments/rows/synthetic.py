"""Rows of one to four hand-picked units: synthetic DiD first, synthetic controls beside it, all by placebo in space."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.placebo import Placebo, placebo_in_space
from experiments.estimate.synthetic_control import SyntheticFit, difference_in_differences_fit, synthetic_control
from experiments.estimate.synthetic_did import synthetic_did
from experiments.estimate.time_permutation import time_permutation_p
from experiments.frame import NEVER, Bools, Floats, Frame, Ints
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.plan import Kind, MetricSpec, Plan
from experiments.rows.covariates import start_of
from experiments.rows.finding import Finding, RowResult
from experiments.rows.series import named, series

MOST_TREATED = 4
FEWEST_DONORS = 15
MOST_DONORS_BESIDE = 100  # placebos of more take longer than an alternative is worth
FEWEST_BEFORE = 5
LONG_BEFORE = 20  # periods before the start from which on nothing is said about their number
FAIR_FIT = 0.5  # scaled imbalance: a synthetic control that halves what equal weights leave
ODD_FIT = 0.1  # share of placebo fits at least as bad as the actual one
_DEMEANED, _DID = "synthetic_control_demeaned", "synthetic_did"
_WITHOUT_GAPS = "treated units with data in every period"
_SMALL_WEIGHT = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class _Contrast:
    panel: DonorPanel
    donors: tuple[str, ...]
    periods: tuple[str, ...]
    n_rows: int
    treated_left_out: int
    warnings: tuple[Message, ...]


def build(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> RowResult:
    """One metric of one variant with 1 to 4 treated units: synthetic DiD, its error from placebos in space.

    Beside it the plain and the demeaned synthetic control and the plain difference in differences, by the same
    placebos; in ``extra`` the weights, the fit before the start, the placebo rank and the permutation over time. Raises
    ``NotEstimable`` with more treated units, fewer than 15 donors or fewer than five periods before the start.
    """
    made = _contrast(frame, plan, metric, variant)
    panel = made.panel
    seed, level = plan.effective_seed, plan.confidence_level
    placebo = _did_by_placebo(panel, seed)
    beside: dict[str, Callable[[DonorPanel], SyntheticFit]] = {
        _DEMEANED: _demeaned,
        "synthetic_control": _plain,
        "difference_in_differences": difference_in_differences_fit,
    }
    others = {name: placebo_in_space(panel, estimator, seed=seed) for name, estimator in beside.items()}
    return RowResult(
        headline=_by_placebo(panel, _DID, placebo, level),
        inference=placebo.inference,
        estimand="treated units",
        mean_control=float(panel.donors[:, panel.n_before :].mean()),
        mean_variant=float(panel.treated[:, panel.n_before :].mean()),
        n_units=len(panel.treated) + len(panel.donors),
        n_rows=made.n_rows,
        randomization_p=None,
        assumptions=_assumptions(metric, len(panel.donors)),
        alternatives=tuple(_by_placebo(panel, name, found, level) for name, found in others.items()),
        warnings=made.warnings + _short_history(panel),
        diagnostics=_diagnostics(placebo, others[_DEMEANED].fit, variant),
        extra={"synthetic": _details(made, placebo, others[_DEMEANED].fit)},
        on_treated=True,
    )


def alternatives(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> tuple[Finding, ...]:
    """Demeaned synthetic control and synthetic DiD of any panel with one start, to stand beside another headline.

    With 1 to 4 treated units and 15 to 100 donors their errors come from placebos in space. Otherwise no error can be
    had that way: synthetic DiD stands as a bare number, the synthetic control with the p-value of the block permutation
    over time (of no effect in any period) and no interval. Empty where a synthetic control cannot be formed.
    """
    try:
        made = _contrast(frame, plan, metric, variant, needs_all_treated=False)
        panel = made.panel
        if len(panel.treated) <= MOST_TREATED and FEWEST_DONORS <= len(panel.donors) <= MOST_DONORS_BESIDE:
            seed, noise = plan.effective_seed, panel.noise
            control = placebo_in_space(panel, _demeaned, seed=seed)
            did = placebo_in_space(panel, lambda p: synthetic_did(p, noise=noise), seed=seed)
            found = (
                _by_placebo(panel, _DEMEANED, control, plan.confidence_level),
                _by_placebo(panel, _DID, did, plan.confidence_level),
            )
        else:
            found = (
                _bare(panel, _DEMEANED, _demeaned(panel), plan.confidence_level, time_permutation_p(panel)),
                _bare(panel, _DID, synthetic_did(panel), plan.confidence_level, None),
            )
    except NotEstimable:
        return ()
    if not made.treated_left_out:
        return found
    left_out = {"units_left_out": made.treated_left_out}
    return tuple(replace(one, estimand=_WITHOUT_GAPS, extra={**one.extra, **left_out}) for one in found)


def hand_picked(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> tuple[DonorPanel, Placebo]:
    """The headline of ``build`` alone: treated units and donors, and synthetic DiD with its placebos."""
    panel = _contrast(frame, plan, metric, variant).panel
    return panel, _did_by_placebo(panel, plan.effective_seed)


def _did_by_placebo(panel: DonorPanel, seed: int) -> Placebo:
    _require_reach(panel)
    noise = panel.noise
    return placebo_in_space(panel, lambda p: synthetic_did(p, noise=noise), seed=seed)


def _demeaned(panel: DonorPanel) -> SyntheticFit:
    return synthetic_control(panel, demeaned=True)


def _plain(panel: DonorPanel) -> SyntheticFit:
    return synthetic_control(panel, demeaned=False)


def _by_placebo(panel: DonorPanel, method: str, placebo: Placebo, level: float) -> Finding:
    t = placebo.inference
    return Finding(
        method, t.effect, t.std_error, t.df, t.interval(level), t.p_value(), level, extra=_fit_of(panel, placebo.fit)
    )


def _bare(panel: DonorPanel, method: str, fit: SyntheticFit, level: float, p_value: float | None) -> Finding:
    return Finding(method, fit.effect, None, None, (None, None), p_value, level, extra=_fit_of(panel, fit))


def _fit_of(panel: DonorPanel, fit: SyntheticFit) -> dict[str, object]:
    """The fit before the start, the lift over what would have been, and the total over units and periods."""
    without = float(panel.treated_mean[panel.n_before :].mean()) - fit.effect
    return {
        "l2_imbalance": fit.imbalance,
        "l2_imbalance_scaled": fit.scaled_imbalance,
        "lift": fit.effect / without if without else None,
        "total_effect": fit.effect * len(panel.treated) * panel.n_after,
    }


def _contrast(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, *, needs_all_treated: bool = True
) -> _Contrast:
    """Treated units and donors over the periods of the frame. Donors with a missing period are left out and named;
    treated units with one are refused, or left out too where not all are needed."""
    if metric.kind is Kind.DURATION or frame.period_of is None:
        raise NotEstimable(
            Message(
                "no_series",
                N_("a synthetic control needs a series of periods; {metric} has none"),
                {"metric": metric.name},
            )
        )
    number = frame.variants.index(variant)
    is_treated: Bools = np.equal(frame.variant_of, number)
    start = _one_start(frame, plan, is_treated)
    values = series(frame, metric)
    full: Bools = np.asarray(np.isfinite(values).all(axis=1), dtype=np.bool_)
    with_gaps = is_treated & ~full
    if with_gaps.any() and (needs_all_treated or not bool(full[is_treated].any())):
        template = N_("{n} treated units have periods without data: {units}")
        raise NotEstimable(Message("treated_with_gaps", template, _named(frame, with_gaps)))
    is_treated = is_treated & full
    is_donor = (frame.variant_of == 0) & full
    left_out = (frame.variant_of == 0) & ~full
    warnings: tuple[Message, ...] = ()
    if left_out.any():
        template = N_("{n} donors have periods without data and take no part: {units}")
        warnings = (Message("donors_with_gaps", template, _named(frame, left_out)),)
    rows = np.bincount(frame.unit_of, minlength=frame.n_units)
    return _Contrast(
        DonorPanel(values[is_treated], values[is_donor], start),
        tuple(frame.units[int(place)] for place in np.flatnonzero(is_donor)),
        frame.periods,
        int(rows[is_treated | is_donor].sum()),
        int(with_gaps.sum()),
        warnings,
    )


def _one_start(frame: Frame, plan: Plan, is_treated: Bools) -> int:
    if frame.first_treated is not None and plan.windows is None:
        starts: Ints = np.unique(frame.first_treated[is_treated])
        if len(starts) != 1 or starts[0] == NEVER:
            template = N_("the treated units start in {n} different periods; a synthetic control needs one")
            raise NotEstimable(Message("several_starts", template, {"n": len(starts)}))
        return int(starts[0])
    return start_of(frame, plan)


def _named(frame: Frame, units: Bools) -> dict[str, str | int | float]:
    return named([frame.units[int(place)] for place in np.flatnonzero(units)])


def _require_reach(panel: DonorPanel) -> None:
    n_treated, n_donors = len(panel.treated), len(panel.donors)
    if n_treated > MOST_TREATED:
        template = N_(
            "{n} treated units: placebos in space answer for at most {most}; compare units in a panel instead"
        )
        raise NotEstimable(Message("too_many_treated", template, {"n": n_treated, "most": MOST_TREATED}))
    if n_donors < FEWEST_DONORS:
        template = N_("{n} donors are too few to judge hand-picked units by placebos; at least {least} are needed")
        raise NotEstimable(Message("few_donors", template, {"n": n_donors, "least": FEWEST_DONORS}))
    if panel.n_before < FEWEST_BEFORE:
        template = N_("{n} periods before the start are too few to choose donors by; at least {least} are needed")
        raise NotEstimable(Message("too_few_periods_before", template, {"n": panel.n_before, "least": FEWEST_BEFORE}))


def _short_history(panel: DonorPanel) -> tuple[Message, ...]:
    if panel.n_before >= max(LONG_BEFORE, panel.n_after):
        return ()
    template = N_("only {before} periods before the start, for {after} after: donors may fit them by chance")
    return (Message("short_history", template, {"before": panel.n_before, "after": panel.n_after}),)


def _assumptions(metric: MetricSpec, n_donors: int) -> tuple[Message, ...]:
    words = [
        Message(
            "observational", N_("nobody drew who got what: the effect is causal only if nothing else differed"), {}
        ),
        Message("donors_untouched", N_("assumes that the treatment changed nothing in the donors"), {}),
        Message(
            "placebos_alike",
            N_(
                "the error is what {n} donors show when nothing happened, in proportion to how far each fit is off "
                "before the start: assumes that the treated are as noisy after it as before"
            ),
            {"n": n_donors},
        ),
    ]
    if metric.covariates:
        template = N_("not adjusted by {names}: the donors are weighted by the series before the start instead")
        words.append(Message("covariates_not_used", template, {"names": ", ".join(metric.covariates)}))
    return tuple(words)


def _diagnostics(placebo: Placebo, demeaned: SyntheticFit, variant: str) -> tuple[Diagnostic, ...]:
    scaled = demeaned.scaled_imbalance
    poor = scaled is not None and scaled > FAIR_FIT
    fit = Diagnostic(
        "pre_period_fit",
        Status.WARN if poor else Status.OK,
        scaled,
        Message(
            "poor_pre_period_fit" if poor else "pre_period_fit",
            N_("before the start the synthetic control leaves {share:.0%} of the distance that equal weights leave"),
            {"share": 0.0 if scaled is None else scaled},
        ),
        variant,
    )
    odd = placebo.fit_p < ODD_FIT
    alike = Diagnostic(
        "treated_like_donors",
        Status.WARN if odd else Status.OK,
        placebo.fit_p,
        Message(
            "treated_unlike_donors" if odd else "treated_like_donors",
            N_("only {share:.0%} of the fits are as far off before the start: the treated vary more than the donors")
            if odd
            else N_("{share:.0%} of the fits of donors and treated units are as far off before the start"),
            {"share": placebo.fit_p},
        ),
        variant,
    )
    return fit, alike


def _details(made: _Contrast, placebo: Placebo, demeaned: SyntheticFit) -> dict[str, object]:
    panel, fit = made.panel, placebo.fit
    return {
        "treated": len(panel.treated),
        "donors": len(panel.donors),
        "periods_before": panel.n_before,
        "periods_after": panel.n_after,
        "donor_weights": _weights(made.donors, fit.unit_weights),
        "period_weights": _weights(made.periods[: panel.n_before], fit.time_weights),
        "convergence_gap": fit.gap,
        "placebo_rank_p": placebo.rank_p,
        "placebo_smallest_p": placebo.smallest_rank_p,
        "placebo_sets": len(placebo.effects),
        "placebo_sets_listed": placebo.listed,
        "placebo_error_unscaled": placebo.plain_error,
        "time_permutation_p": time_permutation_p(panel),
        "demeaned_donor_weights": _weights(made.donors, demeaned.unit_weights),
        **_fit_of(panel, fit),
    }


def _weights(names: tuple[str, ...], weights: Floats) -> dict[str, float]:
    """Weights above 1/10,000, largest first."""
    order = sorted(range(len(names)), key=lambda place: (-weights[place], names[place]))
    return {names[place]: float(weights[place]) for place in order if weights[place] > _SMALL_WEIGHT}
