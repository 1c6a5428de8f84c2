"""Test inversion: the ends of many permutation intervals at once, by halving and then by false position.

An end is the last effect, going away from the estimate, at which enough draws are as extreme as the actual one. Three
errors away nearly every draw has changed sides; halving the bracket halves the draws that may still change in it, so
the work is that of a few evaluations of all draws. The roots of those that remain are then found by false position
(Illinois), and the end is the one at which the count falls short.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.estimate.arm_errors import Draws
from experiments.estimate.unit_table import Flags, Floats, Ints

TIE = 1e-9
_FIRST_STEP = 3.0
_WIDENINGS = 60
_HALVINGS = 16
_POLISHING = 90
_PRECISION = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """One end to look for: from ``actual.b[0]`` in ``direction`` (±1), where fewer than ``needed`` draws are extreme.

    ``sign`` is 0 for the two-sided test, +1 or −1 where the signed statistic must be at least (at most) the actual.
    ``tied`` draws count as extreme everywhere. ``floor`` is what counts as zero in a statistic that has no error.
    """

    draws: Draws
    actual: Draws
    tied: Flags
    sign: float
    direction: float
    needed: int
    step: float
    floor: float


def extremity(draws: Draws, actual: Draws, at: float, sign: float, floor: float) -> Floats:
    """How far each draw is beyond the actual one: at least 0 means as extreme."""
    own = _sided(actual.scores(at), sign, None if draws.errors is not None else floor)
    return _beyond(_sided(draws.scores(at), sign, None if draws.errors is not None else floor), own)


def _sided(scores: Floats, sign: Floats | float, floor: Floats | float | None) -> Floats:
    """|score| where ``sign`` is 0, else the score times it; what is under ``floor`` is zero."""
    if floor is not None:
        scores = np.where(np.abs(scores) < floor, 0.0, scores)
    return np.abs(scores) if not np.any(sign) else np.where(sign == 0.0, np.abs(scores), sign * scores)


def _beyond(found: Floats, own: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        beyond = found - np.where(np.isfinite(own), own - TIE * np.abs(own), own)
    return np.where(np.isnan(beyond), 0.0, beyond)  # both infinite: as extreme


def find_ends(ends: Sequence[End]) -> list[float | None]:
    """The ends, in order; None where no effect is rejected."""
    if not ends:
        return []
    search = _Search(ends)
    search.widen()
    for _ in range(_HALVINGS):
        if len(search.owner) <= 2 * len(ends):
            break
        search.halve()
    return search.finish()


class _Search:
    """The brackets of all ends, and one flat list of the draws that change sides inside theirs."""

    def __init__(self, ends: Sequence[End]) -> None:
        self.ends = ends
        self.estimate = np.array([end.actual.b[0] for end in ends])
        self.inside = self.estimate.copy()
        self.outside = self.inside + np.array([end.direction * _FIRST_STEP * end.step for end in ends])
        self.needed = np.array([end.needed for end in ends])
        self.sign = np.array([end.sign for end in ends])
        self.actual = _stacked([end.actual for end in ends])
        plain = self.actual.errors is None
        self.floor = np.array([end.floor for end in ends]) if plain else None
        self.owner: Ints = np.repeat(np.arange(len(ends)), [len(end.draws.b) for end in ends])
        self.draws = _stacked([end.draws for end in ends])
        self.tied = np.concatenate([end.tied for end in ends])
        self.base = np.zeros(len(ends), dtype=np.int64)
        self.open = np.ones(len(ends), dtype=np.bool_)
        self.was_in: Flags = np.ones(len(self.owner), dtype=np.bool_)
        if self.sign.any():  # at the estimate every |statistic| is as extreme, but not every signed one
            self.was_in = self._extreme(self.draws, self.owner, self.inside)

    def widen(self) -> None:
        """Widen each bracket until its outer value is rejected; an end that never is stays open."""
        pending = np.ones(len(self.ends), dtype=np.bool_)
        is_out = np.ones(len(self.owner), dtype=np.bool_)
        for _ in range(_WIDENINGS):
            rows = pending[self.owner]
            draws = self.draws if rows.all() else self.draws.take(rows)
            reached = self._extreme(draws, self.owner[rows], self.outside) | self.tied[rows]
            is_out[rows] = reached
            rejected = pending & (self._count(self.owner[rows], reached) < self.needed)
            pending &= ~rejected
            if not pending.any():
                break
            self.was_in[pending[self.owner]] = is_out[pending[self.owner]]
            self.inside[pending] = self.outside[pending]
            self.outside[pending] += 2.0 * (self.outside - self.estimate)[pending]
        self.open = pending
        self._keep(self.was_in, is_out)

    def halve(self) -> None:
        """Halve every bracket; draws that are the same at both of its values drop out."""
        middle = (self.inside + self.outside) / 2.0
        reached = self._extreme(self.draws, self.owner, middle)
        rejected = self.base + self._count(self.owner, reached) < self.needed
        self.outside = np.where(rejected, middle, self.outside)
        self.inside = np.where(rejected, self.inside, middle)
        far = rejected[self.owner]
        self._keep(np.where(far, self.was_in, reached), np.where(far, reached, ~self.was_in))

    def finish(self) -> list[float | None]:
        """The place in each bracket at which the count falls short."""
        falls = self.was_in
        roots = self._roots()
        found: list[float | None] = []
        for i, end in enumerate(self.ends):
            if self.open[i]:
                found.append(None)
                continue
            mine = np.sort(end.direction * roots[(self.owner == i) & falls])[::-1]
            missing = int(self.needed[i] - self.base[i])  # how many of those that fall must still be there
            inside = float(self.inside[i])
            found.append(end.direction * float(mine[missing - 1]) if 0 < missing <= len(mine) else inside)
        return found

    def _keep(self, at_inside: Flags, at_outside: Flags) -> None:
        changes = at_inside != at_outside
        self.base += self._count(self.owner, at_inside & at_outside)
        self.owner, self.draws, self.was_in = self.owner[changes], self.draws.take(changes), at_inside[changes]

    def _count(self, owner: Ints, flags: Flags) -> Ints:
        return np.bincount(owner[flags], minlength=len(self.ends))

    def _extreme(self, draws: Draws, owner: Ints, at: Floats) -> Flags:
        """Whether draws are as extreme as the actual one of their end, at the value of that end."""
        own = _sided(self.actual.scores(at), self.sign, self.floor)
        found = _sided(draws.scores(at[owner]), self._sign(owner), self._floor(owner))
        return np.asarray(_beyond(found, own[owner]) >= 0.0)

    def _sign(self, owner: Ints) -> Floats | float:
        return self.sign[owner] if self.sign.any() else 0.0

    def _floor(self, owner: Ints) -> Floats | None:
        return None if self.floor is None else self.floor[owner]

    def _gap(self, at: Floats) -> Floats:
        """How far each remaining draw is beyond the actual one of its end, at a value of its own."""
        owner, errors = self.owner, self.actual.errors
        actual = Draws(self.actual.b[owner], self.actual.a[owner], None if errors is None else errors[:, owner])
        sign, floor = self._sign(owner), self._floor(owner)
        return _beyond(_sided(self.draws.scores(at), sign, floor), _sided(actual.scores(at), sign, floor))

    def _roots(self) -> Floats:
        """Where each remaining draw changes sides: false position, halving the weight of the end that stays."""
        low, high = self.inside[self.owner], self.outside[self.owner]
        f_low = self._gap(low)
        f_high = self._gap(high)
        root = low
        for step in range(_POLISHING):
            before = root
            with np.errstate(divide="ignore", invalid="ignore"):
                root = low + (high - low) * f_low / (f_low - f_high)
            # every third step a plain halving, so that the bracket cannot creep
            root = np.where(np.isfinite(root) & (step % 3 < 2), root, (low + high) / 2.0)
            f = self._gap(root)
            same = (f >= 0.0) == (f_low >= 0.0)
            low, high = np.where(same, root, low), np.where(same, high, root)
            f_low, f_high = np.where(same, f, f_low / 2.0), np.where(same, f_high / 2.0, f)
            if not (np.abs(root - before) > _PRECISION * np.abs(root - self.estimate[self.owner])).any():
                break
        return root


def _stacked(parts: Sequence[Draws]) -> Draws:
    errors = [part.errors for part in parts if part.errors is not None]
    return Draws(
        np.concatenate([part.b for part in parts]),
        np.concatenate([part.a for part in parts]),
        np.concatenate(errors, axis=1) if errors else None,
    )
