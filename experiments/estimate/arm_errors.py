"""What a studentised permutation divides by: the error of the coefficient from the residuals of each arm.

With e the residuals of the regression, M its residual maker and l = t̂ / t̂'t̂, an arm j gives s_j² = Σ_j e² / d_j with
d_j = Σ_j M_ii degrees of freedom, and adds v_j = s_j² Σ_j l² to the variance of the coefficient. One block without
covariates makes this Welch's error. Arms are the variant, control, and the variants that stand by. The score of a
coefficient b is its t = b / √V, V = Σ v_j, on the scale of the normal distribution for ν = V² / Σ v_j² / (d_j + 2)
degrees of freedom:  z = (8ν + 1) / (8ν + 3) · √(ν log(1 + t²/ν)).  References: Welch (1947), Biometrika 34 (d + 2 in
the degrees of freedom); Wallace (1959), Annals of Mathematical Statistics 30 (the score).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.estimate.unit_means import Nuisance, Regression
from experiments.estimate.unit_table import Flags, Floats

_TIE = 1e-9
_CHUNK = 1_000
_ONE_THREAD = 200_000  # multiplications
_CACHED = 4_096  # draws whose arrays stay in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """R draws of one regression. ``b`` and ``a`` (R) are the coefficients on y and on the actual t.

    ``errors`` (4J × R; None: not studentised) holds for each of J arms the variance v_j under an effect of τ in every
    unit, as ``yy − 2 τ yt + τ² tt``, and ``d_j + 2``.
    """

    b: Floats
    a: Floats
    errors: Floats | None

    def scores(self, at: Floats | float) -> Floats:
        """The signed statistic of each draw for the hypothesis that the effect is ``at`` (one value, or R)."""
        return scores(self.b, self.a, self.errors, at)

    def variances(self, at: float = 0.0) -> Floats:
        """The squared error of each draw."""
        errors = np.zeros((4, len(self.b))) if self.errors is None else self.errors
        return np.asarray(((errors[2::4] * at - 2.0 * errors[1::4]) * at + errors[0::4]).sum(axis=0))

    def take(self, rows: Flags) -> "Draws":
        """The draws that ``rows`` marks."""
        return Draws(self.b[rows], self.a[rows], None if self.errors is None else self.errors[:, rows])


def scores(b: Floats, a: Floats, errors: Floats | None, at: Floats | float) -> Floats:
    """b − τ a, divided by its error and brought to the normal scale where there are ``errors``."""
    if errors is None:
        return b - at * a
    found = np.empty(len(b))
    for start in range(0, len(b), _CACHED):
        part = slice(start, start + _CACHED)
        found[part] = _scores(b[part], a[part], errors[:, part], at[part] if isinstance(at, np.ndarray) else at)
    return found


def _scores(b: Floats, a: Floats, errors: Floats, at: Floats | float) -> Floats:
    gap = b - at * a
    variance, squares = np.zeros(len(gap)), np.zeros(len(gap))
    for yy, yt, tt, spare in errors.reshape(-1, 4, len(gap)):
        v = np.maximum((tt * at - 2.0 * yt) * at + yy, 0.0)
        variance += v
        squares += v * v / spare
    with np.errstate(divide="ignore", invalid="ignore"):
        df = variance * variance / squares
    return normal_score(gap, variance, df)


def normal_score(gap: Floats, variance: Floats, df: Floats) -> Floats:
    """``gap`` / √``variance`` with ``df`` degrees of freedom on the scale of the normal distribution (Wallace)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (8.0 * df + 1.0) / (8.0 * df + 3.0) * np.sqrt(df * np.log1p(gap * gap / (variance * df)))
    if not variance.all():
        score = np.where(variance > 0.0, score, np.where(gap == 0.0, 0.0, np.inf))
    return np.asarray(np.copysign(score, gap))


def draws_of(regression: Regression, rows: Flags, *, studentise: bool) -> Draws:
    """The coefficients and errors of 0/1 ``rows`` (R × n), by sums that do not depend on threads."""
    if is_simple(regression):
        columns = _columns(regression, studentise)
        return _simple(regression, np.ascontiguousarray(products(rows, columns).T), studentise)
    if regression.table.weight is None:
        return _blocked(regression, rows, studentise)
    return _joined([_general(regression, part, studentise) for _, part in _parts(rows)])


