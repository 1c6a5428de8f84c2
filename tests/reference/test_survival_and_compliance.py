"""Customers against other programs: durations (survRM2, survival), compliers (AER, clubSandwich), proportions
(Newcombe), logit (clubSandwich) and the random intercept (lme4, pbkrtest)."""

import csv
import math
from collections.abc import Sequence

import numpy as np
import pytest

from experiments.estimate.anderson_rubin import anderson_rubin
from experiments.estimate.cluster_robust import Correction
from experiments.estimate.complier_effect import ComplierEffect, clustered_reduced_form, complier_effect
from experiments.estimate.cox import Cox, cox, log_rank
from experiments.estimate.estimate import TInference
from experiments.estimate.kaplan_meier import kaplan_meier
from experiments.estimate.logistic import logistic
from experiments.estimate.newcombe import newcombe, wald
from experiments.estimate.random_intercept import random_intercept
from experiments.estimate.ratio import ratio_of_sums
from experiments.estimate.rmst import RmstComparison, compare_rmst
from tests.reference.oracles import expect, reference
from tests.reference.toys import Floats, toy_store

# Freireich et al. (1963), weeks in remission under 6-mercaptopurine; the curve as printed by Kleinbaum and Klein
# (2012), Survival Analysis and by R's survfit: survival and Greenwood's error.
REMISSION = [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PRINTED = {
    6: (0.857, 0.0764), 7: (0.807, 0.0869), 10: (0.753, 0.0963), 13: (0.690, 0.1068), 16: (0.627, 0.1141),
    22: (0.538, 0.1282), 23: (0.448, 0.1346),
}  # fmt: skip


def test_the_curve_of_the_remissions_is_the_published_one() -> None:
    seen, censored = REMISSION
    time = np.array([*seen, *censored], dtype=float)
    curve = kaplan_meier(time, np.array([1.0] * len(seen) + [0.0] * len(censored)))
    for week, (survival, error) in PRINTED.items():
        assert round(curve.at(week), 3) == survival
        assert math.sqrt(curve.variance[list(curve.times).index(week)]) == pytest.approx(error, abs=6e-5)
    assert curve.median() == 23


def test_restricted_means_equal_survrm2() -> None:
    found = _pbc()
    expect("O19", "arm_1").of(found.variant.value)
    expect("O19", "arm_1_se").of(found.variant.std_error)
    expect("O19", "arm_0").of(found.control.value)
    expect("O19", "arm_0_se").of(found.control.std_error)


def test_the_difference_of_restricted_means_equals_survrm2() -> None:
    difference = _pbc().difference
    lower, upper = difference.interval(0.95)
    expect("O19", "difference").of(difference.effect)
    expect("O19", "lower").of(lower or math.nan)
    expect("O19", "upper").of(upper or math.nan)
    expect("O19", "p").of(difference.p_value())


def test_the_ratio_of_restricted_means_equals_survrm2() -> None:
    ratio = _pbc().log_ratio
    lower, upper = (math.exp(end or math.nan) for end in ratio.interval(0.95))
    expect("O19", "ratio").of(math.exp(ratio.effect))
    expect("O19", "ratio_lower").of(lower)
    expect("O19", "ratio_upper").of(upper)
    expect("O19", "ratio_p").of(ratio.p_value())


def test_cox_with_clusters_equals_survival() -> None:
    found, (time, event, treated) = _rats()
    expect("O20", "beta").of(found.inference.effect)
    expect("O20", "robust_se").of(found.inference.std_error)
    expect("O20", "log_rank").of(log_rank(time, event, treated).statistic)


def test_the_complier_effect_equals_ivreg_with_cr2() -> None:
    found = _compliers(Correction.CR2).inference
    expect("O5", "beta").of(found.effect)
    expect("O5", "cr2_se").of(found.std_error)
    expect("O5", "cr2_df").of(found.df)
    expect("O5", "cr1s_se").of(_compliers(Correction.CR1S).inference.std_error)


def test_the_anderson_rubin_test_of_zero_is_clubsandwichs_test_of_the_assignment() -> None:
    d = toy_store()
    found = anderson_rubin(d["y"], _took(d), clustered_reduced_form(d["t"], d["store"].astype(np.int64)))
    expect("O1", "p").of(found.p_value(0.0))
    low, high = found.interval(0.95)
    assert low is not None
    assert high is not None
    assert found.p_value(low) == pytest.approx(0.05)
    assert found.p_value(high) == pytest.approx(0.05)


def test_the_logit_equals_clubsandwich() -> None:
    found = _logit()
    expect("O8", "logit").of(found.effect)
    expect("O8", "logit_se").of(found.std_error)


def test_the_degrees_of_freedom_of_the_logit_are_clubsandwichs_up_to_an_unfinished_step_of_glm() -> None:
    """R's glm keeps the weights of the step before its last one in the bread. With that ratio of weights put into the
    formula, it gives R's printed number; with finished weights, ours."""
    d = toy_store()
    sizes = [[int(np.sum(d["store"] == g)) for g in np.unique(d["store"][d["t"] == arm])] for arm in (0, 1)]
    share = [float((d["y"][d["t"] == arm] > 0.7).mean()) for arm in (0, 1)]
    finished, unfinished = (_degrees(sizes, share, behind) for behind in ((0.0, 0.0), _one_step_behind()))
    assert _logit().df == pytest.approx(finished, rel=1e-9)
    expect("O8", "logit_df").of(unfinished)


def test_the_random_intercept_equals_lme4_and_pbkrtest() -> None:
    d = toy_store()
    design = np.column_stack([np.ones_like(d["t"]), d["t"]])
    found = random_intercept(design, d["y"], d["store"].astype(np.int64), coefficient=1)
    expect("O7", "beta").of(found.satterthwaite.effect)
    expect("O7", "se").of(found.satterthwaite.std_error)
    expect("O7", "satterthwaite_df").of(found.satterthwaite.df)
    expect("O7", "kenward_roger_se").of(found.kenward_roger.std_error)
    expect("O7", "kenward_roger_df").of(found.kenward_roger.df)
    expect("O7", "kenward_roger_p").of(found.kenward_roger.p_value())


def test_newcombes_interval_is_the_published_one_and_walds_is_that_of_prop_test() -> None:
    lower, upper = newcombe(48, 80, 56, 70).interval(0.95)
    expect("O33", "lower").of(lower or math.nan)
    expect("O33", "upper").of(upper or math.nan)
    lower, upper = wald(48, 80, 56, 70).interval(0.95)
    expect("O33", "wald_lower").of(lower or math.nan)
    expect("O33", "wald_upper").of(upper or math.nan)


def test_the_ratio_over_users_equals_tea_tasting() -> None:
    variant, sessions, orders = _read("tea_users.csv", "variant", "sessions", "orders")
    found = ratio_of_sums(orders, sessions, variant)
    expect("O32", "orders_per_session_p").of(found.inference.p_value())


def _pbc() -> RmstComparison:
    time, status, arm = _read("pbc_rmst.csv", "time", "status", "arm")
    return compare_rmst(time, status, arm, tau=10.0)


def _rats() -> tuple[Cox, tuple[Floats, Floats, Floats]]:
    litter, rx, time, status = _read("rats_f.csv", "litter", "rx", "time", "status")
    return cox(time, status, rx, clusters=litter.astype(np.int64)), (time, status, rx)


def _took(d: dict[str, Floats]) -> Floats:
    number = np.concatenate([np.arange(1, np.sum(d["store"] == g) + 1) for g in range(1, 9)])
    return ((d["t"] == 1) & ((5 * number + d["store"]) % 4 != 0)).astype(float)


def _compliers(correction: Correction) -> ComplierEffect:
    d = toy_store()
    form = clustered_reduced_form(d["t"], d["store"].astype(np.int64), correction=correction)
    return complier_effect(d["y"], _took(d), form)


def _logit() -> TInference:
    d = toy_store()
    design = np.column_stack([np.ones_like(d["t"]), d["t"]])
    return logistic(design, (d["y"] > 0.7).astype(float), d["store"].astype(np.int64), coefficient=1)


def _one_step_behind() -> tuple[float, float]:
    """By how much the weights of glm's last step exceed the finished ones, in control and in the variant: iterated
    weighted least squares from (y + 1/2) / 2 until the deviance changes by less than 1e-8."""
    d = toy_store()
    y, x = (d["y"] > 0.7).astype(float), np.column_stack([np.ones_like(d["t"]), d["t"]])
    share, before = (y + 0.5) / 2, math.inf
    while True:
        weight = share * (1 - share)
        working = np.log(share / (1 - share)) + (y - share) / weight
        beta = np.linalg.solve((x * weight[:, None]).T @ x, (x * weight[:, None]).T @ working)
        share = 1 / (1 + np.exp(-x @ beta))
        deviance = -2 * float(np.log(np.where(y == 1, share, 1 - share)).sum())
        if abs(deviance - before) < 1e-8 * (abs(deviance) + 0.1):
            behind = weight / (share * (1 - share)) - 1
            return float(behind[d["t"] == 0].mean()), float(behind[d["t"] == 1].mean())
        before = deviance


def _degrees(sizes: Sequence[Sequence[int]], share: Sequence[float], behind: Sequence[float]) -> float:
    """Bell–McCaffrey for two arms of clusters with constant weights in an arm."""
    trace, squares = 0.0, 0.0
    for arm, p, more in zip(sizes, share, behind, strict=True):
        n = np.array(arm, dtype=float)
        root = 1 / np.sqrt(1 - n / n.sum())
        spread = -np.outer(root * n, root * n) / n.sum() / (1 + more)
        spread[np.diag_indices(len(n))] += root * root * n
        spread /= n.sum() ** 2 * p * (1 - p)
        trace += float(np.trace(spread))
        squares += float((spread**2).sum())
    return trace**2 / squares


def _read(name: str, *columns: str) -> list[Floats]:
    with reference(name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [np.array([float(row[column]) for row in rows]) for column in columns]
