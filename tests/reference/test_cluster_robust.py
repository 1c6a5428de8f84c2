"""CR0, CR1S, CR2 and CR3 against R: clubSandwich 0.5.8 and estimatr 1.0.0 on data that a formula makes."""

import numpy as np
import pytest

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.cluster_robust import Correction, cluster_robust, unit_means_cr2
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_means import fit
from tests.experiments.building import table
from tests.reference.oracles import expect
from tests.reference.toys import Floats, toy_panel, toy_store


def _dummies(values: Floats) -> Floats:
    return np.column_stack([values == level for level in np.unique(values)[1:]]).astype(float)


@pytest.mark.parametrize("correction", [Correction.CR0, Correction.CR3])
def test_corrections_equal_clubsandwich(correction: Correction) -> None:
    found = _on_treatment(correction)
    expect("O1", "beta").of(found.effect)
    expect("O3", f"{correction}_se").of(found.std_error)
    expect("O3", f"{correction}_df").of(found.df)


def test_the_stata_correction_equals_clubsandwich() -> None:
    expect("O3", "cr1s_se").of(_on_treatment(Correction.CR1S).std_error)


def test_cr2_equals_clubsandwich() -> None:
    found = _on_treatment(Correction.CR2)
    expect("O1", "beta").of(found.effect)
    expect("O1", "se").of(found.std_error)
    expect("O1", "df").of(found.df)
    expect("O1", "p").of(found.p_value())
    assert found.interval(0.95) == pytest.approx((0.443543536053, 1.19620005369), abs=1e-8)  # estimatr 1.0.0


def test_a_covariate_is_carried_as_in_r() -> None:
    d = toy_store()
    design = np.column_stack([np.ones_like(d["t"]), d["t"], d["x"]])
    found = cluster_robust(design, d["y"], d["store"].astype(np.int64), coefficient=1)
    expect("O2", "beta").of(found.effect)
    expect("O2", "se").of(found.std_error)
    expect("O2", "df").of(found.df)
    expect("O2", "p").of(found.p_value())


def test_a_share_is_carried_as_in_r() -> None:
    d = toy_store()
    found = _on_treatment(Correction.CR2, (d["y"] > 0.7).astype(float))
    expect("O8", "lpm").of(found.effect)
    expect("O8", "lpm_se").of(found.std_error)
    expect("O8", "lpm_df").of(found.df)


def test_store_and_week_indicators_equal_r() -> None:
    d = toy_panel()
    design = np.column_stack([np.ones_like(d["t"]), d["t"], _dummies(d["store"]), _dummies(d["week"])])
    _is_o4(cluster_robust(design, d["y"], d["store"].astype(np.int64), coefficient=1))


def test_the_regression_on_unit_means_gives_the_same_as_the_panel() -> None:
    """CR2 of a block design is HC2 with Bell–McCaffrey degrees of freedom on each store's change."""
    d = toy_panel()
    change, treated = [], []
    for store in range(1, 13):
        own, late = d["store"] == store, d["week"] >= 7
        change.append(float(d["y"][own & late].mean() - d["y"][own & ~late].mean()))
        treated.append(float(store <= 4))
    _is_o4(unit_means_cr2(fit(table(change, treated))))


def _is_o4(found: TInference) -> None:
    expect("O4", "beta").of(found.effect)
    expect("O4", "se").of(found.std_error)
    expect("O4", "df").of(found.df)
    expect("O4", "p").of(found.p_value())


def _on_treatment(correction: Correction, outcome: Floats | None = None) -> TInference:
    d = toy_store()
    design = np.column_stack([np.ones_like(d["t"]), d["t"]])
    y = d["y"] if outcome is None else outcome
    return cluster_robust(design, y, d["store"].astype(np.int64), coefficient=1, correction=correction)


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("with_x", [False, True])
def test_unit_means_equal_the_general_code_with_block_indicators(blocks: int, with_x: bool) -> None:
    rng = np.random.default_rng(8)
    n = 16
    block, treated = np.arange(n) % blocks, (np.arange(n) // blocks % 2).astype(float)
    x, y = rng.normal(size=n), rng.normal(size=n)
    design = np.column_stack([treated, *([x] if with_x else []), *(block == b for b in range(blocks))]).astype(float)
    general = cluster_robust(design, y, np.arange(n), coefficient=0)
    found = unit_means_cr2(
        fit(table(y.tolist(), treated.tolist(), block=block.tolist(), x=x.tolist() if with_x else None))
    )
    assert (found.effect, found.std_error, found.df) == pytest.approx((general.effect, general.std_error, general.df))


def test_what_has_no_answer_is_refused() -> None:
    ones = np.ones((6, 1))
    with pytest.raises(InvalidNumber, match="full column rank"):
        cluster_robust(np.column_stack([ones, ones]), np.arange(6.0), list("aabbcc"), coefficient=0)
    with pytest.raises(InvalidNumber, match="finite"):
        cluster_robust(ones, np.array([1.0, np.nan, 1, 1, 1, 1]), list("aabbcc"), coefficient=0)
    alone = np.column_stack([ones, np.array([1.0, 1, 0, 0, 0, 0])])
    with pytest.raises(NotEstimable, match="alone"):
        cluster_robust(alone, np.arange(6.0), list("aabbcc"), coefficient=1, correction=Correction.CR3)
    with pytest.raises(NotEstimable, match="one unit alone"):
        unit_means_cr2(fit(table([3.0, 1.0, 2.0, 5.0], [1, 0, 0, 0])))