def products(rows: Flags | Floats, columns: Floats) -> Floats:
    """(R × C) ``rows`` (R × n) times ``columns`` (n × C), in parts so small that no thread gets a share of one: the
    digits do not depend on how many threads there are."""
    found = np.empty((len(rows), columns.shape[1]))
    step = max(1, _ONE_THREAD // columns.size)
    for start in range(0, len(rows), step):
        found[start : start + step] = rows[start : start + step].astype(np.float64) @ columns
    return found


def draws_of_many(regressions: Sequence[Regression], rows: Flags, *, studentise: bool) -> list[Draws]:
    """The actual draw of each regression, then the ``rows`` that all share: the numbers of ``draws_of`` to rounding, by
    one matrix product for all."""
    if not all(is_simple(regression) for regression in regressions):
        return [draws_of(r, np.concatenate([actual_row(r), rows]), studentise=studentise) for r in regressions]
    wanted = [_columns(regression, studentise) for regression in regressions]
    distinct: dict[bytes, Floats] = {}  # columns of the treatment are the same for all outcomes of one assignment
    keys = [[column.tobytes() for column in columns.T] for columns in wanted]
    for columns, names in zip(wanted, keys, strict=True):
        distinct.update(zip(names, columns.T, strict=True))
    place = {name: position for position, name in enumerate(distinct)}
    together = np.stack(list(distinct.values()))
    sums = np.empty((len(together), len(rows) + 1))
    for start, part in _parts(rows):
        sums[:, 1 + start : 1 + start + len(part)] = together @ part.T.astype(np.float64)
    found = []
    for regression, columns, names in zip(regressions, wanted, keys, strict=True):
        mine = sums[[place[name] for name in names]]
        mine[:, 0] = (regression.table.treated[:, None] * columns).sum(axis=0)
        found.append(_simple(regression, mine, studentise))
    return found


def null_scores(regressions: Sequence[Regression], rows: Flags) -> Iterator[Floats]:
    """The scores for "no effect" alone (outcomes × draws), the actual draw first in a part of its own, for regressions
    on one block without covariates that share the actual draw: two sums per outcome and draw say all."""
    first = regressions[0]
    n, treated = len(first.table.units), float(first.table.treated.sum())
    y = np.stack([regression.y_hat for regression in regressions])
    both = np.concatenate([y, y * y])
    whole = (y * y).sum(axis=1, keepdims=True)
    arms = np.array([treated, n - treated])
    for part in (actual_row(first), *(part for _, part in _parts(rows))):
        sums = both @ part.T.astype(np.float64)
        mine, squared = sums[: len(y)], sums[len(y) :]
        b = mine * (n / arms.prod())
        # y is centred: what the treated sum to, control sums to with the other sign
        centred = mine * mine
        within = np.stack([squared - centred / arms[0], whole - squared - centred / arms[1]])
        v = np.maximum(within, 0.0) / (arms * (arms - 1.0))[:, None, None]
        variance = v[0] + v[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            df = variance * variance / (v[0] * v[0] / (arms[0] + 1.0) + v[1] * v[1] / (arms[1] + 1.0))
        yield normal_score(b, variance, df)


def actual_row(regression: Regression) -> Flags:
    """(1 × n) the actual draw."""
    return np.asarray((regression.table.treated == 1.0)[None, :], dtype=np.bool_)


def _parts(rows: Flags) -> Iterator[tuple[int, Flags]]:
    for start in range(0, len(rows), _CHUNK):
        yield start, rows[start : start + _CHUNK]


def _joined(chunks: Sequence[Draws]) -> Draws:
    errors = [chunk.errors for chunk in chunks if chunk.errors is not None]
    return Draws(
        np.concatenate([chunk.b for chunk in chunks]),
        np.concatenate([chunk.a for chunk in chunks]),
        np.concatenate(errors, axis=1) if errors else None,
    )


def is_simple(regression: Regression) -> bool:
    """One block, equal weights, nobody standing by: sums over the treated say all."""
    table = regression.table
    return table.n_blocks == 1 and table.weight is None and not table.bystanders.shape[1]


def _columns(regression: Regression, studentise: bool) -> Floats:
    """(n × columns) What is summed over the treated of each draw: y, t and the basis Q; their squares and products."""
    y, t, basis = regression.y_hat, regression.t_hat, regression.nuisance.basis
    k = basis.shape[1]
    columns = [y, t, *basis.T]
    if studentise:
        columns += [y * y, y * t, t * t, *(y * q for q in basis.T), *(t * q for q in basis.T)]
        columns += [basis[:, i] * basis[:, j] for i in range(k) for j in range(i, k)]
    return np.stack(columns, axis=1)


def _simple(regression: Regression, sums: Floats, studentise: bool) -> Draws:
    """From ``sums`` (columns × R) of ``_columns`` over the treated of each draw. t̂ = t − share − Q c with c = Q't."""
    table, y, t = regression.table, regression.y_hat, regression.t_hat
    n, treated = len(table.units), float(table.treated.sum())
    k = regression.nuisance.basis.shape[1]
    share, c = treated / n, sums[2 : 2 + k]
    spent = (c * c).sum(axis=0) if k else 0.0  # without covariates the treatment is as long in every draw
    total = treated * (1.0 - share)
    length = np.maximum(total - spent, _TIE * total)
    b, a = sums[0] / length, sums[1] / length
    if not studentise:
        return Draws(b, a, None)
    yy, yt, tt = sums[2 + k : 5 + k]
    # Σ over the treated of t̂², ŷ t̂ and (actual t̂) t̂
    own = treated * (1.0 - share) ** 2 - 2.0 * (1.0 - share) * spent
    with_y, with_t = (1.0 - share) * sums[0], (1.0 - share) * sums[1]
    leverage: Floats | float = treated / n
    row = 5 + 3 * k
    for i in range(k):
        with_y = with_y - c[i] * sums[5 + k + i]
        with_t = with_t - c[i] * sums[5 + 2 * k + i]
        for j in range(i, k):
            own = own + (1.0 if i == j else 2.0) * c[i] * c[j] * sums[row]
            leverage = leverage + sums[row] if i == j else leverage
            row += 1
    own = np.clip(own, 0.0, length)
    squares = (
        yy - b * (2.0 * with_y - b * own),
        yt - b * with_t - a * (with_y - b * own),
        tt - a * (2.0 * with_t - a * own),
    )
    whole = ((y * y).sum() - b * b * length, (y * t).sum() - a * b * length, (t * t).sum() - a * a * length)
    df = treated - leverage - own / length
    errors = np.empty((8, len(b)))
    _fill(errors[:4], squares, own, length, df)
    _fill(errors[4:], [w - m for w, m in zip(whole, squares, strict=True)], length - own, length, n - 2.0 - k - df)
    return Draws(b, a, errors)


def _fill(
    errors: Floats, squares: Sequence[Floats], own: Floats | float, length: Floats | float, df: Floats | float
) -> None:
    """Write (4 × R) the three parts of v_j and d_j + 2 of one arm from its sums of squares."""
    factor = np.where(np.asarray(df) > _TIE, own / np.maximum(df, _TIE), 0.0) / length**2
    for row, part in zip(errors, squares, strict=False):
        np.multiply(part, factor, out=row)
    errors[3] = np.maximum(df, 0.0) + 2.0


def _blocked(regression: Regression, rows: Flags, studentise: bool) -> Draws:
    """Blocks and bystanders with equal weights: t̂ = t − m − Q c with c = Q't, where the block means m are the same in
    every redraw, as a mechanism draws as many in each block. What is summed over the treated of a draw says all, as in
    ``_simple``: no t̂ is written out."""
    table, y, t = regression.table, regression.y_hat, regression.t_hat
    basis = regression.nuisance.basis
    k, n = basis.shape[1], len(table.units)
    block_size = np.bincount(table.block)
    m = (np.bincount(table.block, weights=table.treated) / block_size)[table.block]
    g = 1.0 - m
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    columns = [y, t, *basis.T]
    if studentise:
        columns += [y * y, y * t, t * t, g * y, g * t, g * g]
        columns += [column * q for column in (g, y, t) for q in basis.T]
        columns += [basis[:, i] * basis[:, j] for i, j in pairs]
    together = np.stack(columns, axis=1)
    sums = np.ascontiguousarray(products(rows, together).T)
    c = sums[2 : 2 + k]
    total = float((m * g).sum())
    length = np.maximum(total - (c * c).sum(axis=0), _TIE * total)
    b, a = sums[0] / length, sums[1] / length
    if not studentise:
        return Draws(b, a, None)
    treated = _arm_sums(sums[2 + k :], c, pairs)
    by_block = 1.0 / block_size[table.block]
    treated_df = (table.treated * (1.0 - by_block)).sum() - treated.leverage - treated.own / length
    whole = ((y * y).sum() - b * b * length, (y * t).sum() - a * b * length, (t * t).sum() - a * a * length)
    rest_own, rest_df = length - treated.own, n - table.n_blocks - k - 1.0 - treated_df
    squares = treated.squares(b, a)
    arms = [(squares, treated.own, treated_df)]
    rest = [w - part for w, part in zip(whole, squares, strict=True)]
    stands = ~table.moves
    beside = []
    if stands.any():  # their t is 0 in every draw: −m takes the place of 1 − m
        fixed = np.where(stands[:, None], together[:, 2 + k :], 0.0)
        fixed[:, 3:5] = np.where(stands, -m * np.stack([y, t]), 0.0).T
        fixed[:, 5] = np.where(stands, m * m, 0.0)
        fixed[:, 6 : 6 + k] = np.where(stands[:, None], -m[:, None] * basis, 0.0)
        others = _arm_sums(fixed.sum(axis=0)[:, None], c, pairs)
        others_df = (stands * (1.0 - by_block)).sum() - others.leverage - others.own / length
        theirs = others.squares(b, a)
        beside = [(theirs, others.own, others_df)]
        rest = [r - part for r, part in zip(rest, theirs, strict=True)]
        rest_own, rest_df = rest_own - others.own, rest_df - others_df
    arms += [(tuple(rest), np.maximum(rest_own, 0.0), rest_df), *beside]
    errors = np.empty((4 * len(arms), len(b)))
    for arm, (parts, own, df) in enumerate(arms):
        _fill(errors[4 * arm : 4 * arm + 4], parts, own, length, df)
    return Draws(b, a, errors)


@dataclass(frozen=True, slots=True, eq=False)
class _ArmSums:
    """Sums over one arm of every draw (R): of ŷ² , ŷ t̂ and t̂² of the actual draw, of the draw's own t̂ with ŷ, with the
    actual t̂ and with itself, and of the basis' leverage."""

    yy: Floats
    yt: Floats
    tt: Floats
    with_y: Floats
    with_t: Floats
    own: Floats
    leverage: Floats

    def squares(self, b: Floats, a: Floats) -> tuple[Floats, Floats, Floats]:
        """Of the residuals of y, of those of y and t, of those of t."""
        return (
            self.yy - b * (2.0 * self.with_y - b * self.own),
            self.yt - b * self.with_t - a * (self.with_y - b * self.own),
            self.tt - a * (2.0 * self.with_t - a * self.own),
        )


def _arm_sums(sums: Floats, c: Floats, pairs: Sequence[tuple[int, int]]) -> _ArmSums:
    """From the sums over an arm of the columns of ``_blocked`` after the basis; t̂ = g − Q c there."""
    k = len(c)
    with_y, with_t, own = (np.broadcast_to(sums[3 + place], c.shape[1:]) for place in range(3))
    leverage = np.zeros(c.shape[1])
    for i in range(k):
        own = own - 2.0 * c[i] * sums[6 + i]
        with_y = with_y - c[i] * sums[6 + k + i]
        with_t = with_t - c[i] * sums[6 + 2 * k + i]
    for row, (i, j) in enumerate(pairs, start=6 + 3 * k):
        own = own + (1.0 if i == j else 2.0) * c[i] * c[j] * sums[row]
        leverage = leverage + sums[row] if i == j else leverage
    return _ArmSums(sums[0], sums[1], sums[2], with_y, with_t, np.maximum(own, 0.0), leverage)


def _general(regression: Regression, rows: Flags, studentise: bool) -> Draws:
    """The same with t̂ of every draw written out (R × n): blocks, weights, bystanders."""
    nuisance, y, t = regression.nuisance, regression.y_hat, regression.t_hat
    hat = _within(nuisance, rows)
    total = (hat**2).sum(axis=1)
    for column in nuisance.basis.T:
        hat = hat - (hat * column).sum(axis=1)[:, None] * column
    length = np.maximum((hat**2).sum(axis=1), _TIE * total)
    b, a = (hat * y).sum(axis=1) / length, (hat * t).sum(axis=1) / length
    if not studentise:
        return Draws(b, a, None)
    slack = 1.0 - nuisance.leverage - hat**2 / length[:, None]
    u, v = y - b[:, None] * hat, t - a[:, None] * hat
    moves = regression.table.moves
    groups = [rows, ~rows & moves] + ([np.broadcast_to(~moves, rows.shape)] if not moves.all() else [])
    errors = np.empty((4 * len(groups), len(b)))
    for arm, group in enumerate(groups):
        own, df = ((values * group).sum(axis=1) for values in (hat**2, slack))
        squares = [(p * q * group).sum(axis=1) for p, q in ((u, u), (u, v), (v, v))]
        _fill(errors[4 * arm : 4 * arm + 4], squares, own, length, df)
    return Draws(b, a, errors)


def _within(nuisance: Nuisance, rows: Flags) -> Floats:
    """(R × n) √w times each row less its weighted block means."""
    weight, sums = nuisance.root**2, nuisance.block_weight
    means = np.empty((len(rows), len(sums)))
    for block, total in enumerate(sums):
        inside = np.flatnonzero(nuisance.block == block)
        means[:, block] = (rows[:, inside] * weight[inside]).sum(axis=1) / total
    free: Floats = nuisance.root * (rows - means[:, nuisance.block])
    return free
