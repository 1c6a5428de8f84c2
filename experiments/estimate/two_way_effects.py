"""Least squares on unit and period effects, whatever cells are observed: y_it = α_i + λ_t + e_it over a mask of cells.

The unit effects are taken out by unit means; the period effects solve the T × T system A λ = r with

    A = diag(Σ_i m_it) − Σ_i m_i m_i' / n_i,     r_t = Σ_i m_it (y_it − ȳ_i)

A has one null direction for every group of cells that no unit or period connects, so one λ of each group is held at 0;
α_i + λ_t is determined exactly where unit and period belong to the same group. Reference: Abowd, Creecy and Kramarz
(2002), LEHD Technical Paper 2002-06.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.estimate.unit_panel import Bools, Floats, Ints

_APART = -1


@dataclass(frozen=True, eq=False)
class TwoWayEffects:
    """The least squares on unit and period effects over the cells of ``mask`` (U, T)."""

    mask: Bools

    @cached_property
    def group_of_period(self) -> Ints:
        """(T,) the connected group of each period, −1 for a period without a cell."""
        together = np.einsum("it,is->ts", self.mask.astype(np.float64), self.mask.astype(np.float64)) > 0
        group = np.full(self.mask.shape[1], _APART, dtype=np.int64)
        for first in range(len(group)):
            if group[first] != _APART or not together[first, first]:
                continue
            reached = np.zeros(len(group), dtype=np.bool_)
            reached[first] = True
            while bool((grown := reached | together[reached].any(axis=0))[~reached].any()):
                reached = grown
            group[reached] = first
        return group

    @cached_property
    def determined(self) -> Bools:
        """(U, T) the cells whose unit plus period effect the mask determines."""
        unit_group = np.where(self.mask, self.group_of_period[None, :], _APART).max(axis=1)
        found: Bools = (unit_group[:, None] == self.group_of_period[None, :]) & (unit_group[:, None] != _APART)
        return found

    @property
    def n_parameters(self) -> int:
        """The rank: units and periods with a cell, less one for every connected group."""
        groups = len(set(self.group_of_period.tolist()) - {_APART})
        return int(np.count_nonzero(self.mask.any(axis=1)) + np.count_nonzero(self.mask.any(axis=0))) - groups

    def fitted(self, y: Floats) -> Floats:
        """(U, T) α_i + λ_t fitted to ``y`` over the mask, for every cell; NaN where it is not determined."""
        m = self._m
        observed = np.where(self.mask, y, 0.0)
        means = observed.sum(axis=1) / self._n
        period = np.einsum("ts,s->t", self._inverse, (observed - m * means[:, None]).sum(axis=0))
        unit = means - np.einsum("it,t->i", m, period) / self._n
        return np.where(self.determined, unit[:, None] + period[None, :], np.nan)

    def residual(self, y: Floats) -> Floats:
        """(U, T) ``y`` less its fit over the mask, 0 elsewhere."""
        return np.where(self.mask, np.where(self.mask, y, 0.0) - np.nan_to_num(self.fitted(y)), 0.0)

    def prediction_weights(self, weights: Floats) -> Floats:
        """(U, T) p with Σ p_it y_it = Σ weights_it (α̂_i + λ̂_t): what each cell of the mask adds to a sum of fits.

        ``weights`` (U, T) must be 0 where the cell is not determined.
        """
        unit, period = weights.sum(axis=1), weights.sum(axis=0)
        q = np.einsum("ts,s->t", self._inverse, period - np.einsum("i,it->t", unit / self._n, self._m))
        constant = (unit - np.einsum("it,t->i", self._m, q)) / self._n
        return np.where(self.mask, constant[:, None] + q[None, :], 0.0)

    @cached_property
    def _m(self) -> Floats:
        return self.mask.astype(np.float64)

    @cached_property
    def _n(self) -> Floats:
        return np.asarray(np.maximum(self._m.sum(axis=1), 1.0), dtype=np.float64)

    @cached_property
    def _inverse(self) -> Floats:
        """The inverse of A with the first period of every connected group held at 0."""
        a = np.diag(self._m.sum(axis=0)) - np.einsum("it,i,is->ts", self._m, 1.0 / self._n, self._m)
        places = np.arange(len(a))
        free = (self.group_of_period != _APART) & (self.group_of_period != places)
        inverse: Floats = np.zeros(a.shape)
        inverse[np.ix_(free, free)] = _positive_inverse(a[np.ix_(free, free)])
        return inverse


def _positive_inverse(a: Floats) -> Floats:
    """The inverse of a positive definite matrix by Gauss and Jordan, row by row: the same bytes on any machine."""
    work, inverse = a.copy(), np.eye(len(a))
    for i in range(len(a)):
        pivot = work[i, i]
        row, own = work[i] / pivot, inverse[i] / pivot
        column = work[:, i].copy()
        column[i] = 0.0
        work -= column[:, None] * row[None, :]
        inverse -= column[:, None] * own[None, :]
        work[i], inverse[i] = row, own
    return inverse
