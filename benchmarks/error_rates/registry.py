"""Every section of the page: its title, what it says, and its cells."""

from dataclasses import dataclass
from functools import cache

from benchmarks.error_rates.cell import Cell


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    about: str
    cells: tuple[Cell, ...]


@cache
def sections() -> tuple[Section, ...]:
    """All sections in the order of the page."""
    from benchmarks.error_rates import stores

    return (
        Section(
            "Stores drawn at once: shares of customers",
            "Beta-binomial shares (base .3), about 200 customers a store; `8 (4)`: 8 stores, 4 of them treated. `naive` is the "
            "two-proportion z-test of the customers.",
            stores.SHARES,
        ),
        Section(
            "Effects that differ between stores",
            "The effects of the drawn stores have the given standard deviation (in units of the standard deviation between "
            "stores) and mean exactly zero: the estimand is their mean over the drawn units. `super-population` "
            "is the chosen test where the mean is zero only in the population from which the stores come; the module does "
            "not promise that. With a covariate that explains 64 % the residual standard deviation is .6.",
            stores.REACTING,
        ),
        Section(
            "Skewed spend, few stores",
            "Lognormal customers, 40 % of whom buy nothing, in stores whose level is lognormal (σ .3), simulated row by row.",
            stores.SKEWED,
        ),
    )


def cells() -> tuple[Cell, ...]:
    """All cells of the page."""
    return tuple(cell for section in sections() for cell in section.cells)
