"""Errors of every draw: sums over the treated say the same as every draw's residuals written out."""

import numpy as np
import pytest

from experiments.estimate import arm_errors
from experiments.estimate.redraws import redraws
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import UnitTable


def _table(n: int, n_blocks: int, bystanders: int, covariates: int) -> UnitTable:
    """Unequal blocks; every block has units of all arms, and values that differ by block and arm."""
    random = np.random.default_rng(n + n_blocks)
    block = np.sort(np.arange(n) % n_blocks + (np.arange(n) % 7 == 0) * (np.arange(n) % n_blocks < n_blocks - 1))
    arm = np.zeros(n, dtype=np.int64)
    for b in range(n_blocks):
        inside = random.permutation(np.flatnonzero(block == b))
        arm[inside] = np.arange(len(inside)) % (2 + bystanders)
    beside = np.stack([(arm == 2 + i).astype(float) for i in range(bystanders)], axis=1) if bystanders else None
    return UnitTable(
        tuple(f"s{i:03}" for i in range(n)),
        random.normal(100.0, 10.0, n) + 5.0 * block + 3.0 * arm,
        (arm == 1).astype(float),
        block,
        random.normal(50.0, 5.0, (n, covariates)),
        np.zeros((n, 0)) if beside is None else beside,
        None,
        n,
    )


@pytest.mark.parametrize("studentise", [True, False])
@pytest.mark.parametrize(
    ("n", "n_blocks", "bystanders", "covariates"),
    [(40, 1, 1, 1), (60, 3, 1, 1), (60, 6, 0, 0), (72, 4, 2, 2), (50, 5, 0, 1)],
)
def test_sums_over_the_treated_equal_residuals_written_out(
    n: int, n_blocks: int, bystanders: int, covariates: int, studentise: bool
) -> None:
    regression = fit(_table(n, n_blocks, bystanders, covariates))
    rows = redraws(regression.table, seed=5, draws=199).treated
    fast = arm_errors.draws_of(regression, rows, studentise=studentise)
    plain = arm_errors._general(regression, rows, studentise)
    np.testing.assert_allclose(fast.b, plain.b, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(fast.a, plain.a, atol=1e-12)
    for at in (0.0, -2.5, 40.0) if studentise else ():
        np.testing.assert_allclose(fast.variances(at), plain.variances(at), rtol=1e-10)
        np.testing.assert_allclose(fast.scores(at), plain.scores(at), rtol=1e-10, atol=1e-11)
