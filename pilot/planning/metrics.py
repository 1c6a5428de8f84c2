"""The metric library: what a plan may measure, in words a manager understands, on top of ``experiments.measure``."""

from dataclasses import dataclass

from experiments.errors import ExperimentError
from experiments.measure.metrics import Metric, MetricKind, metric_from_code
from experiments.messages import Message as ExperimentMessage
from pilot.planning.errors import UnknownMetric
from pilot.planning.plan import STORE_TOTAL, Objective
from pilot.words import N_, Message


@dataclass(frozen=True, slots=True)
class LibraryMetric:
    """A metric with its words: title, formula and pitfall. ``metric`` knows code, level, unit and direction."""

    metric: Metric
    title: Message
    formula: Message
    pitfall: Message

    @property
    def code(self) -> str:
        return self.metric.code


_WORDS: dict[MetricKind, tuple[str, str, str]] = {
    MetricKind.STORE_TOTAL: (
        N_("Store total"),
        N_("Net sales of all shoppers per store and week, adjusted by the same store's total before"),
        N_("Noisy: it sees changes of several per cent of sales only"),
    ),
    MetricKind.REPEAT_PURCHASE: (
        N_("Repeat purchase within {days} days"),
        N_("Assigned customers with at least 2 purchase days within {days} days of the start / assigned customers"),
        N_("Longer windows are higher by construction; showing the card more often raises it"),
    ),
    MetricKind.RETENTION: (
        N_("Retention, days {first_day} to {last_day}"),
        N_("Assigned customers with a purchase from day {first_day} to day {last_day} / assigned customers"),
        N_("Weekly shoppers are at the ceiling; showing the card more often raises it"),
    ),
    MetricKind.PURCHASE_FREQUENCY: (
        N_("Purchase frequency"),
        N_("Purchase days per assigned customer per 28 days"),
        N_("Rises when people merely show the card more often"),
    ),
    MetricKind.SPEND_PER_CUSTOMER: (
        N_("Spend per assigned customer"),
        N_("Net sales with a card / assigned customers"),
        N_("Heavy tails; rises when people merely show the card more often"),
    ),
    MetricKind.AVERAGE_BASKET: (
        N_("Average basket"),
        N_("Net sales / receipts"),
        N_("More small visits lower it although more is sold"),
    ),
    MetricKind.IDENTIFICATION_RATE: (
        N_("Identification rate"),
        N_("Receipts with a customer / all receipts"),
        N_("The reconciling metric: a rise of it may explain a rise of every customer metric"),
    ),
    MetricKind.SALES_OUTSIDE_LIST: (
        N_("Sales outside the list"),
        N_("Net sales of a store less what its listed customers bought there, per store and week"),
        N_("Listed customers who show the card more often lower it; never call it new customers"),
    ),
    MetricKind.FULL_PRICE_SHARE: (
        N_("Full-price share"),
        N_("Net sales of receipts without a discount / net sales"),
        N_("An offer that is itself a discount lowers it by construction"),
    ),
}

# Offered on a form; any other number of days works as well (repeat_purchase_45d, retention_61_90d).
SUGGESTED: tuple[str, ...] = (
    STORE_TOTAL,
    "purchase_frequency",
    "spend_per_customer",
    "repeat_purchase_30d",
    "repeat_purchase_60d",
    "retention_31_60d",
    "average_basket",
    "identification_rate",
    "sales_outside_list",
    "full_price_share",
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an objective proposes to measure."""

    primary: str
    secondary: tuple[str, ...]


PROPOSALS: dict[Objective, Proposal] = {
    Objective.WIN: Proposal(STORE_TOTAL, ("identification_rate", "average_basket")),
    Objective.KEEP: Proposal(STORE_TOTAL, ("retention_31_60d", "repeat_purchase_60d", "purchase_frequency")),
    Objective.DEFEND: Proposal(STORE_TOTAL, ("purchase_frequency", "spend_per_customer")),
}


def library_metric(code: str) -> LibraryMetric:
    """The metric with this code, in words; ``UnknownMetric`` where there is none."""
    try:
        metric = metric_from_code(code)
    except ExperimentError:
        raise UnknownMetric(metric=code, known=", ".join(SUGGESTED)) from None
    title, formula, pitfall = _WORDS[metric.kind]
    kind, values = metric.kind.value, dict(metric.params)
    return LibraryMetric(
        metric,
        Message(f"metric_{kind}", title, values),
        Message(f"metric_{kind}_formula", formula, values),
        Message(f"metric_{kind}_pitfall", pitfall, values),
    )


def in_our_words(message: ExperimentMessage) -> Message:
    """What the statistics say, as a message of this package: a metric is named by its title, not by its code."""
    values: dict[str, object] = dict(message.values)
    code = values.get("metric")
    if isinstance(code, str):
        values["metric"] = _title_of(code)
    return Message(message.code, message.template, values)


def _title_of(code: str) -> Message | str:
    try:
        return library_metric(code).title
    except UnknownMetric:
        return code


def library() -> tuple[LibraryMetric, ...]:
    """The suggested metrics, in the order of a form."""
    return tuple(library_metric(code) for code in SUGGESTED)
