"""Guardrails at their margin, looks over time, and several variants at once."""

from functools import partial

import numpy as np

from benchmarks.error_rates.cell import LEVEL, Cell, Flags, Floats, Tally
from benchmarks.error_rates.judging import NAIVE
from benchmarks.error_rates.units import REDRAWS, STUDENTISED, draws_of, permuted, unit_table
from experiments.estimate.dunnett import many_to_one_p
from experiments.estimate.estimate import Inference, Side, TInference
from experiments.estimate.max_t import Labels, max_t
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_means import fit
from experiments.monitor.confidence_sequence import always_valid_p
from experiments.monitor.equivalence import non_inferiority, tost
from experiments.monitor.spending import look_levels
from experiments.rows.two_samples import Arm, arm, welch_t

CUSTOMERS = 400


def _inference(y: Floats, arms: Floats, *, stores: bool) -> Inference:
    if stores:
        return permuted(fit(unit_table(y, arms)), studentise=True)
    return welch_t(arm(y[arms == 0.0]), arm(y[arms == 1.0]))


def _outcomes(rng: np.random.Generator, units: int, *, stores: bool) -> Floats:
    """Normal store means, or skewed customers (gamma of shape .5, standard deviation 1)."""
    return rng.standard_normal(units) if stores else rng.gamma(0.5, np.sqrt(2.0), units)


def guardrail(
    rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int, stores: bool
) -> None:
    """The true effect is a loss of exactly the margin (three standard errors): how often is "not inferior" claimed?"""
    margin = 3.0 * np.sqrt(1 / treated + 1 / (units - treated))
    name = STUDENTISED if stores else "welch"
    arms = draws_of(rng, replications, units, treated)
    for i in range(replications):
        found = _inference(_outcomes(rng, units, stores=stores), arms[i], stores=stores)
        at_margin = found.p_one_sided(Side.GREATER, 0.0) <= LEVEL  # y − margin on the treated, tested against −margin
        claimed = non_inferiority(found, margin=margin, good_is_up=True, level=LEVEL).holds
        tally.add(name, alarm=at_margin, finds=claimed)


def equivalence(
    rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int, stores: bool
) -> None:
    """The true effect lies exactly on a limit (four standard errors): how often is "no change" claimed?"""
    limit = 4.0 * np.sqrt(1 / treated + 1 / (units - treated))
    name = STUDENTISED if stores else "welch"
    arms = draws_of(rng, replications, units, treated)
    for i in range(replications):
        found = _inference(_outcomes(rng, units, stores=stores), arms[i], stores=stores)
        on_limit = tost(found, low=-2.0 * limit, high=0.0, level=LEVEL).holds
        tally.add(name, alarm=on_limit, finds=tost(found, low=-limit, high=limit, level=LEVEL).holds)


def looks(rng: np.random.Generator, replications: int, tally: Tally, *, planned: int) -> None:
    """Skewed customers arrive, 400 an arm between two looks; a look's Welch test at its own level."""
    fractions = [(k + 1) / planned for k in range(planned)]
    levels = {name: look_levels(planned, name, fractions, LEVEL) for name in ("equal", "obrien_fleming", "pocock")}
    effect = 3.0 * np.sqrt(2.0 / (CUSTOMERS * planned))
    for _ in range(replications):
        values = [rng.gamma(0.5, np.sqrt(2.0), (2, CUSTOMERS)) for _ in range(planned)]
        tests = [_so_far(values[: k + 1]) for k in range(planned)]
        p = np.array([test.p_value() for test in tests])
        lifted = np.array([test.p_value(-effect) for test in tests])
        tally.add(
            NAIVE, alarm=bool((p <= LEVEL).any()), covers=bool((p > LEVEL).all()), finds=bool((lifted <= LEVEL).any())
        )
        for name, level in levels.items():
            hit = bool((p <= np.array(level)).any())
            tally.add(name, alarm=hit, covers=not hit, finds=bool((lifted <= np.array(level)).any()))
        errors = [test.std_error for test in tests]
        planned_error = float(np.sqrt(2.0 / (CUSTOMERS * planned)))
        always = always_valid_p([t.effect for t in tests], errors, planned_std_error=planned_error)
        raised = always_valid_p([t.effect + effect for t in tests], errors, planned_std_error=planned_error)
        tally.add(
            "confidence_sequence", alarm=always[-1] <= LEVEL, covers=always[-1] > LEVEL, finds=raised[-1] <= LEVEL
        )


def _so_far(values: list[Floats]) -> TInference:
    both = np.concatenate(values, axis=1)
    n = both.shape[1]
    arms = [Arm(n, float(row.mean()), float(row.var()) / (n - 1)) for row in both]
    return welch_t(arms[0], arms[1])


