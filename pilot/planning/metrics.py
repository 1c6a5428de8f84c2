"""The metric library: what a plan may measure, in words a manager understands, and what each objective proposes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from experiments.errors import ExperimentError
from experiments.measure.metrics import Metric, metric_from_code
from experiments.messages import Message as ExperimentMessage
from pilot.planning.errors import MetricDoesNotFit, UnknownMetric
from pilot.planning.metric_library import BY_CODE, NOT_IN_A_PLAN, WITH_DAYS, Entry
from pilot.planning.metric_library import LIBRARY_VERSION as LIBRARY_VERSION
from pilot.planning.plan import OUTSIDE_LIST, STORE_TOTAL, Leads, Objective, Windows
from pilot.words import N_, Message


@dataclass(frozen=True, slots=True)
class LibraryMetric:
    """A metric with its words and its ``entry``. ``metric`` knows code, level, unit and direction."""

    metric: Metric
    title: Message
    formula: Message
    pitfall: Message
    entry: Entry

    @property
    def code(self) -> str:
        return self.metric.code


# Offered on a form; any other number of days works as well (repeat_purchase_45d, retention_61_90d).
SUGGESTED: tuple[str, ...] = (
    STORE_TOTAL,
    OUTSIDE_LIST,
    "purchase_frequency",
    "spend_per_customer",
    "repeat_purchase_30d",
    "repeat_purchase_60d",
    "retention_31_60d",
    "average_basket",
    "identification_rate",
    "full_price_share",
)


@dataclass(frozen=True, slots=True)
class ProposedGuardrail:
    """A guardrail with its margin (a share of control's mean), and why."""

    metric: str
    margin_share: Decimal
    reason: Message


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an objective proposes: what is measured, who leads, what must not get worse, the windows and the weeks.

    ``reasons`` has one for "primary", "leads", "windows", "weeks" and every secondary metric.
    """

    primary: str
    secondary: tuple[str, ...]
    guardrails: tuple[ProposedGuardrail, ...]
    leads: Leads
    windows: Windows
    stage_weeks: int
    reasons: Mapping[str, Message]


def _why(code: str, template: str) -> Message:
    return Message(f"proposal_{code}", template)


_WEEKS = 13
_COMMON = {
    "leads": _why(
        "leads",
        N_("Store totals lead: a card reveals shoppers where it is offered, and so raises every metric of customers"),
    ),
    "windows": _why(
        "windows", N_("Half a year before the start: long enough for the seasons of a shopper, short enough to be true")
    ),
    "weeks": _why("weeks", N_("A quarter: the first weeks are curiosity, and what stays after them decides")),
    STORE_TOTAL: _why("store_total", N_("The only row that may be called new sales stands beside")),
    "identification_rate": _why(
        "identification_rate", N_("Says how much of a rise among customers is only a card shown more often")
    ),
}
_FULL_PRICE = ProposedGuardrail(
    "full_price_share",
    Decimal("0.05"),
    _why("full_price_share", N_("Sales must not be bought with discounts that teach to wait for them")),
)
_BASKET = ProposedGuardrail(
    "average_basket", Decimal("0.05"), _why("average_basket", N_("Visits must not be split to collect rewards"))
)
_LISTED = ProposedGuardrail(
    "spend_per_customer",
    Decimal("0.05"),
    _why("spend_per_customer", N_("Who is new must not be paid for by those who were here: they spend as before")),
)

PROPOSALS: dict[Objective, Proposal] = {
    Objective.WIN: Proposal(
        OUTSIDE_LIST,
        (STORE_TOTAL, "identification_rate"),
        (_LISTED, _BASKET),
        Leads.STORE_TOTALS,
        Windows(),
        _WEEKS,
        _COMMON
        | {
            "primary": _why(
                "win", N_("New customers spend outside the list; listed ones who show the card more only lower it")
            )
        },
    ),
    Objective.KEEP: Proposal(
        STORE_TOTAL,
        ("retention_31_60d", "repeat_purchase_60d", "purchase_frequency"),
        (_FULL_PRICE, _BASKET),
        Leads.STORE_TOTALS,
        Windows(),
        _WEEKS,
        _COMMON
        | {
            "primary": _why("keep", N_("Customers who stay show in the till, whether they show a card or not")),
            "retention_31_60d": _why("retention", N_("Who is kept still comes in the second month")),
            "repeat_purchase_60d": _why("repeat_purchase", N_("Who is kept comes again within two months")),
            "purchase_frequency": _why("purchase_frequency", N_("Who is kept comes as often as before")),
        },
    ),
    Objective.DEFEND: Proposal(
        STORE_TOTAL,
        ("purchase_frequency", "spend_per_customer"),
        (_FULL_PRICE, _BASKET),
        Leads.STORE_TOTALS,
        Windows(),
        _WEEKS,
        _COMMON
        | {
            "primary": _why(
                "defend", N_("What the rival takes is missing in the till of the stores near it, declared before")
            ),
            "purchase_frequency": _why("visits", N_("A rival takes visits first")),
            "spend_per_customer": _why("spend", N_("Then it takes the larger baskets")),
        },
    ),
}


def library_metric(code: str) -> LibraryMetric:
    """The metric with this code, in words.

    Raises ``MetricDoesNotFit`` for one that a plan cannot choose, with the records that it would need, and
    ``UnknownMetric`` where there is none.
    """
    try:
        metric = metric_from_code(code)
    except ExperimentError:
        entry = BY_CODE.get(code)
        if entry is not None and entry.source in NOT_IN_A_PLAN:
            why = Message(f"not_in_a_plan_{entry.source}", NOT_IN_A_PLAN[entry.source])
            raise MetricDoesNotFit(metric=Message(f"metric_{code}", entry.title), problem=why) from None
        raise UnknownMetric(metric=code, known=", ".join(SUGGESTED)) from None
    kind, values = metric.kind.value, dict(metric.params)
    entry = BY_CODE[kind]
    title, formula = WITH_DAYS.get(metric.kind, (entry.title, entry.formula))
    return LibraryMetric(
        metric,
        Message(f"metric_{kind}", title, values),
        Message(f"metric_{kind}_formula", formula, values),
        Message(f"metric_{kind}_pitfall", entry.pitfall),
        entry,
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
    except (UnknownMetric, MetricDoesNotFit):
        return code


def library() -> tuple[LibraryMetric, ...]:
    """The suggested metrics, in the order of a form."""
    return tuple(library_metric(code) for code in SUGGESTED)
