"""Customers: Welch's test of two arms, adjusted by what each customer did before the start, from moments alone.

An arm's value is R = Σy / Σd (d = 1 for a mean per customer). Each customer's contribution is z = (y − R d) / d̄ and,
before the start, w = (x − Q e) / ē. With θ = Σ S_zw / Σ S_ww pooled over arms and strata, the adjusted effect is ΔR −
θ ΔQ and an arm's variance is (S_zz − 2 θ S_zw + θ² S_ww) / (n (n − 1)); strata are weighted by their customers.
References: Deng, Xu, Kohavi and Walker (2013), WSDM (pre-period adjustment); Deng et al. (2018), KDD (delta method).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from experiments.design.mechanisms import CONTROL
from experiments.errors import NotEstimable, UnknownVariant
from experiments.estimate.estimate import Method, TInference
from experiments.measure.metrics import Metric
from experiments.measure.unit_moments import ArmMoments
from experiments.messages import N_, Message

_FEWEST = 2  # customers in an arm of a stratum: a variance needs two


@dataclass(frozen=True, slots=True)
class Welch:
    """A Welch test: its inference, the method it used, and the raw means of the arms in the metric's unit.
    ``control_share`` is the part of the squared error that comes from control."""

    inference: TInference
    method: Method
    mean_control: float
    mean_variant: float
    n_units: int
    theta: float
    control_share: float


@dataclass(frozen=True, slots=True)
class _Cell:
    """One arm in one stratum, exact: value, value before, and centred sums of the contributions."""

    n: int
    value: Fraction
    before: Fraction
    zz: Fraction
    zw: Fraction
    ww: Fraction


def welch(
    metric: Metric, moments: Sequence[ArmMoments], *, variant: str, adjust: bool = True, by_stratum: bool = False
) -> Welch:
    """Variant against control. ``by_stratum`` weights strata by their customers; a ratio always pools them (a wider
    error), and strata with fewer than two customers in an arm, which have no variance, are pooled with each other.

    Raises ``UnknownVariant`` without an arm of ``variant``, ``NotEstimable`` when a cell has fewer than two
    customers, a zero denominator, or when nobody differs.
    """
    arms = [m for m in moments if m.variant in (CONTROL, variant)]
    if not any(m.variant == variant for m in arms):
        raise UnknownVariant(variant=variant, variants=", ".join(sorted({m.variant for m in moments})))
    strata = _strata(arms, variant) if by_stratum and not metric.is_ratio else [arms]
    pairs = [
        tuple(_cell(metric, arm, (m for m in stratum if m.variant == arm)) for arm in (CONTROL, variant))
        for stratum in strata
    ]
    cells = [cell for pair in pairs for cell in pair]
    ww = sum((cell.ww for cell in cells), Fraction(0))
    theta = sum((cell.zw for cell in cells), Fraction(0)) / ww if adjust and ww else Fraction(0)
    total = sum(cell.n for cell in cells)
    effect, variances, means = Fraction(0), [], [Fraction(0), Fraction(0)]
    for control, treated in pairs:
        weight = Fraction(control.n + treated.n, total)
        effect += weight * (treated.value - control.value - theta * (treated.before - control.before))
        for position, cell in enumerate((control, treated)):
            means[position] += weight * cell.value
            spread = cell.zz - 2 * theta * cell.zw + theta * theta * cell.ww
            variances.append((weight * weight * spread / (cell.n * (cell.n - 1)), cell.n - 1))
    scale = metric.scale(arms[0].days)
    variance = sum((v for v, _ in variances), Fraction(0))
    if variance <= 0:
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
    df = float(variance * variance / sum((v * v / k for v, k in variances), Fraction(0)))
    inference = TInference(float(effect) * scale, float(variance) ** 0.5 * scale, df)
    method = _method(metric, adjusted=bool(theta))
    share = float(sum((v for v, _ in variances[::2]), Fraction(0)) / variance)  # control comes first in every pair
    return Welch(inference, method, float(means[0]) * scale, float(means[1]) * scale, total, float(theta), share)


def pooled_spread(metric: Metric, moments: Sequence[ArmMoments]) -> tuple[int, float, float]:
    """Customers, mean and adjusted variance per customer of a past window in which nobody was treated."""
    cell = _cell(metric, "history", moments)
    theta = cell.zw / cell.ww if cell.ww else Fraction(0)
    spread = (cell.zz - theta * cell.zw) / (cell.n - 1)
    scale = metric.scale(moments[0].days)
    return cell.n, float(cell.value) * scale, float(spread) * scale * scale


def _strata(arms: Sequence[ArmMoments], variant: str) -> list[list[ArmMoments]]:
    """The arms stratum by stratum; those too small for a variance together, if need be with the smallest that is not.

    Every stratum was drawn by the same shares, so pooling some leaves the arms comparable.
    """
    strata = [[m for m in arms if m.stratum == name] for name in sorted({m.stratum for m in arms})]
    large = sorted((s for s in strata if _smaller_arm(s, variant) >= _FEWEST), key=lambda s: sum(m.n for m in s))
    small = [m for s in strata if _smaller_arm(s, variant) < _FEWEST for m in s]
    if not small:
        return strata
    if _smaller_arm(small, variant) < _FEWEST and large:
        small += large.pop(0)
    return [*large, small]


def _smaller_arm(stratum: Iterable[ArmMoments], variant: str) -> int:
    counts = {CONTROL: 0, variant: 0}
    for m in stratum:
        counts[m.variant] += m.n
    return min(counts.values())


def _method(metric: Metric, *, adjusted: bool) -> Method:
    if metric.is_ratio:
        return Method.WELCH_DELTA_ADJUSTED if adjusted else Method.WELCH_DELTA
    return Method.WELCH_ADJUSTED if adjusted else Method.WELCH


def _cell(metric: Metric, variant: str, moments: Iterable[ArmMoments]) -> _Cell:
    rows = [replace(m, variant=variant, stratum="") for m in moments]
    m = rows[0] if rows else None
    for row in rows[1:]:
        m = m + row if m else row
    if m is None or m.n < _FEWEST or m.d == 0:
        raise NotEstimable(
            Message(
                "too_few_customers",
                N_("{metric}: {variant} has {n} customers with something to divide by; a variance needs two"),
                {"metric": metric.code, "variant": variant, "n": m.n if m else 0},
            )
        )
    value, d = Fraction(m.y, m.d), Fraction(m.d, m.n)
    zz = (m.yy - 2 * value * m.yd + value * value * m.dd) / (d * d)
    if m.e == 0:
        return _Cell(m.n, value, Fraction(0), zz, Fraction(0), Fraction(0))
    before, e = Fraction(m.x, m.e), Fraction(m.e, m.n)
    zw = (m.yx - value * m.dx - before * m.ye + value * before * m.de) / (d * e)
    ww = (m.xx - 2 * before * m.xe + before * before * m.ee) / (e * e)
    return _Cell(m.n, value, before, zz, zw, ww)
