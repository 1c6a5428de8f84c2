"""The criterion of a rerandomised draw: how far apart the arms may lie before the seed's next draw is tried.

The distance of a variant from control is M = d' S⁻¹ d / (1/n_v + 1/n_c): d the difference of the arms' means, S the
sample covariance of all units drawn. Under a free draw M is about χ² with as many degrees of freedom as covariates;
with several variants the largest counts. Covariates are whole numbers and M is computed in whole numbers, so that no
rounding decides whether a draw is accepted. Reference: Morgan and Rubin (2012), Annals of Statistics 40, 1263–1282.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from experiments.checks import at_least
from experiments.design.candidates import CONTROL, Candidate
from experiments.errors import InvalidCandidate, InvalidMechanism

DEFAULT_TRIES = 10_000
Matrix = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, slots=True)
class Criterion:
    """``max_distance`` is the largest accepted M; ``best_share`` tells the share of draws from which it was set (None:
    it was named). ``tries`` caps how many draws of one seed are looked at."""

    covariates: tuple[str, ...]
    max_distance: Fraction
    best_share: Fraction | None = None
    tries: int = DEFAULT_TRIES

    def __post_init__(self) -> None:
        if not self.covariates or len(set(self.covariates)) != len(self.covariates):
            raise _refused("its criterion needs at least one covariate, each named once")
        if self.max_distance < 0 or (self.best_share is not None and not 0 < self.best_share <= 1):
            raise _refused("the largest distance is not negative, and the best share lies in (0, 1]")
        at_least("tries", self.tries, 1)

    def to_record(self) -> dict[str, Any]:
        """As JSON-able data without floats; fractions are text."""
        return {
            "covariates": list(self.covariates),
            "max_distance": str(self.max_distance),
            "best_share": None if self.best_share is None else str(self.best_share),
            "tries": self.tries,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Criterion":
        """The criterion that ``to_record`` wrote."""
        share = record["best_share"]
        return cls(
            tuple(record["covariates"]),
            Fraction(record["max_distance"]),
            None if share is None else Fraction(share),
            record["tries"],
        )


@dataclass(frozen=True, slots=True)
class Distance:
    """M of any assignment of ``units``, exactly."""

    units: tuple[Candidate, ...]
    covariates: tuple[str, ...]
    _values: Mapping[str, tuple[int, ...]] = field(init=False, repr=False)
    _inverse: Matrix = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = {unit.code: _row(unit, self.covariates) for unit in self.units}
        object.__setattr__(self, "_values", rows)
        object.__setattr__(self, "_inverse", _inverse(_scatter(list(rows.values()))))

    def __call__(self, assignment: Mapping[str, str]) -> Fraction:
        """The largest M of a variant against control."""
        sums: dict[str, list[int]] = {}
        counts: dict[str, int] = {}
        for code, values in self._values.items():
            arm = assignment[code]
            so_far = sums.setdefault(arm, [0] * len(values))
            counts[arm] = counts.get(arm, 0) + 1
            for position, value in enumerate(values):
                so_far[position] += value
        n, n_control, control = len(self.units), counts[CONTROL], sums[CONTROL]
        largest = Fraction(0)
        for arm, treated in sums.items():
            if arm == CONTROL:
                continue
            n_arm = counts[arm]
            gap = [n_control * t - n_arm * c for t, c in zip(treated, control, strict=True)]
            form = sum(
                gap[i] * gap[j] * self._inverse[i][j] for i in range(len(gap)) for j in range(len(gap))
            ) * Fraction(n * (n - 1), n_arm * n_control * (n_arm + n_control))
            largest = max(largest, form)
        return largest


def _row(unit: Candidate, names: Sequence[str]) -> tuple[int, ...]:
    for name in names:
        if name not in unit.covariates:
            raise InvalidCandidate(unit=unit.code, must_be=f"the draw is balanced on {name}, which it does not have")
    return tuple(unit.covariates[name] for name in names)


def _scatter(rows: Sequence[Sequence[int]]) -> list[list[Fraction]]:
    """n (n − 1) times the sample covariance, in whole numbers."""
    n, k = len(rows), len(rows[0]) if rows else 0
    sums = [sum(row[i] for row in rows) for i in range(k)]
    return [
        [Fraction(n * sum(row[i] * row[j] for row in rows) - sums[i] * sums[j]) for j in range(k)] for i in range(k)
    ]


def _inverse(matrix: list[list[Fraction]]) -> Matrix:
    """The exact inverse by Gauss and Jordan."""
    k = len(matrix)
    work = [[*row, *(Fraction(int(i == j)) for j in range(k))] for i, row in enumerate(matrix)]
    for column in range(k):
        pivot = next((row for row in range(column, k) if work[row][column] != 0), None)
        if pivot is None:
            raise _refused("a covariate of its criterion does not vary, or follows from the others")
        work[column], work[pivot] = work[pivot], work[column]
        lead = work[column][column]
        work[column] = [value / lead for value in work[column]]
        for row in range(k):
            if row != column and work[row][column] != 0:
                factor = work[row][column]
                work[row] = [a - factor * b for a, b in zip(work[row], work[column], strict=True)]
    return tuple(tuple(row[k:]) for row in work)


def _refused(must_be: str) -> InvalidMechanism:
    return InvalidMechanism(kind="rerandomized", must_be=must_be)
