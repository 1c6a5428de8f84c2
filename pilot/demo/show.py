"""The demonstration's result for people: a table a pilot of estimates beside their truths, then who can sign in."""

from babel.numbers import format_currency, format_decimal

from experiments.measure.metrics import MetricUnit
from pilot.demo.households import CURRENCY
from pilot.demo.result import DemoResult, PilotResult, ResultRow
from pilot.planning.metrics import library_metric
from pilot.words import N_, Message, translate

_EXPONENT = 2
_HEADER = (
    Message("demo_metric", N_("metric")),
    Message("demo_effect", N_("effect")),
    Message("demo_interval", N_("95 % interval")),
    Message("demo_p", N_("p")),
    Message("demo_n", N_("stores")),
    Message("demo_truth", N_("truth")),
    Message("demo_verdict", N_("interval")),
)
_COVERS = {
    True: Message("demo_covers", N_("holds the truth")),
    False: Message("demo_misses", N_("misses the truth")),
    None: Message("demo_unknown", "–"),
}
_AS_TOLD = Message("demo_as_told", N_("That is what this pilot was made to show."))
_NOT_AS_TOLD = N_("This pilot was made to show “{expected}”: chance had it otherwise, and nothing was drawn again.")
_INJECTED = Message(
    "demo_injected",
    N_(
        "Households, stores and baskets are real; the effect is injected, store names are invented. Demonstration only."
    ),
)


def table_lines(result: DemoResult, *, locale: str = "en") -> list[str]:
    """The printed result, line by line, in the current language; numbers as ``locale`` writes them."""
    lines: list[str] = []
    for pilot in result.pilots:
        lines += [*_of_pilot(pilot, locale), ""]
    return [*lines, translate(_INJECTED), "", *account_lines(result)]


def _of_pilot(pilot: PilotResult, locale: str) -> list[str]:
    cells = [[translate(message) for message in _HEADER]]
    cells += [_cells(row, locale) for row in pilot.rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADER))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    found = Message(
        "demo_recommendation",
        N_("{name}, stage {stage}, look {look}, {n_stores} stores: the gate's rules recommend “{recommendation}”."),
        {
            "name": pilot.name,
            "stage": pilot.stage,
            "look": pilot.look,
            "n_stores": pilot.n_stores,
            "recommendation": pilot.recommendation if pilot.cause is None else f"{pilot.recommendation}: {pilot.cause}",
        },
    )
    told = _AS_TOLD if pilot.is_as_told else Message("demo_not_as_told", _NOT_AS_TOLD, {"expected": pilot.expected})
    return [translate(found), translate(told), *table]


def account_lines(result: DemoResult) -> list[str]:
    """Who can sign in, with which password: one line per account."""
    width = max(len(account.email) for account in result.accounts)
    return [f"{account.email.ljust(width)}  {account.password}" for account in result.accounts]


def _cells(row: ResultRow, locale: str) -> list[str]:
    unit = library_metric(row.metric).metric.unit
    lower, upper = row.interval
    return [
        translate(library_metric(row.metric).title),
        _value(row.effect, unit, locale),
        f"{_value(lower, unit, locale)} … {_value(upper, unit, locale)}",
        format_decimal(row.p_value, "0.0000", locale=locale),
        format_decimal(row.n_units, locale=locale),
        _value(row.truth, unit, locale),
        translate(_COVERS[row.covers_truth]),
    ]


def _value(value: float | None, unit: MetricUnit, locale: str) -> str:
    if value is None:
        return "–"
    match unit:
        case MetricUnit.MONEY | MetricUnit.RATIO:
            return format_currency(value / 10**_EXPONENT, CURRENCY, locale=locale)
        case MetricUnit.SHARE:
            return translate(_points(format_decimal(100 * value, "0.00", locale=locale)))
        case _:
            return format_decimal(value, "0.000", locale=locale)


def _points(number: str) -> Message:
    return Message("demo_points", N_("{number} points"), {"number": number})
