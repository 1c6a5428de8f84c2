"""Cells of one to four hand-picked stores against donors: weekly series with a common factor and AR(1) noise."""

from collections.abc import Callable

import numpy as np

from benchmarks.error_rates.cell import LEVEL, Cell, Floats, Tally
from experiments.errors import NotEstimable
from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.estimate import TInference
from experiments.estimate.placebo import Placebo, placebo_in_space
from experiments.estimate.synthetic_control import difference_in_differences_fit, synthetic_control
from experiments.estimate.synthetic_did import synthetic_did
from experiments.estimate.time_permutation import time_permutation_p
from experiments.rows.synthetic import ODD_FIT

SECTION = "Hand-picked stores and donors"
ABOUT = (
    "40 weeks before, 8 after; store levels N(0, 3²), a common AR(1) factor with store loadings N(1, .5²), AR(1) store "
    "noise (.6, standard deviation 1); power for an effect of one noise standard deviation. The treated stores are "
    "drawn at random or the largest ones. `rank` is the rank of effect / imbalance among the placebos, "
    "`unscaled placebos` the placebo error that takes all stores as equally noisy, `time permutation` the block "
    "permutation of the weeks."
)
EFFECT = 1.0
SETS = 100  # random placebo sets of several donors; the module takes 200, which only steadies the error
FLAGGED = "panels whose treated units are flagged as unlike the donors, %"
_BEFORE, _AFTER = 40, 8


def series(rng: np.random.Generator, n: int, *, louder: int = 0, uneven: bool = False) -> Floats:
    """(n, 48) weekly values without an effect; the first ``louder`` stores have twice the noise, or each store has
    noise of its own (``uneven``: log-normal factor, σ .6)."""
    periods = _BEFORE + _AFTER
    level = rng.normal(0.0, 3.0, n)
    factor = _ar1(rng, 1, periods, 0.8)[0]
    loading = rng.normal(1.0, 0.5, n)
    noise = _ar1(rng, n, periods, 0.6)
    noise[:louder] *= 2.0
    if uneven:
        noise *= np.exp(rng.normal(0.0, 0.6, n))[:, None]
    values: Floats = level[:, None] + loading[:, None] * factor[None, :] + noise
    return values


def _ar1(rng: np.random.Generator, n: int, periods: int, persistence: float) -> Floats:
    """(n, periods) stationary AR(1) with standard deviation 1."""
    steps = rng.normal(0.0, np.sqrt(1 - persistence**2), (n, periods))
    steps[:, 0] = rng.normal(0.0, 1.0, n)
    for t in range(1, periods):
        steps[:, t] += persistence * steps[:, t - 1]
    return steps


def hand_picked(
    donors: int, treated: int, *, largest: bool = False, louder: bool = False, uneven: bool = False, beside: bool = True
) -> Callable[[np.random.Generator, int, Tally], None]:
    """The run of a cell; ``beside`` adds the other methods (each needs a placebo distribution of its own)."""

    def run(rng: np.random.Generator, replications: int, tally: Tally) -> None:
        tally.notes[FLAGGED] = 0.0
        for number in range(replications):
            y = series(rng, donors + treated, louder=treated if louder else 0, uneven=uneven)
            if largest:
                y = y[np.argsort(-y[:, :_BEFORE].mean(axis=1))]
            panel = DonorPanel(y[:treated], y[treated:], _BEFORE)
            try:
                flagged = _count(tally, panel, number, beside)
                tally.notes[FLAGGED] += 100.0 * flagged / replications
            except NotEstimable as refusal:
                tally.refuse(refusal)

    return run


def _count(tally: Tally, panel: DonorPanel, number: int, beside: bool) -> bool:
    """Count one panel; whether its fit before the start is flagged as worse than the donors'."""
    noise = panel.noise

    placebo = placebo_in_space(panel, lambda p: synthetic_did(p, noise=noise), seed=number, draws=SETS)
    _add(tally, "synthetic_did", placebo.inference)
    t = placebo.inference
    _add(tally, "unscaled placebos", TInference(t.effect, placebo.plain_error, t.df))
    _add_rank(tally, "rank", placebo)
    p, p_lifted = time_permutation_p(panel), time_permutation_p(panel, at=-EFFECT)
    tally.add("time permutation", alarm=p <= LEVEL, covers=p > LEVEL, finds=p_lifted <= LEVEL)
    flagged = placebo.fit_p < ODD_FIT
    if not beside:
        return flagged
    for name, estimator in (
        ("synthetic_control_demeaned", lambda q: synthetic_control(q, demeaned=True)),
        ("difference_in_differences", difference_in_differences_fit),
    ):
        _add(tally, name, placebo_in_space(panel, estimator, seed=number, draws=SETS).inference)
    return flagged


def _add(tally: Tally, name: str, inference: TInference) -> None:
    low, high = inference.interval(1 - LEVEL)
    assert low is not None
    assert high is not None
    covers = low <= 0.0 <= high
    tally.add(name, alarm=inference.p_value() <= LEVEL, covers=covers, finds=inference.p_value(-EFFECT) <= LEVEL)


def _add_rank(tally: Tally, name: str, placebo: Placebo) -> None:
    lifted = abs(placebo.fit.effect + EFFECT) / placebo.fit.imbalance
    ratios = np.abs(placebo.effects) / placebo.imbalances
    p = (1 + int((ratios >= lifted).sum())) / (1 + len(ratios))
    tally.add(name, alarm=placebo.rank_p <= LEVEL, finds=p <= LEVEL)


def _cell(name: str, **how: int | bool) -> Cell:
    run = hand_picked(**how)  # type: ignore[arg-type]  # the values are those of the signature
    return Cell(SECTION, name, "synthetic_did", run)


CELLS = (
    _cell("15 donors, 1 treated", donors=15, treated=1),
    _cell("20 donors, 1 treated", donors=20, treated=1),
    _cell("40 donors, 1 treated", donors=40, treated=1, beside=False),
    _cell("20 donors, 1 treated, the largest", donors=20, treated=1, largest=True, beside=False),
    _cell("20 donors, 1 treated, stores of uneven noise", donors=20, treated=1, uneven=True),
    _cell("20 donors, 1 treated, twice as noisy", donors=20, treated=1, louder=True),
    _cell("20 donors, 2 treated", donors=20, treated=2, beside=False),
    _cell("20 donors, 4 treated", donors=20, treated=4, beside=False),
)
