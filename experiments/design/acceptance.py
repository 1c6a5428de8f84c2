"""Acceptance for redraws: which other assignments the recorded rules would have accepted, many at a time.

A permutation test of a draw with a criterion or with neighbours that must not meet compares acceptable assignments
only. Distances are computed in floating point; what lies within a billionth of the limit is decided in whole numbers.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from experiments.design.candidates import CONTROL
from experiments.design.mechanisms import Mechanism, acceptance
from experiments.errors import InvalidMechanism, InvalidNumber

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Accept = Callable[[Flags], Flags]
_TIE = 1e-9


def acceptance_of(
    mechanism: Mechanism, assignment: Mapping[str, str], variant: str, units: Sequence[str]
) -> Accept | None:
    """The rule for redraws of ``variant`` against control; None where every redraw is accepted.

    The rule takes rows of flags, one per unit of ``units`` (True: the variant), and says which rows are accepted.
    Units of other variants, and those of the draw that are not in ``units``, stay where ``assignment`` has them.
    """
    if not mechanism.rejects:
        return None
    codes = mechanism.codes
    place = {code: i for i, code in enumerate(codes)}
    moving = [(column, place[u]) for column, u in enumerate(units) if assignment[u] in (CONTROL, variant)]
    columns, places = [c for c, _ in moving], [p for _, p in moving]
    number = mechanism.variants.index(variant)
    actual = np.array([mechanism.variants.index(assignment[code]) for code in codes])
    accepts = accepted(mechanism)

    def rule(flags: Flags) -> Flags:
        rows = np.repeat(actual[None, :], len(flags), axis=0)
        rows[:, places] = np.where(flags[:, columns], number, 0)
        return accepts(rows)

    return rule


def joint_acceptance(
    mechanism: Mechanism, assignment: Mapping[str, str], units: Sequence[str]
) -> Callable[[npt.NDArray[np.int64]], Flags] | None:
    """The rule for redraws of all variants together; None where every redraw is accepted.

    It takes rows of positions in ``mechanism.variants`` (0: control), one per unit of ``units``; units of the draw that
    are not among them stay where ``assignment`` has them.
    """
    if not mechanism.rejects:
        return None
    place = {code: i for i, code in enumerate(mechanism.codes)}
    places = [place[unit] for unit in units]
    actual = np.array([mechanism.variants.index(assignment[code]) for code in mechanism.codes])
    accepts = accepted(mechanism)

    def rule(labels: npt.NDArray[np.int64]) -> Flags:
        rows = np.repeat(actual[None, :], len(labels), axis=0)
        rows[:, places] = labels
        return accepts(rows)

    return rule


def accepted(mechanism: Mechanism) -> Callable[[npt.NDArray[np.int64]], Flags]:
    """The rule for whole assignments: rows of positions in ``mechanism.variants``, columns as ``mechanism.codes``."""
    codes, variants = mechanism.codes, mechanism.variants
    place = {code: i for i, code in enumerate(codes)}
    apart = [(place[a], place[b]) for a, b in mechanism.constraints.never_together if a in place and b in place]
    criterion = mechanism.criterion
    exactly = acceptance(mechanism)
    z = None if criterion is None else _whitened(_values(mechanism, criterion.covariates))

    def rule(rows: npt.NDArray[np.int64]) -> Flags:
        keep = np.ones(len(rows), dtype=np.bool_)
        for first, second in apart:
            keep &= (rows[:, first] == 0) | (rows[:, second] == 0)
        if criterion is not None and z is not None:
            limit = float(criterion.max_distance)
            distance = _largest_distance(rows, z, len(variants))
            keep &= distance <= limit * (1.0 + _TIE) + _TIE
            for row in np.flatnonzero(keep & (distance >= limit * (1.0 - _TIE) - _TIE)):
                keep[row] = exactly({code: variants[rows[row, i]] for i, code in enumerate(codes)})
        return keep

    return rule


def balance_rule(covariates: Floats, max_distance: float) -> Accept:
    """The rule of a plan that only names its criterion: ``covariates`` (n, k) of the units of one contrast; accepted is
    a Mahalanobis distance of the arms' means d' S⁻¹ d / (1/n_t + 1/n_c) of at most ``max_distance``."""
    values = np.asarray(covariates, dtype=np.float64)
    if not np.isfinite(values).all() or not max_distance >= 0.0:
        raise InvalidNumber(name="covariates, max_distance", value=str(max_distance), must_be="finite, not negative")
    z = _whitened(values)

    def rule(flags: Flags) -> Flags:
        limit = max_distance * (1.0 + _TIE) + _TIE
        kept: Flags = _largest_distance(flags.astype(np.int64), z, 2) <= limit
        return kept

    return rule


def _values(mechanism: Mechanism, names: Sequence[str]) -> Floats:
    by_code = {candidate.code: candidate.covariates for candidate in mechanism.candidates}
    return np.array([[float(by_code[code][name]) for name in names] for code in mechanism.codes])


def _whitened(values: Floats) -> Floats:
    """Columns with mean 0 whose sample covariance is the identity: distances become sums of squares."""
    centred = values - values.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0) / (len(values) - 1))
    if not (scale > 0.0).all():
        raise InvalidMechanism(kind="rerandomized", must_be="a covariate of its criterion does not vary")
    centred = centred / scale
    correlation = np.einsum("ni,nj->ij", centred, centred) / (len(values) - 1)
    if np.linalg.eigvalsh(correlation)[0] < 1e-10:
        raise InvalidMechanism(kind="rerandomized", must_be="a covariate of its criterion follows from the others")
    whitened: Floats = np.linalg.solve(np.linalg.cholesky(correlation), centred.T).T
    return whitened


def _largest_distance(rows: npt.NDArray[np.int64], z: Floats, n_variants: int) -> Floats:
    control = rows == 0
    n_control = control.sum(axis=1)
    mean_control = np.einsum("rn,nk->rk", control.astype(np.float64), z) / n_control[:, None]
    largest = np.zeros(len(rows))
    for number in range(1, n_variants):
        arm = rows == number
        n_arm = arm.sum(axis=1)
        gap = np.einsum("rn,nk->rk", arm.astype(np.float64), z) / n_arm[:, None] - mean_control
        largest = np.maximum(largest, (gap**2).sum(axis=1) / (1.0 / n_arm + 1.0 / n_control))
    return largest
