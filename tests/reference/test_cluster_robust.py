"""CR0, CR1S, CR2 and CR3 against R: clubSandwich 0.5.8 and estimatr 1.0.0 on data that a formula makes.

The R program, for anyone who wants to run it again (R 4.2.2):

    n <- c(12,20,7,31,15,9,24,18); T <- c(1,0,1,0,1,0,0,1)
    d <- do.call(rbind, lapply(1:8, function(g) data.frame(store=g, t=T[g], i=1:n[g])))
    d$x <- ((d$i*7 + d$store*3) %% 11) / 10
    d$y <- round(0.5*d$t + 0.8*d$x + c(.3,-.2,.5,-.1,0,.4,-.35,.15)[d$store] + (((d$i*13 + d$store*5) %% 17) - 8)/10, 4)
    m <- lm(y ~ t, d)
    coef_test(m, vcov = vcovCR(m, cluster = d$store, type = "CR2"))

    d <- expand.grid(week=1:10, store=1:12); d$t <- as.numeric(d$store<=4 & d$week>=7)
    d$y <- round(d$store*0.3 + d$week*0.1 + 0.6*d$t + (((d$store*17 + d$week*29 + d$store*d$week*7) %% 23) - 11)/10 +
                 ifelse(d$week>=7, c(.5,-.4,.2,.1,-.6,.3,-.1,.4,-.3,.2,.1,-.5)[d$store], 0), 4)
    m <- lm(y ~ t + factor(store) + factor(week), d)
"""

import numpy as np
import numpy.typing as npt
import pytest

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.cluster_robust import Correction, cluster_robust, unit_means_cr2
from experiments.estimate.unit_means import fit
from tests.experiments.building import table

TOLERANCE = 1e-8
Floats = npt.NDArray[np.float64]


def _toy_store() -> dict[str, Floats]:
    sizes, treated = (12, 20, 7, 31, 15, 9, 24, 18), (1, 0, 1, 0, 1, 0, 0, 1)
    shift = (0.3, -0.2, 0.5, -0.1, 0.0, 0.4, -0.35, 0.15)
    rows = []
    for g in range(1, 9):
        for i in range(1, sizes[g - 1] + 1):
            t, x = treated[g - 1], (i * 7 + g * 3) % 11 / 10
            rows.append((g, t, x, round(0.5 * t + 0.8 * x + shift[g - 1] + ((i * 13 + g * 5) % 17 - 8) / 10, 4)))
    return dict(zip(("store", "t", "x", "y"), np.array(rows, dtype=float).T, strict=True))


def _toy_panel() -> dict[str, Floats]:
    shift = (0.5, -0.4, 0.2, 0.1, -0.6, 0.3, -0.1, 0.4, -0.3, 0.2, 0.1, -0.5)
    rows = []
    for store in range(1, 13):
        for week in range(1, 11):
            t = float(store <= 4 and week >= 7)
            noise = ((store * 17 + week * 29 + store * week * 7) % 23 - 11) / 10
            later = shift[store - 1] if week >= 7 else 0.0
            rows.append((store, week, t, round(store * 0.3 + week * 0.1 + 0.6 * t + noise + later, 4)))
    return dict(zip(("store", "week", "t", "y"), np.array(rows, dtype=float).T, strict=True))


def _dummies(values: Floats) -> Floats:
    return np.column_stack([values == level for level in np.unique(values)[1:]]).astype(float)


@pytest.mark.parametrize(
    ("correction", "error", "df"),
    [
        (Correction.CR0, 0.1280347841656, 5.19246065093),
        (Correction.CR1S, 0.1373847197801, None),
        (Correction.CR2, 0.1462833144840, 4.98699982450),
        (Correction.CR3, 0.168004249587, 4.76916689422),
    ],
)
def test_corrections_equal_clubsandwich(correction: Correction, error: float, df: float | None) -> None:
    d = _toy_store()
    found = cluster_robust(
        np.column_stack([np.ones_like(d["t"]), d["t"]]),
        d["y"],
        d["store"].astype(np.int64),
        coefficient=1,
        correction=correction,
    )
    assert found.effect == pytest.approx(0.819871794872, abs=TOLERANCE)
    assert found.std_error == pytest.approx(error, abs=TOLERANCE)
    if df is not None:
        assert found.df == pytest.approx(df, abs=TOLERANCE)


def test_the_cr2_p_value_and_interval_equal_r() -> None:
    d = _toy_store()
    found = cluster_robust(
        np.column_stack([np.ones_like(d["t"]), d["t"]]), d["y"], d["store"].astype(np.int64), coefficient=1
    )
    assert found.p_value() == pytest.approx(0.00251984555482, abs=TOLERANCE)
    assert found.interval(0.95) == pytest.approx((0.443543536053, 1.19620005369), abs=TOLERANCE)


def test_a_covariate_is_carried_as_in_r() -> None:
    d = _toy_store()
    design = np.column_stack([np.ones_like(d["t"]), d["t"], d["x"]])
    found = cluster_robust(design, d["y"], d["store"].astype(np.int64), coefficient=1)
    assert (found.effect, found.std_error, found.df) == pytest.approx(
        (0.823578880265, 0.143184810640, 4.98458251178), abs=TOLERANCE
    )
    assert found.p_value() == pytest.approx(0.00225114242557, abs=TOLERANCE)
    of_x = cluster_robust(design, d["y"], d["store"].astype(np.int64), coefficient=2)
    assert (of_x.std_error, of_x.df) == pytest.approx((0.124080933310, 5.69076803018), abs=TOLERANCE)


def test_a_share_is_carried_as_in_r() -> None:
    d = _toy_store()
    found = cluster_robust(
        np.column_stack([np.ones_like(d["t"]), d["t"]]),
        (d["y"] > 0.7).astype(float),
        d["store"].astype(np.int64),
        coefficient=1,
    )
    assert (found.effect, found.std_error, found.df) == pytest.approx(
        (0.4569597070, 0.10285220299, 4.986999825), abs=TOLERANCE
    )


def test_store_and_week_indicators_equal_r() -> None:
    d = _toy_panel()
    design = np.column_stack([np.ones_like(d["t"]), d["t"], _dummies(d["store"]), _dummies(d["week"])])
    found = cluster_robust(design, d["y"], d["store"].astype(np.int64), coefficient=1)
    assert (found.effect, found.std_error, found.df) == pytest.approx(
        (1.08541666667, 0.456212852731, 6.09677419355), abs=TOLERANCE
    )
    assert found.p_value() == pytest.approx(0.05416933237, abs=TOLERANCE)


def test_the_regression_on_unit_means_gives_the_same_as_the_panel() -> None:
    """CR2 of a block design is HC2 with Bell–McCaffrey degrees of freedom on each store's change."""
    d = _toy_panel()
    change, treated = [], []
    for store in range(1, 13):
        own, late = d["store"] == store, d["week"] >= 7
        change.append(float(d["y"][own & late].mean() - d["y"][own & ~late].mean()))
        treated.append(float(store <= 4))
    found = unit_means_cr2(fit(table(change, treated)))
    assert (found.effect, found.std_error, found.df) == pytest.approx(
        (1.08541666667, 0.456212852731, 6.09677419355), abs=TOLERANCE
    )


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
