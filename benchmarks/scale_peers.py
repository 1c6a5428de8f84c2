"""The peers of the report benchmark: the same metrics from the same files with pandas, statsmodels, tea-tasting, Spark.

Written as somebody who knows these libraries would write it: only the columns that are needed, categories instead of
texts, dates as numbers, numeric dummies.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks.scale_estimates import Estimates
from benchmarks.scale_world import CUSTOMER_METRICS, SEGMENTS, STORE_METRICS, VARIANTS, World
from experiments.measure.metrics import metric_from_code
from experiments.measure.windows import Windows, windows_for

COLUMNS = ["store_id", "kind", "business_date", "customer_key", "net_minor"]


def by_statsmodels(world: World, files: Sequence[str]) -> Estimates:
    """pandas for the metrics, statsmodels for the estimates."""
    customers, stores = metrics_by_pandas(world, files)
    return statsmodels_of(customers, stores)


def by_tea_tasting(world: World, files: Sequence[str]) -> list[Any]:
    """pandas for the metrics, tea-tasting for the estimates (CUPED; it does not cluster by store)."""
    import tea_tasting as tt

    customers, stores = metrics_by_pandas(world, files)
    of_customers = tt.Experiment({code: tt.Mean(f"y_{code}", covariate=f"x_{code}") for code in CUSTOMER_METRICS})
    of_stores = tt.Experiment({code: tt.Mean(f"y_{code}", covariate=f"x_{code}") for code in STORE_METRICS})
    found = []
    for variant in VARIANTS[1:]:
        arms = customers[customers["variant"].isin((VARIANTS[0], variant))]
        for group in (arms, *(arms[arms["segment"] == segment] for segment in SEGMENTS)):
            found.append(of_customers.analyze(group.assign(variant=(group["variant"] == variant).astype("int8"))))
        shops = stores[stores["variant"].isin((VARIANTS[0], variant))]
        found.append(of_stores.analyze(shops.assign(variant=(shops["variant"] == variant).astype("int8"))))
    return found


def metrics_by_pandas(world: World, files: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per listed customer and one per store: unit, variant (segment), and y and x of every metric."""
    table = ds.dataset(list(files)).to_table(columns=COLUMNS)
    kind = table.column("kind").dictionary_encode()
    receipts = table.set_column(1, "kind", kind).to_pandas(date_as_object=False)
    is_sale = receipts["kind"] == "sale"
    return _customers(world, receipts[receipts["customer_key"].notna()], is_sale), _stores(world, receipts, is_sale)


def statsmodels_of(customers: pd.DataFrame, stores: pd.DataFrame) -> Estimates:
    import statsmodels.api as sm

    estimates: Estimates = {}
    for variant in VARIANTS[1:]:
        arms = customers[customers["variant"].isin((VARIANTS[0], variant))]
        for segment in (None, *SEGMENTS):
            group = arms if segment is None else arms[arms["segment"] == segment]
            treated = (group["variant"] == variant).to_numpy(float)
            clusters = group["unit"].cat.codes.to_numpy()
            for code in CUSTOMER_METRICS:
                design = np.column_stack([treated, np.ones(len(group)), group[f"x_{code}"].to_numpy(float)])
                model = sm.OLS(group[f"y_{code}"].to_numpy(float), design)
                fitted = model.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
                estimates[code, segment, variant] = (float(fitted.params[0]), float(fitted.bse[0]))
        shops = stores[stores["variant"].isin((VARIANTS[0], variant))]
        treated = (shops["variant"] == variant).to_numpy(float)
        for code in STORE_METRICS:
            design = np.column_stack([treated, np.ones(len(shops)), shops[f"x_{code}"].to_numpy()])
            fitted = sm.OLS(shops[f"y_{code}"].to_numpy(), design).fit(cov_type="HC2", use_t=True)
            estimates[code, None, variant] = (float(fitted.params[0]), float(fitted.bse[0]))
    return estimates


@contextmanager
def spark(world: World, files: Sequence[str]) -> Iterator[Callable[[], dict[str, list[Any]]]]:
    """Spark local[2], started: call what is given to reduce the files to the moments of every store and segment."""
    from pyspark.sql import SparkSession

    homes = world.settings.home / "homes.parquet"
    pq.write_table(world.homes, homes)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "6g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    session.read.parquet(*files).select(COLUMNS).createOrReplaceTempView("receipts")
    session.read.parquet(str(homes)).createOrReplaceTempView("homes")
    try:
        yield lambda: {
            "customers": session.sql(_customers_sql(world)).collect(),
            "stores": session.sql(_stores_sql(world)).collect(),
        }
    finally:
        session.stop()


def _windows(world: World, code: str) -> Windows:
    metric = metric_from_code(code)
    return windows_for(metric, window=world.window, before=world.before, data_through=world.window.last)


