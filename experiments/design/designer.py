"""The designer: candidate designs (how many stores, how long, which mechanism) ranked on the retailer's own history.

Each candidate is measured as it would be run: stores are taken from the network by the seed, the mechanism is made on
their last weeks, and the regression on blocks and the value before leaves the residual variance s² in past windows as
long as the design. The error is s / √E(t̂'t̂) with t̂'t̂ averaged over draws of that very mechanism (accepted ones,
for a rerandomised draw); the noncentral t gives power and the smallest visible effect. The sum that a design costs
stands beside. References: Bloom (1995), Evaluation Review 19; Imbens and Rubin (2015), chapters 4, 9, 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.checks import at_least, finite, probability
from experiments.design.acceptance import Accept, acceptance_of
from experiments.design.candidates import CONTROL, Candidate, Share
from experiments.design.mechanisms import (
    Mechanism,
    MechanismKind,
    complete,
    draw,
    matched_pairs,
    rerandomized,
    stratified,
)
from experiments.design.network_history import NetworkHistory
from experiments.design.power import DEFAULT_POWER, detectable, power_of_t
from experiments.design.reach import smallest_p
from experiments.errors import ExperimentError, InvalidNumber, NotEstimable
from experiments.messages import N_, Message

if TYPE_CHECKING:
    from experiments.estimate.unit_table import Floats, UnitTable

VARIANT = "variant"
BEFORE = "before"
_SUBSETS = 4
_MOST_WINDOWS = 8
_LENGTH_DRAWS = 99
_PPM = 1_000_000
_FEW = 16  # stores up to which all draws are listed


@dataclass(frozen=True, slots=True)
class Costs:
    """What a design costs, in one currency: once, per store that takes part, and per treated store and period."""

    fixed: float = 0.0
    per_store: float = 0.0
    per_treated_period: float = 0.0

    def of(self, n_stores: int, n_treated: int, n_periods: int) -> float:
        """The cost of a design."""
        return self.fixed + self.per_store * n_stores + self.per_treated_period * n_treated * n_periods


@dataclass(frozen=True, slots=True)
class CandidateDesign:
    """One design and what it can see. ``smallest_effect`` is found with the power wanted at the level; ``power`` is
    that for the target effect. None where ``refusal`` says why it cannot be run. ``is_dominated``: another design sees
    at least as little for at most the same money. ``rank`` counts from 1."""

    rank: int
    mechanism: MechanismKind
    n_stores: int
    n_treated: int
    n_periods: int
    smallest_effect: float | None
    smallest_relative: float | None
    power: float | None
    smallest_p: float | None
    cost: float
    n_windows: int
    is_dominated: bool
    refusal: Message | None

    @property
    def sentence(self) -> Message:
        """The design as a sentence."""
        values: dict[str, str | int | float] = {
            "mechanism": self.mechanism.value.replace("_", " "),
            "stores": self.n_stores,
            "treated": self.n_treated,
            "periods": self.n_periods,
            "cost": self.cost,
        }
        if self.refusal is not None or self.smallest_relative is None or self.power is None:
            values["reason"] = str(self.refusal)
            template = N_("{stores} stores ({treated} treated), {periods} periods, {mechanism}: {reason}")
            return Message("design_refused", template, values)
        values |= {"relative": self.smallest_relative, "power": self.power}
        return Message(
            "design",
            N_(
                "{stores} stores ({treated} treated), {periods} periods, {mechanism}: sees {relative:.1%}, finds the "
                "target with {power:.0%}, costs {cost:,.0f}"
            ),
            values,
        )


def propose_designs(
    history: NetworkHistory,
    *,
    stores: Sequence[int],
    periods: Sequence[int],
    target: float,
    before: int | None = None,
    mechanisms: Sequence[MechanismKind] = (
        MechanismKind.COMPLETE,
        MechanismKind.STRATIFIED,
        MechanismKind.MATCHED_PAIRS,
        MechanismKind.RERANDOMIZED,
    ),
    costs: Costs | None = None,
    level: float = 0.05,
    power: float = DEFAULT_POWER,
    best_share: str = "0.05",
    seed: int = 1,
) -> tuple[CandidateDesign, ...]:
    """Every design of ``stores`` × ``periods`` × ``mechanisms``, ranked.

    ``target`` is the relative effect that matters (the break-even lift); ``before`` the periods of the value before
    (default: as many as the design lasts). First come designs that find the target with ``power``, the cheapest first
    and of equal cost the sharpest; then those that do not, the most powerful first; then those that cannot be run.
    Half of the stores are treated. Raises ``InvalidNumber`` for values outside their range.
    """
    probability("level", level)
    probability("power", power)
    if not finite("target", target) > 0.0:
        raise InvalidNumber(name="target", value=target, must_be="a relative effect above 0")
    found = []
    for n in stores:
        for length in periods:
            at_least("stores", n, 2)
            at_least("periods", length, 1)
            for kind in mechanisms:
                if kind is MechanismKind.BERNOULLI_HASH or (kind is MechanismKind.STRATIFIED and not history.strata):
                    continue
                cost = (costs or Costs()).of(n, n // 2, length)
                found.append(
                    _measured(history, kind, n, length, before or length, target, cost, level, power, best_share, seed)
                )
    ordered = sorted(found, key=lambda design: _order(design, power))
    return tuple(
        replace(design, rank=rank, is_dominated=_is_dominated(design, found))
        for rank, design in enumerate(ordered, start=1)
    )


def _order(design: CandidateDesign, wanted: float) -> tuple[float, ...]:
    if design.power is None or design.smallest_effect is None:
        return (2.0, design.cost, float(design.n_stores), float(design.n_periods))
    if design.power >= wanted:
        return (0.0, design.cost, design.smallest_effect, float(design.n_periods))
    return (1.0, -design.power, design.cost, float(design.n_periods))


def _is_dominated(design: CandidateDesign, among: Sequence[CandidateDesign]) -> bool:
    if design.smallest_effect is None:
        return False
    return any(
        other.smallest_effect is not None
        and other.cost <= design.cost
        and other.smallest_effect <= design.smallest_effect
        and (other.cost < design.cost or other.smallest_effect < design.smallest_effect)
        for other in among
    )


def _measured(
    history: NetworkHistory,
    kind: MechanismKind,
    n: int,
    length: int,
    before: int,
    target: float,
    cost: float,
    level: float,
    power: float,
    best_share: str,
    seed: int,
) -> CandidateDesign:
    windows = _windows(history.values.shape[1], before, length)
    blank = CandidateDesign(0, kind, n, n // 2, length, None, None, None, None, cost, len(windows), False, None)
    try:
        if n > len(history.stores):
            raise NotEstimable(Message("too_few_stores", N_("the history has {n} stores"), {"n": len(history.stores)}))
        if not windows:
            raise NotEstimable(
                Message(
                    "history_too_short",
                    N_("{n} periods hold no past window of {length} after {before}"),
                    {"n": history.values.shape[1], "length": length, "before": before},
                )
            )
        parts = [
            _part(history, kind, places, windows, level, best_share, seed) for places in _subsets(history, n, seed)
        ]
    except (NotEstimable, ExperimentError) as refusal:
        return replace(blank, refusal=refusal.message)
    error = float(np.sqrt(np.mean([part.variance for part in parts]) / np.mean([part.length for part in parts])))
    mean, df = float(np.mean([part.mean for part in parts])), min(part.df for part in parts)
    smallest = detectable(error, df, level=level, power=power)
    return replace(
        blank,
        n_treated=parts[0].n_treated,
        smallest_effect=smallest,
        smallest_relative=smallest / abs(mean),
        power=power_of_t(target * mean, error, df, level=level),
        smallest_p=max(part.smallest_p for part in parts),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    variance: float
    length: float
    df: float
    mean: float
    smallest_p: float
    n_treated: int


def _part(
    history: NetworkHistory,
    kind: MechanismKind,
    places: Sequence[int],
    windows: Sequence[tuple[int, int, int]],
    level: float,
    best_share: str,
    seed: int,
) -> _Part:
    """One set of stores under one mechanism, over all windows. The mechanism of a window is made on its own past."""
    variances, lengths, means, dfs, treated = [], [], [], [], []
    reaches: list[float] = []
    for first_before, first, stop in windows:
        x = history.values[places, first_before:first].mean(axis=1)
        y = history.values[places, first:stop].mean(axis=1)
        mechanism = _mechanism(history, kind, places, x, best_share)
        if not reaches:
            reaches.append(_reach(mechanism, best_share))
            if reaches[0] > level:
                raise NotEstimable(
                    Message(
                        "cannot_reach",
                        N_("its smallest p-value is {smallest:.3f}, above {level:g}"),
                        {"smallest": reaches[0], "level": level},
                    )
                )
        variance, length, df, n_treated = _of_window(mechanism, places, history, x, y, seed)
        variances.append(variance)
        lengths.append(length)
        dfs.append(df)
        treated.append(n_treated)
        means.append(float(y.mean()))
    return _Part(
        float(np.mean(variances)), float(np.mean(lengths)), min(dfs), float(np.mean(means)), reaches[0], treated[0]
    )


def _reach(mechanism: Mechanism, best_share: str) -> float:
    """The smallest p; for a rerandomised draw of many stores that of a complete draw over the accepted share."""
    if mechanism.criterion is None or len(mechanism.codes) <= _FEW:
        return smallest_p(mechanism, VARIANT)
    return min(1.0, smallest_p(complete(mechanism.candidates, mechanism.shares), VARIANT) / float(best_share))


def _of_window(
    mechanism: Mechanism, places: Sequence[int], history: NetworkHistory, x: Floats, y: Floats, seed: int
) -> tuple[float, float, float, int]:
    """Residual variance, average t̂'t̂, degrees of freedom and treated stores of one window."""
    from experiments.estimate.redraws import redraws
    from experiments.estimate.unit_means import residual_on_nuisance

    drawn = draw(mechanism, seed).assignment
    codes = [code for block in mechanism.blocks for code in sorted(block)]
    place = {history.stores[p]: position for position, p in enumerate(places)}
    rows = [place[code] for code in codes]
    table = _table(mechanism, codes, y[rows], x[rows], np.array([float(drawn[code] == VARIANT) for code in codes]))
    residual, nuisance, df = residual_on_nuisance(table)
    if df < 2:
        raise NotEstimable(
            Message("design_too_small", N_("{n} units leave no degree of freedom for an error"), {"n": len(codes)})
        )
    accept: Accept | None = acceptance_of(mechanism, drawn, VARIANT, codes)
    again = redraws(table, seed=seed, draws=_LENGTH_DRAWS, accept=accept).treated[:_LENGTH_DRAWS]
    lengths = [float((nuisance.out_of(row.astype(np.float64)) ** 2).sum()) for row in again]
    n_treated = int(table.treated.sum())
    return float((residual**2).sum()) / df, float(sum(lengths) / len(lengths)), float(df - 1), n_treated


