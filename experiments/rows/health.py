"""Health: whether the experiment itself is sound, beside what it found; and what the charts show of it."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from experiments.design.mechanisms import CONTROL, Share
from experiments.errors import ExperimentError
from experiments.estimate.unit_means import fit
from experiments.frame import Bools, Floats, Frame
from experiments.messages import N_, Message
from experiments.monitor.contamination import contamination
from experiments.monitor.diagnostic import Diagnostic, Status, status_of_p
from experiments.monitor.influence import concentration, influence_of
from experiments.monitor.missing import late_data, missing_data
from experiments.monitor.pre_period import pre_period_difference
from experiments.monitor.sample_ratio import ALARM, WARNING, sample_ratio, sample_ratio_by_segment
from experiments.plan import Assignment, Kind, MetricSpec, Plan, Role
from experiments.report import Difference, Series
from experiments.rows.choice import has_one_start, is_panel
from experiments.rows.contrast import contrast
from experiments.rows.covariates import start_of, unit_covariates
from experiments.rows.row_table import has_regression, row_contrast, rows_of_test, winsorised
from experiments.rows.units import MOST_UNITS, acceptance, permuted

FEW_BLOCKS = 20  # under it an effect that differs between blocks is known from too few of them
_IMBALANCE = 0.25
_LARGEST_SHARE = 1_000_000
_FEWEST_TO_LEAVE_OUT = 3
_ENOUGH_ROWS = 500  # for a look at the largest hundredth


def examine(frame: Frame, plan: Plan) -> list[Diagnostic]:
    """Every check that the columns of the plan allow."""
    checks = [*_sample_ratio(frame, plan), *_few_blocks(frame, plan), *_balance(frame, plan)]
    for variant in frame.variants[1:]:
        for check in (_rows_per_unit, _contaminated, _before, _cells, _influence):
            try:
                checks += check(frame, plan, variant)
            except ExperimentError:  # what cannot be checked is not a finding
                continue
    for metric in plan.metrics:
        if metric.kind in (Kind.MEAN, Kind.COUNT) and frame.rows_are_units and frame.n_units >= _ENOUGH_ROWS:
            found = concentration(frame.columns[metric.value])
            text = N_("{metric}: the largest {share:.1%} of rows ({n}) hold {part:.1%} of the total")
            message = Message(found.message.code, text, {"metric": metric.name, **found.message.values})
            checks.append(Diagnostic(f"{found.check}:{metric.name}", found.status, found.value, message))
    return checks


def balance_of(frame: Frame, plan: Plan) -> tuple[Difference, ...]:
    """The standardised difference of every covariate of the plan, per variant, from unit means."""
    found: list[Difference] = []
    seen: set[str] = set()
    for metric in plan.metrics:
        try:
            values, _ = unit_covariates(frame, plan, metric)
        except ExperimentError:
            continue
        for name, column in zip(metric.covariates, values.T, strict=True):
            if name in seen:
                continue
            seen.add(name)
            found += [
                Difference(name, variant, difference)
                for number, variant in enumerate(frame.variants[1:], start=1)
                if (difference := _standardised(column, frame, number)) is not None
            ]
    return tuple(found)


def series_of(frame: Frame, plan: Plan) -> tuple[Series, ...]:
    """The mean of each metric over a variant's units, period by period; nothing without periods."""
    if frame.period_of is None:
        return ()
    found: list[Series] = []
    for metric in plan.metrics:
        if metric.kind is Kind.DURATION:
            continue
        cells = _matrix(frame, metric)
        for number, variant in enumerate(frame.variants):
            rows = cells[frame.variant_of == number]
            n = np.isfinite(rows).sum(axis=0)
            total = np.where(np.isfinite(rows), rows, 0.0).sum(axis=0)
            found += [
                Series(metric.name, period, variant, float(total[t] / n[t]), int(n[t]))
                for t, period in enumerate(frame.periods)
                if n[t]
            ]
    return tuple(found)


def start_label(frame: Frame, plan: Plan) -> str | None:
    """The first period of the test; None without periods."""
    return frame.periods[start_of(frame, plan)] if frame.period_of is not None else None


def _matrix(frame: Frame, metric: MetricSpec) -> Floats:
    if metric.denominator is None:
        return frame.matrix(metric.value)
    above, below = frame.matrix(metric.value), frame.matrix(metric.denominator)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(below > 0, above / below, np.nan), dtype=np.float64)


def _standardised(values: Floats, frame: Frame, number: int) -> float | None:
    arms = [values[frame.variant_of == code] for code in (0, number)]
    if any(len(arm) < 2 for arm in arms):
        return None
    variance = sum(float(((arm - arm.mean()) ** 2).sum()) / (len(arm) - 1) for arm in arms) / 2
    return float(arms[1].mean() - arms[0].mean()) / float(np.sqrt(variance)) if variance > 0 else None


