"""Frank–Wolfe weights stopped where R's synthdid stops them: for comparison with published numbers, never a headline.

The same loss as in ``simplex``, each step moving towards the one column of steepest descent as far as the loss falls,
until a step lowers the mean loss by less than ``least_decrease``² or ``most_steps`` are done. ``as_synthdid`` runs
100 steps, sets weights up to a quarter of the largest to zero, and runs up to 10,000 more. The stop is a habit, not a
proof: on California's proposition 99 it leaves the synthetic control .11 packs from the least-squares one (see
docs/methods/simplex.md). Reference: Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), AER 111, appendix.
"""

import numpy as np

from experiments.estimate.simplex import SimplexFit, judge
from experiments.estimate.unit_table import Floats


def as_synthdid(design: Floats, target: Floats, *, intercept: bool, ridge: float, noise: float) -> SimplexFit:
    """The weights of R's synthdid 0.0.9 with its defaults; ``noise`` is its noise level. See ``fit.gap`` for their
    distance from the best ones."""
    least = 1e-5 * noise
    first = frank_wolfe(design, target, intercept=intercept, ridge=ridge, least_decrease=least, most_steps=100)
    sparse = np.where(first <= first.max() / 4, 0.0, first)
    weights = frank_wolfe(
        design,
        target,
        intercept=intercept,
        ridge=ridge,
        start=sparse / sparse.sum(),
        least_decrease=least,
        most_steps=10_000,
    )
    return judge(design, target, weights, intercept=intercept, ridge=ridge)


def frank_wolfe(
    design: Floats,
    target: Floats,
    *,
    intercept: bool,
    ridge: float,
    start: Floats | None = None,
    least_decrease: float,
    most_steps: int,
) -> Floats:
    """(m,) weights after Frank–Wolfe steps with exact line search from ``start`` (equal weights where None)."""
    a = design - design.mean(axis=0) if intercept else design
    b = target - target.mean() if intercept else target
    n, m = a.shape
    w = np.full(m, 1 / m) if start is None else start
    residual = np.einsum("nm,m->n", a, w) - b
    losses: list[float] = []
    while len(losses) < most_steps and (len(losses) < 2 or losses[-2] - losses[-1] > least_decrease**2):
        half_slope = np.einsum("nm,n->m", a, residual) + ridge * w
        best = int(half_slope.argmin())
        move = -w
        move[best] += 1.0
        if bool((move == 0.0).all()):
            break
        change = a[:, best] - b - residual
        length = -float((half_slope * move).sum()) / float((change**2).sum() + ridge * (move**2).sum())
        length = min(1.0, max(0.0, length))
        w = w + length * move
        residual = residual + length * change
        losses.append(float(ridge * (w**2).sum() + (residual**2).sum()) / n)
    return w