def _mechanism(
    history: NetworkHistory, kind: MechanismKind, places: Sequence[int], x: Floats, best_share: str
) -> Mechanism:
    scale = float(np.abs(x).max()) or 1.0
    shares = (Share(CONTROL, 1), Share(VARIANT, 1))
    candidates = [
        Candidate(
            history.stores[place],
            history.strata[place] if history.strata else None,
            {BEFORE: round(_PPM * float(value) / scale)},
        )
        for place, value in zip(places, x, strict=True)
    ]
    match kind:
        case MechanismKind.MATCHED_PAIRS:
            return matched_pairs(candidates, shares, [BEFORE])
        case MechanismKind.STRATIFIED:
            return stratified(candidates, shares)
        case MechanismKind.RERANDOMIZED:
            from scipy.special import chdtri

            limit = float(chdtri(1.0, 1.0 - float(best_share)))  # with one covariate the distance is about χ² with 1 df
            return rerandomized(candidates, shares, [BEFORE], max_distance=f"{limit:.9f}")
        case _:
            return complete(candidates, shares)


def _table(mechanism: Mechanism, codes: Sequence[str], y: Floats, x: Floats, treated: Floats) -> UnitTable:
    from experiments.estimate.unit_table import UnitTable

    block_of = {code: number for number, block in enumerate(mechanism.blocks) for code in block}
    return UnitTable(
        units=tuple(codes),
        y=y,
        treated=treated,
        block=np.array([block_of[code] for code in codes], dtype=np.int64),
        covariates=x[:, None],
        bystanders=np.zeros((len(codes), 0)),
        weight=None,
        n_rows=len(codes),
    )


def _windows(n_periods: int, before: int, length: int) -> tuple[tuple[int, int, int], ...]:
    """(first before, first, stop) of past windows whose outcomes do not overlap, the latest first, at most eight."""
    found: list[tuple[int, int, int]] = []
    stop = n_periods
    while stop - length - before >= 0 and len(found) < _MOST_WINDOWS:
        found.append((stop - length - before, stop - length, stop))
        stop -= length
    return tuple(found)


def _subsets(history: NetworkHistory, n: int, seed: int) -> list[list[int]]:
    """Up to four sets of ``n`` stores, taken by the seed; the whole network is one set."""
    total = len(history.stores)
    if n == total:
        return [list(range(total))]
    words = np.random.PCG64(seed)
    return [sorted(int(i) for i in np.argsort(words.random_raw(total), kind="stable")[:n]) for _ in range(_SUBSETS)]
