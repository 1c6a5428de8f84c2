"""How fast 80 adjusted, cluster-robust comparisons are from the moments of 500 stores, beside peers on customer rows.

Four metrics in 20 strata, each adjusted by the same metric before the start, errors by store. The results are asserted
equal to statsmodels' first (numeric columns, ``cov_type="cluster"``); tea-tasting adjusts by CUPED and does not
cluster, so only its time is taken. ``python -m benchmarks.speed_comparisons``
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.timing import fastest
from experiments.estimate.cluster_robust import Correction
from experiments.estimate.customer_weighted import StoreMoments, customer_weighted

STORES, STRATA, METRICS, PER_CELL, REPEATS = 500, 20, 4, 100, 9
BARS = {"statsmodels": 200.0, "tea-tasting": 60.0}

Floats = npt.NDArray[np.float64]


def main() -> int:
    """Print the section of the speed page; 0 where both bars are held."""
    warnings.simplefilter("ignore")
    store, stratum, treated, y, x = _customers()
    moments = _moments(store, stratum, y, x)
    effects, errors = _by_statsmodels(store, stratum, treated, y, x)
    found = customer_weighted(moments, treated, correction=Correction.CR1S)
    worst = max(
        float(np.abs(mine / theirs - 1.0).max())
        for mine, theirs in ((found.effect, effects), (found.std_error, errors))
    )
    assert worst < 1e-9, worst
    ours = fastest(lambda: customer_weighted(moments, treated, correction=Correction.CR1S), REPEATS)
    peers = {
        "statsmodels": fastest(lambda: _by_statsmodels(store, stratum, treated, y, x), 2),
        "tea-tasting": fastest(_by_tea_tasting(stratum, treated[store], y, x), 2),
    }
    print("## 80 adjusted, cluster-robust comparisons\n")
    print(
        f"{METRICS} metrics × {STRATA} strata from the moments of {STORES} stores "
        f"({len(store):,} customers beneath them); largest relative difference to statsmodels {worst:.1e}.\n"
    )
    print("| what | ours, ms | peer, ms | ratio | bar |\n|---|---|---|---|---|")
    held = True
    for name, theirs in peers.items():
        ratio = theirs / ours
        held = held and ratio >= BARS[name]
        print(
            f"| {name} on customer rows | {1e3 * ours:.1f} | {1e3 * theirs:.0f} | {ratio:.0f} × | {BARS[name]:.0f} × |"
        )
    return 0 if held else 1


def _customers() -> tuple[Any, Any, Floats, Floats, Floats]:
    """Store (N), stratum (N), treatment of each store (G), and the metrics in the window and before (N × M)."""
    rng = np.random.default_rng(20)
    n = STORES * STRATA * PER_CELL
    store, stratum = np.repeat(np.arange(STORES), STRATA * PER_CELL), np.tile(np.arange(STRATA), STORES * PER_CELL)
    treated = (rng.permutation(STORES) < STORES // 2).astype(float)
    x = rng.gamma(2.0, 50.0, size=(n, METRICS))
    shift = rng.normal(size=(STORES, METRICS)) * 5.0
    y = 0.6 * x + shift[store] + 2.0 * treated[store][:, None] + 60.0 * rng.normal(size=(n, METRICS))
    return store, stratum, treated, y, x


def _moments(store: Any, stratum: Any, y: Floats, x: Floats) -> StoreMoments:
    """The moments that the engine hands over: one comparison per stratum and metric, one row per store."""
    cell = stratum * STORES + store

    def total(values: Floats) -> Floats:
        sums = [np.bincount(cell, weights=column, minlength=STRATA * STORES) for column in values.T]
        return np.stack(sums).reshape(METRICS, STRATA, STORES).swapaxes(0, 1).reshape(METRICS * STRATA, STORES)

    ones = np.ones_like(y)
    return StoreMoments(
        n=total(ones),
        x=total(x)[:, :, None],
        xx=total(x * x)[:, :, None, None],
        y=total(y),
        xy=total(x * y)[:, :, None],
    )


def _by_statsmodels(store: Any, stratum: Any, treated: Floats, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    import statsmodels.api as sm

    effects, errors = [], []
    for s in range(STRATA):
        inside = stratum == s
        groups, t = store[inside], treated[store[inside]]
        for m in range(METRICS):
            design = np.column_stack([t, np.ones(len(t)), x[inside, m]])
            fitted = sm.OLS(y[inside, m], design).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
            effects.append(float(fitted.params[0]))
            errors.append(float(fitted.bse[0]))
    return np.array(effects), np.array(errors)


def _by_tea_tasting(stratum: Any, treated: Floats, y: Floats, x: Floats) -> Callable[[], object]:
    import pyarrow as pa
    import tea_tasting as tt

    tables = []
    for s in range(STRATA):
        inside = stratum == s
        columns: dict[str, Any] = {"variant": treated[inside].astype(np.int64)}
        for m in range(METRICS):
            columns |= {f"y{m}": y[inside, m], f"x{m}": x[inside, m]}
        tables.append(pa.table(columns))
    experiment = tt.Experiment({f"m{m}": tt.Mean(f"y{m}", covariate=f"x{m}") for m in range(METRICS)})
    return lambda: [experiment.analyze(table) for table in tables]


if __name__ == "__main__":
    raise SystemExit(main())