def customer_variants(
    rng: np.random.Generator, replications: int, tally: Tally, *, sizes: tuple[int, ...], helps: float
) -> None:
    """Skewed customers in three variants and control; the last variant has an effect of ``helps`` standard errors. An
    alarm is any rejection among variants without effect."""
    effect = 3.0 * np.sqrt(1 / sizes[0] + 1 / sizes[-1])
    truths = np.zeros(len(sizes) - 1)
    truths[-1] = helps / 3.0 * effect
    null = truths == 0.0
    for _ in range(replications):
        arms = [arm(rng.gamma(0.5, np.sqrt(2.0), n)) for n in sizes]
        tests = [welch_t(arms[0], other) for other in arms[1:]]
        t = np.array([test.effect / test.std_error for test in tests])
        shift = truths / np.array([test.std_error for test in tests])
        loadings = [float(np.sqrt(arms[0].error / (arms[0].error + other.error))) for other in arms[1:]]
        adjusted = np.array(many_to_one_p(t.tolist(), [test.df for test in tests], loadings))
        plain = np.array([test.p_value() for test in tests])
        alone = np.array([test.p_value(-truth) for test, truth in zip(tests, truths, strict=True)])
        found = None
        if helps:
            found = many_to_one_p((t + shift).tolist(), [test.df for test in tests], loadings)[-1] <= LEVEL
        tally.add(
            "dunnett", alarm=bool((adjusted[null] <= LEVEL).any()), covers=bool((adjusted > LEVEL).all()), finds=found
        )
        tally.add(NAIVE, alarm=bool((plain[null] <= LEVEL).any()), finds=bool(alone[-1] <= LEVEL) if helps else None)


def store_variants(
    rng: np.random.Generator, replications: int, tally: Tally, *, sizes: tuple[int, ...], helps: float, sd: float
) -> None:
    """Normal store means in control and two variants; the last one helps by ``helps`` standard errors. Effects have
    standard deviation ``sd`` and mean zero over the drawn stores. An alarm is any rejection among variants without
    effect, by p-values adjusted over joint redraws."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    effect = helps * np.sqrt(1 / sizes[0] + 1 / sizes[-1])
    block, none = np.zeros(len(labels), dtype=np.int64), np.zeros((len(labels), 0))
    for _ in range(replications):
        label = rng.permutation(labels)
        effects = sd * rng.standard_normal((len(sizes), len(labels)))
        effects -= effects.mean(axis=1, keepdims=True)
        effects[0] = 0.0
        y = rng.standard_normal(len(labels)) + effects[label, np.arange(len(labels))]
        y = y + effect * (label == len(sizes) - 1)
        raw = []
        for variant in range(1, len(sizes)):
            others = [(label == w).astype(float) for w in range(1, len(sizes)) if w != variant]
            table = unit_table(y, (label == variant).astype(float), bystanders=np.column_stack(others))
            over = _moving(rng, table.moves, sizes[variant])
            raw.append(permuted(fit(table), studentise=True, over=over).p_value())
        adjusted = max_t(Labels(y, label, block, none), raw, seed=1, draws=199)
        null = slice(None, -1) if helps else slice(None)
        power = bool(adjusted[-1] <= LEVEL) if helps else None
        alarm = min(adjusted[null]) <= LEVEL
        tally.add("max_t", alarm=alarm, finds=power)
        tally.add(
            "unadjusted",
            alarm=min(raw[null]) <= LEVEL,
            finds=bool(raw[-1] <= LEVEL) if helps else None,
        )


def _moving(rng: np.random.Generator, moves: Flags, treated: int) -> Redraws:
    """Redraws of the units that move; bystanders stay untreated."""
    rows = np.zeros((REDRAWS, len(moves)), dtype=np.bool_)
    rows[:, moves] = draws_of(rng, REDRAWS, int(moves.sum()), treated) == 1.0
    return Redraws(rows, listed=False)


GUARDRAILS = tuple(
    Cell(
        f"{title}",
        f"{units} ({treated}) {'stores' if stores else 'customers'}",
        STUDENTISED if stores else "welch",
        partial(run, units=units, treated=treated, stores=stores),
    )
    for title, run in (("guardrail at its margin", guardrail), ("equivalence on its limit", equivalence))
    for units, treated, stores in ((12, 6, True), (20, 10, True), (20, 4, True), (400, 200, False))
)
LOOKS = tuple(
    Cell("looks", f"{planned} looks, {name}", name, partial(looks, planned=planned))
    for planned, name in (
        (3, "equal"),
        (3, "obrien_fleming"),
        (5, "equal"),
        (5, "obrien_fleming"),
        (5, "pocock"),
        (5, "confidence_sequence"),
        (10, "obrien_fleming"),
    )
)
CUSTOMER_VARIANTS = tuple(
    Cell(
        "variants of customers",
        f"control {sizes[0]}, variants {', '.join(map(str, sizes[1:]))}{', the last one helps' if helps else ''}",
        "dunnett",
        partial(customer_variants, sizes=sizes, helps=helps),
    )
    for sizes, helps in (((100, 100, 100, 100), 0.0), ((100, 100, 100, 100), 3.0))
)
STORE_VARIANTS = tuple(
    Cell(
        "variants of stores",
        f"{' + '.join(map(str, sizes))} stores{', the last variant helps' if helps else ''}, effects' sd {sd:g}",
        "max_t",
        partial(store_variants, sizes=sizes, helps=helps, sd=sd),
        exact=sd == 0.0,
    )
    for sizes, helps, sd in (
        ((6, 6, 6), 0.0, 0.0),
        ((8, 4, 4), 0.0, 0.0),
        ((10, 10, 10), 3.0, 0.0),
        ((12, 4, 4), 3.0, 1.0),
    )
)
CELLS = (*GUARDRAILS, *LOOKS, *CUSTOMER_VARIANTS, *STORE_VARIANTS)
