"""The panel that staggered estimators start from: a value per unit and period, and when each unit was first treated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from experiments.errors import DuplicateUnit, InvalidNumber, NotEstimable
from experiments.messages import N_, Message

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = -1


@dataclass(frozen=True, slots=True, eq=False)
class UnitPanel:
    """``units`` (U) in ``periods`` (T, in time order). Treatment, once begun, stays.

    ``y`` (U, T) is the outcome, NaN where it is missing; ``first_treated`` (U,) is the position of the first treated
    period, −1 for never; ``covariates`` (U, k) were measured before any start; ``weight`` (U,) is None where every
    unit counts once.
    """

    units: tuple[str, ...]
    periods: tuple[str, ...]
    y: Floats
    first_treated: Ints
    covariates: Floats | None = None
    weight: Floats | None = None

    def __post_init__(self) -> None:
        n, n_periods = len(self.units), len(self.periods)
        if len(set(self.units)) != n:
            raise DuplicateUnit(unit=next(u for u in self.units if self.units.count(u) > 1))
        if self.y.shape != (n, n_periods) or bool(np.isinf(self.y).any()):
            raise InvalidNumber(name="y", value=str(self.y.shape), must_be=f"{n} × {n_periods} numbers or NaN")
        start = self.first_treated
        if start.shape != (n,) or not bool(((start >= NEVER) & (start < n_periods)).all()):
            raise InvalidNumber(
                name="first_treated", value=str(start), must_be=f"from −1 to {n_periods - 1}, one a unit"
            )
        if self.covariates is not None and (
            self.covariates.ndim != 2 or len(self.covariates) != n or not bool(np.isfinite(self.covariates).all())
        ):
            raise InvalidNumber(name="covariates", value=str(self.covariates.shape), must_be=f"finite, {n} rows")
        if self.weight is not None and (
            self.weight.shape != (n,) or not bool((np.isfinite(self.weight) & (self.weight > 0)).all())
        ):
            raise InvalidNumber(name="weight", value=str(self.weight), must_be=f"{n} positive numbers")

    @property
    def n_units(self) -> int:
        """U, the number of units."""
        return len(self.units)

    @property
    def n_periods(self) -> int:
        """T, the number of periods."""
        return len(self.periods)

    @property
    def starts(self) -> tuple[int, ...]:
        """The positions at which some unit was first treated, in time order."""
        return tuple(int(g) for g in np.unique(self.first_treated) if g != NEVER)

    @property
    def treated(self) -> Bools:
        """(U, T) whether the unit was treated in the period."""
        begun: Bools = self.first_treated[:, None] <= np.arange(self.n_periods)[None, :]
        ever: Bools = (self.first_treated != NEVER)[:, None]
        return np.logical_and(begun, ever)

    @property
    def unit_weights(self) -> Floats:
        """(U,) the weights, ones where every unit counts once."""
        return np.ones(self.n_units) if self.weight is None else self.weight

    def keep(self, units: Bools) -> "UnitPanel":
        """The panel of ``units`` (U,) only, in all periods."""
        return replace(
            self,
            units=tuple(u for u, kept in zip(self.units, units, strict=True) if kept),
            y=self.y[units],
            first_treated=self.first_treated[units],
            covariates=None if self.covariates is None else self.covariates[units],
            weight=None if self.weight is None else self.weight[units],
        )

    def with_outcome(self, y: Floats) -> "UnitPanel":
        """The same units and starts with another outcome (U, T)."""
        return replace(self, y=y)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Units that take no part in an estimate, by reason; every name is shown to the reader.

    ``incomplete`` lack a period, ``always_treated`` have no period before their start, ``alone`` are the only unit of
    their start (one unit has no variance).
    """

    incomplete: tuple[str, ...] = ()
    always_treated: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    def messages(self) -> tuple[Message, ...]:
        """One sentence for each reason that has units."""
        return tuple(
            Message(code, template, {"n": len(units), "units": ", ".join(units)})
            for code, template, units in (
                ("units_incomplete", _INCOMPLETE, self.incomplete),
                ("units_always_treated", _ALWAYS, self.always_treated),
                ("units_alone", _ALONE, self.alone),
            )
            if units
        )


_INCOMPLETE = N_("{n} units lack at least one period and are left out: {units}")
_ALWAYS = N_("{n} units were treated from the first period on, have nothing to compare with, and are left out: {units}")
_ALONE = N_("{n} units are the only ones of their start; one unit has no variance, so they are left out: {units}")


def usable(panel: UnitPanel, *, keep_alone: bool = False) -> tuple[UnitPanel, LeftOut]:
    """The units that have every period and one before their start, and those that were left out for want of it.

    A unit that is the only one of its start (or the only one never treated) is left out too unless ``keep_alone``.
    Raises ``NotEstimable`` when no treated unit or fewer than two units remain.
    """
    complete = np.asarray(np.isfinite(panel.y).all(axis=1), dtype=np.bool_)
    always = complete & (panel.first_treated == 0)
    kept = complete & ~always
    alone = np.zeros(panel.n_units, dtype=np.bool_)
    if not keep_alone:
        _, place, sizes = np.unique(panel.first_treated[kept], return_inverse=True, return_counts=True)
        alone[kept] = sizes[place] == 1
        kept = kept & ~alone
    left = LeftOut(_names(panel.units, ~complete), _names(panel.units, always), _names(panel.units, alone))
    remaining = panel.keep(kept)
    if remaining.n_units < 2 or not remaining.starts:
        raise NotEstimable(
            Message(
                "no_usable_panel",
                N_(
                    "no effect can be estimated: of {n} units {incomplete} lack a period, {always} were treated from "
                    "the first period on, {alone} are alone in their start, and the rest has no treated unit to compare"
                ),
                {
                    "n": panel.n_units,
                    "incomplete": len(left.incomplete),
                    "always": len(left.always_treated),
                    "alone": len(left.alone),
                },
            )
        )
    return remaining, left


def _names(units: Sequence[str], chosen: Bools) -> tuple[str, ...]:
    return tuple(unit for unit, flag in zip(units, chosen, strict=True) if flag)
