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
    from benchmarks.error_rates import customers, decisions, drawn, panels, stores, synthetic, takers

    return (
        Section(
            "Stores drawn at once: shares of customers",
            "Beta-binomial shares (base .3), about 200 customers a store; `8 (4)`: 8 stores, 4 of them treated. "
            "`naive` is the two-proportion z-test of the customers.",
            stores.SHARES,
        ),
        Section(
            "The wild cluster bootstrap beside",
            "The same world; Rademacher weights on the unit means, enumerated where these are few.",
            stores.WILD,
        ),
        Section(
            "Effects that differ between stores",
            "The effects of the drawn stores have the given standard deviation (in units of the standard "
            "deviation between stores) and mean exactly zero: the estimand is their mean over the drawn units. "
            "`super-population` is the chosen test where the mean is zero only in the population from which the "
            "stores come; the module does not promise that. With a covariate that explains 64 % the residual "
            "standard deviation is .6.",
            stores.REACTING,
        ),
        Section(
            "Skewed spend, few stores",
            "Lognormal customers, 40 % of whom buy nothing, in stores whose level is lognormal (σ .3), simulated "
            "row by row.",
            stores.SKEWED,
        ),
        Section(
            "Matched pairs",
            "Pairs explain 64 % of the variance between stores (standard deviation 1). `unpaired t` ignores the pairs.",
            drawn.PAIRS,
        ),
        Section(
            "Strata",
            "Levels of the strata have standard deviation 1, like the stores inside them; effects have mean zero "
            "inside each stratum. `unpaired t` ignores the strata.",
            drawn.STRATA,
        ),
        Section(
            "Rerandomised draws",
            "Two covariates explain 64 %; the best 5 % of the draws by Mahalanobis distance are accepted. "
            "Permutation over acceptable draws. Each covariate set serves a fiftieth of the replications.",
            (*drawn.RERANDOMISED, drawn.UNKNOWN_CRITERION),
        ),
        Section(
            "Rows estimand",
            "Stores count by their customers (lognormal, CV .8); larger stores have larger means (correlation "
            ".5); the customer-weighted mean effect is exactly zero.",
            drawn.ROWS,
        ),
        Section(
            "One-start panels",
            "26 weeks, 10 after the start, AR(1) .6, stores of different noise; the mean after the start adjusted"
            " by the mean before. `naive` is the regression with store and week effects and independent store-"
            "weeks.",
            panels.ONE_START,
        ),
        Section(
            "One start that nobody drew",
            "As before, but the largest stores were picked and are noisier; trends are parallel. `naive` as above.",
            panels.OBSERVED_START,
        ),
        Section(
            "Stepped waves in random order",
            "One period a wave, AR(1) .3. The statistic is Callaway and Sant'Anna's simple average.",
            panels.WAVES,
        ),
        Section(
            "Staggered starts that nobody drew",
            "Two periods a start, parallel trends hold, stores with higher levels start earlier; effects over the"
            " treated cells have mean zero and grow with time.",
            panels.STAGGERED,
        ),
        Section(
            "Customers' spend",
            "Through the door's row builder. Lognormal spend (σ = tail), 40 % zeros; the covariate is the spend "
            "before.",
            customers.SPEND,
        ),
        Section("Customers' events", "Through the door's row builder. A yes or no per customer.", customers.EVENTS),
        Section(
            "Customers' ratios",
            "Through the door's row builder. Sales per receipt; `naive` takes each receipt as drawn.",
            customers.RATIOS,
        ),
        Section(
            "Stores that nobody drew",
            "No permutation where nobody drew: CR2 with Bell–McCaffrey degrees of freedom, labelled "
            "observational. The permutation beside shows why: it takes noisier stores for an effect.",
            (*stores.OBSERVED, *drawn.OBSERVED_ROWS),
        ),
        Section(
            "Several variants of stores",
            "Any rejection among the variants without effect is an alarm. Adjusted by max-T over joint redraws "
            "(199); `unadjusted` reads each variant alone.",
            decisions.STORE_VARIANTS,
        ),
        Section(
            "Several variants of customers",
            "Gamma spend of shape .5. Any rejection among the variants without effect is an alarm; coverage is "
            "that of all intervals together. `naive` reads each variant's Welch test alone.",
            decisions.CUSTOMER_VARIANTS,
        ),
        Section(
            "Guardrails and equivalence",
            "An alarm is a false claim: “not inferior” (one-sided 5 %) with a true loss of exactly the margin, "
            "“no change” (two one-sided tests) with a true effect exactly on a limit. Power is for no effect.",
            decisions.GUARDRAILS,
        ),
        Section(
            "Looks",
            "Gamma spend of shape .5, 400 customers an arm between two looks. An alarm at any look counts, and so"
            " does an interval of any look that misses the truth. `naive` tests each look at 5 %.",
            decisions.LOOKS,
        ),
        Section(
            "Times of customers",
            "Days to the next purchase (Weibull .7), restricted mean to day 60; refused where an arm was not "
            "followed that long.",
            takers.TIMES,
        ),
        Section("Times in stores", "One restricted mean a store, then the regression on units.", takers.STORE_TIMES),
        Section(
            "Compliers",
            "Who takes it up would have bought more anyway. The 2SLS effect where take-up is strong, the "
            "Anderson–Rubin set where it is weak. `naive` compares takers with all others.",
            takers.COMPLIERS,
        ),
        Section(
            "Hand-picked units",
            "The largest units are picked; two factors, AR(1) .3. Placebos in space, 50 sets at most.",
            takers.HAND_PICKED,
        ),
        Section(synthetic.SECTION, synthetic.ABOUT, synthetic.CELLS),
    )


def cells() -> tuple[Cell, ...]:
    """All cells of the page."""
    return tuple(cell for section in sections() for cell in section.cells)
