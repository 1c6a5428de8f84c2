"""Logistic regression with cluster-robust errors (CR2) and Bell–McCaffrey degrees of freedom.

logit P(y = 1) = x'β by maximum likelihood (Newton). With p̂ and w = p̂ (1 − p̂) the error is CR2 of the weighted least
squares of the working response, rows multiplied by √w, as clubSandwich takes it for ``glm``. The coefficient is a log
odds ratio; shares are compared by ``newcombe``, ``welch`` or a linear regression.
References: McCullagh and Nelder (1989), Generalized Linear Models; Pustejovsky and Tipton (2018), JBES 36.
"""

from collections.abc import Sequence

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.cluster_robust import Correction, cluster_robust
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message

_STEPS = 100
_CLOSE = 1e-12
_SEPARATED = 25.0  # a linear predictor beyond this is a probability of 0 or 1 to eleven digits


def logistic(
    design: Floats,
    outcome: Floats,
    clusters: Sequence[str] | Ints,
    *,
    coefficient: int,
    correction: Correction = Correction.CR2,
) -> TInference:
    """One coefficient of ``outcome`` (N, 0/1) on ``design`` (N × k, with its constant), rows in ``clusters`` (N).

    Assumes independent clusters and the logit form. Raises ``InvalidNumber`` for outcomes other than 0 and 1 and a
    design without full rank, ``NotEstimable`` where the design separates the outcomes (all 0 or all 1 in an arm): no
    maximum exists.
    """
    if not bool(np.isin(outcome, (0.0, 1.0)).all()):
        raise InvalidNumber(name="outcome", value=str(np.unique(outcome)[:5]), must_be="0 or 1")
    n, k = design.shape
    if np.linalg.matrix_rank(design) < k:
        raise InvalidNumber(name="design", value=f"{n} × {k}", must_be="of full column rank")
    beta = np.zeros(k)
    for _ in range(_STEPS):
        predictor = design @ beta
        if bool((np.abs(predictor) > _SEPARATED).any()):
            break
        share = 1.0 / (1.0 + np.exp(-predictor))
        spread = share * (1.0 - share)
        step = np.linalg.solve((design * spread[:, None]).T @ design, design.T @ (outcome - share))
        if float(np.abs(step).max()) <= _CLOSE * max(1.0, float(np.abs(beta).max())):
            root = np.sqrt(spread)
            working = root * predictor + (outcome - share) / root
            weighted = design * root[:, None]
            return cluster_robust(weighted, working, clusters, coefficient=coefficient, correction=correction)
        beta = beta + step
    raise NotEstimable(
        Message("separated", N_("the outcome is the same in all rows of a group; its odds have no finite estimate"), {})
    )
