"""Segments: the plan's exploratory parts of the data, and whether the effect differs between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.errors import ExperimentError, NotEstimable
from experiments.estimate.interaction import InteractionTest
from experiments.frame import Floats, Frame
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.plan import Kind, MetricSpec, Plan
from experiments.rows.choice import is_panel
from experiments.rows.contrast import unit_values
from experiments.rows.finding import RowResult

_MOST_LABELS = 50

# The interaction test, and what stands beside each row (nothing where nothing can be shrunk).
_Compared = tuple[InteractionTest, list[Mapping[str, object]]]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The rows with one label of one segment column; ``name`` is "column=label"."""

    column: str
    label: str
    frame: Frame

    @property
    def name(self) -> str:
        """How the row names its segment."""
        return f"{self.column}={self.label}"


def parts_of(frame: Frame, plan: Plan) -> tuple[tuple[Part, ...], tuple[Message, ...]]:
    """All segments of the plan in order; a column with too many labels is left out, named."""
    parts: list[Part] = []
    warnings: list[Message] = []
    for column in plan.segments:
        labels = frame.segments[column]
        if len(labels.names) > _MOST_LABELS:
            text = N_("column {column} has {n} labels, more than {most}: it is no segment, and is left out")
            values: dict[str, str | int | float] = {"column": column, "n": len(labels.names), "most": _MOST_LABELS}
            warnings.append(Message("too_many_segments", text, values))
            continue
        for label in labels.names:
            rows = labels.is_label(label)
            if rows.any():
                parts.append(Part(column, label, frame.restrict(rows)))
    return tuple(parts), tuple(warnings)


def compare_parts(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, column: str, results: Sequence[RowResult]
) -> tuple[list[Diagnostic], list[Mapping[str, object]]]:
    """The interaction test over the labels of ``column``, and for each result its effect shrunk towards the others.

    Where a unit stands in several segments (stores, each with all age bands) the test is on the units' values in all
    of them; else the segments are independent.
    """
    nothing: list[Mapping[str, object]] = [{} for _ in results]
    if len(results) < 2:
        return [], nothing
    try:
        if _is_nested(frame, column):
            test, shrunk = _independent(plan, results)
        else:
            test, shrunk = _shared(frame, plan, metric, variant, column, len(results))
    except ExperimentError as refused:
        return [_diagnostic(column, metric, variant, None, refused.message)], nothing
    text = N_("{metric}: the effect of {variant} does not differ visibly between the labels of {column} (p {p:p})")
    if test.p_value <= plan.alpha:
        text = N_("{metric}: the effect of {variant} differs between the labels of {column} (p {p:p}); exploratory")
    values: dict[str, str | int | float] = {
        "metric": metric.name,
        "variant": variant,
        "column": column,
        "p": test.p_value,
    }
    message = Message("interaction", text, values)
    extra: list[Mapping[str, object]] = [
        {"interaction_p": test.p_value, "interaction_method": test.method, **(shrunk[i] if shrunk else {})}
        for i in range(len(results))
    ]
    return [_diagnostic(column, metric, variant, test.p_value, message)], extra


def _diagnostic(column: str, metric: MetricSpec, variant: str, value: float | None, message: Message) -> Diagnostic:
    return Diagnostic(f"interaction:{metric.name}:{column}", Status.OK, value, message, variant)


def _is_nested(frame: Frame, column: str) -> bool:
    """Whether every unit stands in one segment only."""
    codes = frame.segments[column].codes
    first = np.zeros(frame.n_units, dtype=np.int64)
    first[frame.unit_of] = codes
    return bool((first[frame.unit_of] == codes).all())


def _independent(plan: Plan, results: Sequence[RowResult]) -> _Compared:
    from experiments.estimate.interaction import segments_differ

    errors = [row.headline.std_error or 0.0 for row in results]
    effects = [row.headline.effect for row in results]
    dfs = [row.headline.df or float(max(row.n_units - 2, 1)) for row in results]
    return segments_differ(effects, errors, dfs), _shrunk(effects, np.array(errors), plan)


def _shared(frame: Frame, plan: Plan, metric: MetricSpec, variant: str, column: str, n: int) -> _Compared:
    from experiments.estimate.interaction import segment_effects_clustered, segments_differ_clustered

    if is_panel(plan) or metric.kind is Kind.DURATION:
        text = N_("{metric}: in a panel the effects of segments inside units are not compared")
        raise NotEstimable(Message("no_interaction", text, {"metric": metric.name}))
    labels = frame.segments[column]
    values = np.full((frame.n_units, len(labels.names)), np.nan)
    place = {unit: i for i, unit in enumerate(frame.units)}
    for code, label in enumerate(labels.names):
        part = frame.restrict(labels.is_label(label))
        values[[place[unit] for unit in part.units], code] = unit_values(part, metric)
    number = frame.variants.index(variant)
    kept = np.isin(frame.variant_of, (0, number)) & np.isfinite(values).all(axis=1)
    treated = (frame.variant_of[kept] == number).astype(np.float64)
    block = frame.block_of[kept] if frame.has_blocks else None
    test = segments_differ_clustered(values[kept], treated, block)
    if n != len(labels.names):
        return test, []
    found = segment_effects_clustered(values[kept], treated, block)
    return test, _shrunk(found.effects.tolist(), found.covariance, plan)


def _shrunk(effects: Sequence[float], errors: Floats, plan: Plan) -> list[Mapping[str, object]]:
    """Each effect drawn towards the common one by what chance alone would scatter; nothing under three segments."""
    from experiments.estimate.segment_shrinkage import shrink_segments

    try:
        found = shrink_segments(effects, errors, plan.confidence_level)
    except ExperimentError:
        return []
    return [{"shrunk_effect": one.effect, "shrunk_interval": list(one.interval)} for one in found]
