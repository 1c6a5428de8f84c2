"""Guardrails: the row tests that the loss is smaller than the margin; its interval stays two-sided."""

from dataclasses import replace

from experiments.errors import NotEstimable
from experiments.messages import N_, Message
from experiments.monitor.equivalence import non_inferiority
from experiments.plan import MetricSpec
from experiments.rows.finding import RowResult


def guarded(row: RowResult, metric: MetricSpec, level: float) -> RowResult:
    """``row`` with the one-sided p-value of "worse by the margin or more" at ``level``, and the test beside it.

    Raises ``NotEstimable`` without a margin, or where the method answers no one-sided question.
    """
    if metric.margin is None:
        raise NotEstimable(
            Message(
                "margin_missing",
                N_("{metric} is a guardrail without a margin: nothing says how large a loss is accepted"),
                {"metric": metric.name},
            )
        )
    if row.inference is None:
        raise NotEstimable(
            Message(
                "no_one_sided_test",
                N_("{metric}: {method} gives no one-sided test, which a guardrail needs"),
                {"metric": metric.name, "method": row.headline.method},
            )
        )
    test = non_inferiority(row.inference, margin=metric.margin, good_is_up=metric.good_is_up, level=level)
    beside = {
        "margin": test.margin,
        "bound": test.bound,
        "confidence_level": test.confidence_level,
        "holds": test.holds,
        "two_sided_p_value": row.headline.p_value,
    }
    return replace(
        row, headline=replace(row.headline, p_value=test.p_value), extra={**row.extra, "non_inferiority": beside}
    )