def _customers(world: World, receipts: pd.DataFrame, is_sale: "pd.Series[bool]") -> pd.DataFrame:
    known = receipts.astype({"customer_key": "int64"})
    days = known.loc[is_sale.loc[known.index], ["customer_key", "business_date"]].drop_duplicates()
    found = world.homes.to_pandas().set_index("customer_key")
    found = found.astype({"unit": "category", "segment": "category"})
    found["variant"] = found["unit"].map(dict(world.assignment)).astype("category")
    for code in CUSTOMER_METRICS:
        windows = _windows(world, code)
        for name, window in (("y", windows.window), ("x", windows.before)):
            assert window is not None
            rows = known if code == "spend_per_customer" else days
            inside = rows[rows["business_date"].between(pd.Timestamp(window.first), pd.Timestamp(window.last))]
            grouped = inside.groupby("customer_key")
            values = grouped["net_minor"].sum() if code == "spend_per_customer" else grouped.size()
            values = values.reindex(found.index, fill_value=0)
            if code.startswith(("repeat", "retention")):
                values = (values >= (2 if code.startswith("repeat") else 1)).astype("int64")
            found[f"{name}_{code}"] = values
    scale = metric_from_code("purchase_frequency").scale(world.window.days)
    assert scale > 0  # estimates are compared before scaling, in purchase days
    return found


def _stores(world: World, receipts: pd.DataFrame, is_sale: "pd.Series[bool]") -> pd.DataFrame:
    found = world.stores.to_pandas().set_index("store_id")
    found["variant"] = found["unit"].map(dict(world.assignment))
    for name, window in (("y", world.window), ("x", world.before)):
        inside = receipts["business_date"].between(pd.Timestamp(window.first), pd.Timestamp(window.last))
        net = receipts.loc[inside].groupby("store_id")["net_minor"].sum().reindex(found.index, fill_value=0)
        sales = receipts.loc[inside & is_sale].groupby("store_id").size().reindex(found.index, fill_value=0)
        found[f"{name}_store_total"] = net / window.days * 7.0
        found[f"{name}_average_basket"] = net / sales
    return found.sort_values("unit")


def _customers_sql(world: World) -> str:
    """Two levels, because Spark counts distinct days slowly: by customer and day, then by customer, then by store."""
    sums, moments = [], []
    for code in CUSTOMER_METRICS:
        windows = _windows(world, code)
        for name, window in (("y", windows.window), ("x", windows.before)):
            assert window is not None
            inside = f"business_date BETWEEN DATE'{window.first}' AND DATE'{window.last}'"
            counted = "net" if code == "spend_per_customer" else "bought"
            value = f"sum(CASE WHEN {inside} THEN {counted} ELSE 0 END)"
            if code.startswith(("repeat", "retention")):
                value = f"CASE WHEN {value} >= {2 if code.startswith('repeat') else 1} THEN 1 ELSE 0 END"
            sums.append(f"{value} AS {name}_{code}")
        y, x = (f"CAST(coalesce({name}_{code}, 0) AS DECIMAL(19, 0))" for name in "yx")
        products = {"y": y, "x": x, "yy": f"{y} * {y}", "xx": f"{x} * {x}", "xy": f"{x} * {y}"}
        moments += [f"CAST(sum({value}) AS DECIMAL(38, 0)) AS {name}_{code}" for name, value in products.items()]
    return f"""
        WITH days AS (
            SELECT customer_key, business_date, sum(net_minor) AS net, max(CAST(kind = 'sale' AS INT)) AS bought
            FROM receipts WHERE customer_key IS NOT NULL AND {_reach(world)} GROUP BY customer_key, business_date
        ), customers AS (SELECT customer_key, {", ".join(sums)} FROM days GROUP BY customer_key)
        SELECT unit, segment, count(*) AS n, {", ".join(moments)}
        FROM homes LEFT JOIN customers USING (customer_key) GROUP BY unit, segment
    """  # noqa: S608 - codes and dates are our own


def _stores_sql(world: World) -> str:
    values = []
    for name, window in (("y", world.window), ("x", world.before)):
        inside = f"business_date BETWEEN DATE'{window.first}' AND DATE'{window.last}'"
        values += [
            f"sum(CASE WHEN {inside} THEN net_minor ELSE 0 END) AS {name}_net",
            f"count(CASE WHEN {inside} AND kind = 'sale' THEN 1 END) AS {name}_sales",
        ]
    return f"SELECT store_id, {', '.join(values)} FROM receipts WHERE {_reach(world)} GROUP BY store_id"  # noqa: S608


def _reach(world: World) -> str:
    return f"business_date BETWEEN DATE'{world.before.first}' AND DATE'{world.window.last}'"