def _sample_ratio(frame: Frame, plan: Plan) -> Iterator[Diagnostic]:
    """χ² of the units against the shares of the plan; where it states none nothing is judged."""
    if not plan.is_randomised or (not plan.shares and plan.data.treated_from is not None):
        return
    shares = _shares(frame, plan)
    names = dict(zip((share.variant for share in shares), frame.variants, strict=False))
    sizes = frame.arm_sizes()
    counts = {share.variant: int(sizes[i]) if i < len(sizes) else 0 for i, share in enumerate(shares)}
    found = sample_ratio(counts, shares)
    text = ", ".join(f"{names.get(name, name)}: {count}" for name, count in counts.items())
    status = status_of_p(found.p_value, alarm=ALARM, warning=WARNING)
    template = N_("units ({counts}) against the drawn shares: p {p:p}")
    if not plan.shares:
        status = Status.OK
        template = N_("units ({counts}); the plan states no shares: equal shares assumed (p {p:p}); not judged")
    message = Message("sample_ratio", template, {"counts": text, "p": found.p_value})
    yield Diagnostic("sample_ratio", status, found.p_value, message)
    if plan.shares and frame.rows_are_units:
        for column in plan.segments:
            labels = frame.segments[column]
            inside = {
                f"{column}={label}": {
                    share.variant: int(np.count_nonzero(labels.is_label(label) & (frame.row_variant == i)))
                    for i, share in enumerate(shares)
                }
                for label in labels.names[:MOST_UNITS]
            }
            for check in sample_ratio_by_segment(inside, shares):
                yield _with_label(check, frame.control)


def _with_label(check: Diagnostic, control: str) -> Diagnostic:
    """The check with control called as the data call it."""
    message = check.message
    counts = str(message.values["counts"]).replace(f"{CONTROL}:", f"{control}:", 1)
    return replace(check, message=replace(message, values={**message.values, "counts": counts}))


def _shares(frame: Frame, plan: Plan) -> list[Share]:
    """The plan's shares as whole weights, control first; variants that lost every unit included."""
    labels = [*frame.variants, *sorted(set(plan.shares) - set(frame.variants))]
    weights = [Fraction(plan.shares.get(label, 1.0)).limit_denominator(_LARGEST_SHARE) for label in labels]
    scale = np.lcm.reduce([weight.denominator for weight in weights])
    return [
        Share(CONTROL if i == 0 else label, max(1, int(weight * int(scale))))
        for i, (label, weight) in enumerate(zip(labels, weights, strict=True))
    ]


def _few_blocks(frame: Frame, plan: Plan) -> Iterator[Diagnostic]:
    """Fewer than 20 blocks (pairs apart): an effect that differs between blocks is known from few of them."""
    if not frame.has_blocks or plan.assignment is Assignment.MATCHED_PAIRS:
        return
    n = len(np.unique(frame.block_of))
    text = N_("{n} blocks of {column}")
    if n < FEW_BLOCKS:
        text = N_(
            "only {n} blocks of {column}: the result holds for these {n}; if effects differ between blocks, fewer than "
            "{few} say little about others"
        )
    values: dict[str, str | int | float] = {"n": n, "column": plan.data.block or "", "few": FEW_BLOCKS}
    status = Status.WARN if n < FEW_BLOCKS else Status.OK
    yield Diagnostic("few_blocks", status, float(n), Message("few_blocks", text, values))


def _balance(frame: Frame, plan: Plan) -> Iterator[Diagnostic]:
    for point in balance_of(frame, plan):
        far = abs(point.difference) > _IMBALANCE
        text = N_("{covariate}: {variant} and control differ by {difference:+.2f} standard deviations before the start")
        values: dict[str, str | int | float] = {
            "covariate": point.covariate,
            "variant": point.variant,
            "difference": point.difference,
        }
        message = Message("balance", text, values)
        status = Status.WARN if far else Status.OK
        yield Diagnostic(f"balance:{point.covariate}", status, point.difference, message, point.variant)


def _rows_per_unit(frame: Frame, plan: Plan, variant: str) -> Iterator[Diagnostic]:
    """Whether the variant changed how many rows its units have, by permutation of the units; rows are never tested
    as if they were independent."""
    if frame.rows_are_units or not plan.is_randomised or frame.n_units > MOST_UNITS:
        return
    rows = np.bincount(frame.unit_of, minlength=frame.n_units).astype(np.float64)
    if bool((rows == rows[0]).all()):
        message = Message("rows_per_unit", N_("every unit has {n} rows"), {"n": int(rows[0])})
        yield Diagnostic("rows_per_unit", Status.OK, 1.0, message, variant)
        return
    made = contrast(frame, plan, plan.metrics[0], variant, rows, np.zeros((frame.n_units, 0)))
    p = permuted(made.table, fit(made.table), plan, acceptance(frame, plan, made)).p_value()
    text = N_("rows per unit: {control:.4g} in control, {treated:.4g} in {variant}: p {p:p}")
    values: dict[str, str | int | float] = {
        "control": made.table.mean(treated=False),
        "treated": made.table.mean(treated=True),
        "variant": variant,
        "p": p,
    }
    status = status_of_p(p, alarm=ALARM, warning=WARNING)
    yield Diagnostic("rows_per_unit", status, p, Message("rows_per_unit", text, values), variant)


