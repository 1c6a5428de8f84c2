"""The panel of Callaway and Sant'Anna's example: log employment of 500 counties, 2003 to 2007."""

import csv
from functools import cache

import numpy as np

from experiments.estimate.unit_panel import NEVER, UnitPanel
from tests.reference.oracles import reference


@cache
def mpdta() -> UnitPanel:
    """Log teen employment, with log population as covariate; ``first.treat`` is the year of the first rise."""
    with reference("mpdta.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    counties, years = sorted({row["countyreal"] for row in rows}), sorted({row["year"] for row in rows})
    place = {county: i for i, county in enumerate(counties)}
    y, x = np.zeros((len(counties), len(years))), np.zeros((len(counties), 1))
    first = np.full(len(counties), NEVER, dtype=np.int64)
    for row in rows:
        i = place[row["countyreal"]]
        y[i, years.index(row["year"])], x[i, 0] = float(row["lemp"]), float(row["lpop"])
        if row["first.treat"] != "0":
            first[i] = years.index(row["first.treat"])
    return UnitPanel(tuple(counties), tuple(years), y, first, covariates=x)