def _pair(frame: Frame, variant: str) -> tuple[Bools, int]:
    number = frame.variants.index(variant)
    return np.isin(frame.variant_of, (0, number)), number


def _contaminated(frame: Frame, plan: Plan, variant: str) -> Iterator[Diagnostic]:
    """What was received, in a panel from the start on; with several starts it changes inside a unit."""
    if frame.received is None or (is_panel(plan) and not has_one_start(frame)):
        return
    pair, number = _pair(frame, variant)
    rows = pair[frame.unit_of] & rows_of_test(frame, plan)
    treated = (frame.row_variant[rows] == number).astype(np.float64)
    weight = None if frame.weight is None else frame.weight[rows]
    yield contamination(treated, frame.received[rows], weight, variant=variant)


def _before(frame: Frame, plan: Plan, variant: str) -> Iterator[Diagnostic]:
    """The metrics before the start, between the arms."""
    if not is_panel(plan) or frame.period_of is None or not has_one_start(frame):
        return
    pair, number = _pair(frame, variant)
    start = start_of(frame, plan)
    for metric in plan.metrics:
        if metric.kind is Kind.DURATION or start == 0:
            continue
        cells = _matrix(frame, metric)[:, :start]
        seen = np.isfinite(cells)
        units = pair & seen.any(axis=1)
        before = np.where(seen, cells, 0.0).sum(axis=1)[units] / seen.sum(axis=1)[units]
        block = frame.block_of[units] if frame.has_blocks else None
        treated = (frame.variant_of[units] == number).astype(np.float64)
        found = pre_period_difference(before, treated, block, randomised=plan.is_randomised, variant=variant)
        yield Diagnostic(f"{found.check}:{metric.name}", found.status, found.value, found.message, variant)


def _cells(frame: Frame, plan: Plan, variant: str) -> Iterator[Diagnostic]:
    """Units and periods without a row, in panels."""
    if frame.period_of is None:
        return
    pair, number = _pair(frame, variant)
    observed = np.zeros((frame.n_units, len(frame.periods)), dtype=np.bool_)
    observed[frame.unit_of, frame.period_of] = True
    treated = (frame.variant_of[pair] == number).astype(np.float64)
    yield missing_data(observed[pair], treated, variant=variant)
    yield late_data(observed[pair], treated, variant=variant)


def _influence(frame: Frame, plan: Plan, variant: str) -> Iterator[Diagnostic]:
    """Whether one unit carries a primary result: the regression of the row itself without each of its units."""
    if frame.n_units > MOST_UNITS:
        return
    for metric in plan.metrics:
        if metric.role is not Role.PRIMARY or metric.kind is Kind.DURATION:
            continue
        cut, plain = winsorised(frame, metric)
        if not has_regression(cut, plan, plain, variant):
            continue
        try:
            regression = fit(row_contrast(cut, plan, plain, variant).table)
        except ExperimentError:  # its row says why
            continue
        if regression.table.smaller_arm() < _FEWEST_TO_LEAVE_OUT:
            continue
        found = influence_of(regression, alpha=plan.alpha, variant=variant)
        if found.value is None:  # too few units to leave one out
            continue
        message = _influential(found, metric)
        yield Diagnostic(f"{found.check}:{metric.name}", found.status, found.value, message, variant)


def _influential(found: Diagnostic, metric: MetricSpec) -> Message:
    """What one unit does to the effect of the metric, and whether significance hangs on it."""
    values = {"metric": metric.name, **found.message.values}
    if values["hangs"]:
        template = N_(
            "{metric}: without unit {unit} the effect is {without:.4g} instead of {effect:.4g} ({shift:.2f} of its "
            "standard errors); leaving one unit out changes significance for {hangs} of {n} units"
        )
    elif found.status is Status.OK:
        template = N_(
            "{metric}: without unit {unit} the effect is {without:.4g} instead of {effect:.4g} ({shift:.2f} of its "
            "standard errors); significance hangs on no single unit"
        )
    else:
        template = N_(
            "{metric}: unit {unit} is an outlier; without it the effect is {without:.4g} instead of {effect:.4g} "
            "({shift:.2f} of its standard errors)"
        )
    return Message("influence", template, values)
