"""The chapters of a report as tables of a workbook: titles in words, amounts as money, intervals in columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babel.numbers import get_currency_precision

from experiments.estimate.estimate import Method
from pilot.evidence.chapter_names import is_reason
from pilot.evidence.charts import variant_label
from pilot.evidence.export import FEW, is_suppressed
from pilot.evidence.money_words import NET, ROWS
from pilot.evidence.queries import ReportView
from pilot.evidence.sentences import METHODS
from pilot.evidence.sheets import Cell, Money, Percent, Points, Table
from pilot.planning.metric_library import BY_CODE
from pilot.planning.metrics import library_metric
from pilot.words import N_, Message, translate

EFFECT = (
    N_("Effect"), N_("Interval, low"), N_("Interval, high"), N_("Level of the interval"), N_("p-value"), N_("n units"),
    N_("n rows"), N_("Mean of the variant"), N_("Mean of control"), N_("Method"), N_("Why there is no number"),
)  # fmt: skip
_PARTS = {
    "total": N_("Store total"),
    "listed": N_("Listed customers, with their card"),
    "outside": N_("Outside the list"),
}
_PERIODS = {"before": N_("Before the start"), "window": N_("In the window")}
_FAMILIES = {"segment": N_("Segments of customers"), "region": N_("Regions"), "size": N_("Small and large stores")}
_SIZES = {"small": N_("Smaller half of the stores"), "large": N_("Larger half of the stores")}


@dataclass(frozen=True, slots=True)
class Names:
    """What readers call codes: ``groups`` are segments and regions, ``places`` stores and regions."""

    groups: Mapping[str, str]
    places: Mapping[str, str]


def chapter_tables(code: str, told: Mapping[str, Any], view: ReportView, names: Names) -> list[Table]:
    """The tables of the chapter ``code``; a refusal is its sentence."""
    if "refusal" in told:
        return [Table([say(N_("Why there is no number"))], [[reason(told)]])]
    return list(_CHAPTERS[code](told, view, names))


def say(template: str) -> str:
    """A title of a sheet in the reader's language."""
    return translate(Message("workbook", template))


def reason(stored: Mapping[str, Any]) -> str:
    """Why there is no number; empty where there is one."""
    if is_suppressed(stored):
        return translate(FEW)
    found = stored.get("refusal")
    return translate(Message.from_dict(found)) if found and is_reason(found) else ""


def money(view: ReportView, minor: float | None) -> Cell:
    """An amount in whole units of the report's currency."""
    return None if minor is None else Money(minor / 10 ** get_currency_precision(view.document.currency))


def effect_cells(view: ReportView, stored: Mapping[str, Any], unit: str) -> list[Cell]:
    """The cells of ``EFFECT``."""
    one = stored.get("estimate")
    if one is None:
        return [*([None] * (len(EFFECT) - 1)), reason(stored)]

    def level(value: float | None) -> Cell:
        return _level(view, value, unit)

    def change(value: float | None) -> Cell:
        return None if value is None else Points(100 * value) if unit == "share" else level(value)

    return [
        change(one["effect"]), *(change(end) for end in one["interval"]), Percent(one["confidence_level"]),
        one["p_value"], one["n_units"], one["n_rows"], level(one["mean_variant"]), level(one["mean_control"]),
        translate(METHODS[Method(one["method"])]), "",
    ]  # fmt: skip


def _level(view: ReportView, value: float | None, unit: str) -> Cell:
    if value is None:
        return None
    return Percent(value) if unit == "share" else money(view, value) if unit in ("money", "ratio") else value


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str = "") -> Table:
    return Table([say(name) for name in columns], rows, title)


def _variants(told: Mapping[str, Any], view: ReportView) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for code, found in told["variants"].items():
        yield variant_label(view, code), found


def _money(told: Mapping[str, Any], view: ReportView, _names: Names) -> Iterator[Table]:
    columns = [N_("What"), N_("Amount"), N_("Interval, low"), N_("Interval, high"), N_("Why there is no number")]
    for name, found in _variants(told, view):
        if "net_minor" not in found:
            yield _table(columns, [[name, None, None, None, reason(found)]], name)
            continue
        rows: list[list[Cell]] = [
            [translate(ROWS[step["code"]]), money(view, step["amount_minor"])] for step in found["account"]
        ]
        ends = [found["net_low_minor"], found["net_high_minor"]]
        rows.append([translate(NET), money(view, found["net_minor"]), *(money(view, end) for end in ends)])
        listed = found["listed_customers"]
        if listed:
            each = [None if end is None else end / listed for end in (found["net_minor"], *ends)]
            rows.append([say(N_("Net per customer")), *(money(view, end) for end in each)])
        horizon = [found[key] for key in ("horizon_minor", "horizon_low_minor", "horizon_high_minor")]
        rows.append([say(N_("Net over the plan's horizon")), *(money(view, end) for end in horizon)])
        rows.append([say(N_("Horizon, weeks")), told["horizon_weeks"]])
        owed = found["liability"]
        if owed:
            rows.append([say(N_("Points given")), money(view, owed["issued_minor"])])
            still = [money(view, owed[key]) for key in ("base_minor", "low_minor", "high_minor")]
            rows.append([say(N_("Points still owed, with few and many redeemed")), *still])
        rows.append(_return(found["return"]))
        for key, title in _LOSSES.items():
            if found.get(key) is not None:
                rows.append([say(title), Percent(found[key])])
        yield _table(columns, rows, name)
    assumed: list[list[Cell]] = [
        [say(_PRIORS[code]), Percent(float(prior["mean_share"])), Percent(float(prior["sd_share"])),
         translate(Message("prior_source", prior["source"]))]
        for code, prior in told["priors"].items()
    ]  # fmt: skip
    if told["margin_share"] is not None:
        assumed.insert(0, [say(N_("Profit margin")), Percent(float(told["margin_share"])), None, ""])
    heads = [N_("What"), N_("Mean"), N_("Standard deviation"), N_("Source")]
    yield _table(heads, assumed, say(N_("What it is reckoned with")))


_PRIORS = {"sceptical": N_("Sceptical prior"), "neutral": N_("Neutral prior")}
_LOSSES = {
    "p_loss_stage_sceptical": N_("Probability of a loss in this stage, given the sceptical prior"),
    "p_loss_stage_neutral": N_("Probability of a loss in this stage, given the neutral prior"),
    "p_loss_sceptical": N_("Probability of a loss over the horizon, given the sceptical prior"),
    "p_loss_neutral": N_("Probability of a loss over the horizon, given the neutral prior"),
}


def _return(found: Mapping[str, Any]) -> list[Cell]:
    title = say(N_("Return on what was spent"))
    if "ratio" not in found:
        return [title, None, None, None, reason(found)]
    ends = [None if end is None else Percent(end) for end in found.get("interval", (None, None))]
    why = found.get("interval_refusal")
    return [title, Percent(found["ratio"]), *ends, translate(Message.from_dict(why)) if why else ""]


def _swiped(told: Mapping[str, Any], view: ReportView, _names: Names) -> Iterator[Table]:
    rows: list[list[Cell]] = []
    checks: list[list[Cell]] = []
    for name, found in _variants(told, view):
        if "rows" not in found:
            rows.append([name, *([None] * 9), reason(found)])
            continue
        for code, row in found["rows"].items():
            ends = [*(row["interval"] or (None, None)), *(row["interval_gate"] or (None, None))]
            rows.append(
                [name, say(_PARTS[code]), money(view, row["effect_micro"] / 1e6), *(money(view, end) for end in ends),
                 row["p_value"], money(view, row["mean_control"]), money(view, row["whole_minor"]), found["n_units"],
                 reason(row)]
            )  # fmt: skip
        moved = found["moved"]
        if "effect" in moved:
            ends = [*moved["interval"], *moved["interval_gate"]]
            rows.append(
                [name, say(N_("Bought in control stores by customers of treated homes")), money(view, moved["effect"]),
                 *(money(view, end) for end in ends), moved["p_value"], None, None, moved["n_units"], ""]
            )  # fmt: skip
        rate = found["identification"]
        if rate:
            checks.append([name, Points(rate["points"]), rate["p_value"]])
    columns = [
        N_("Variant"), N_("What"), N_("Effect, a store and week"), N_("Interval, low"), N_("Interval, high"),
        N_("Interval of the gate, low"), N_("Interval of the gate, high"), N_("p-value"), N_("Mean of control"),
        N_("All treated stores, whole window"), N_("n units"), N_("Why there is no number"),
    ]  # fmt: skip
    yield _table(columns, rows)
    if checks:
        heads = [N_("Variant"), N_("Share of receipts with a customer, change in points"), N_("p-value")]
        yield _table(heads, checks)


def _subsidy(told: Mapping[str, Any], view: ReportView, _names: Names) -> Iterator[Table]:
    columns = [
        N_("Tenth"), N_("Customers, treated"), N_("Customers, control"), N_("Rewards"), N_("Reward per customer"),
        N_("Subsidised share"), N_("Subsidised share, low"), N_("Subsidised share, high"), N_("Subsidised"), *EFFECT,
    ]  # fmt: skip
    for name, found in _variants(told, view):
        if "tenths" not in found:
            yield _table([N_("Why there is no number")], [[reason(found)]], name)
            continue
        total = found["total"]
        rows = [_tenth(view, row, row.get("tenth")) for row in found["tenths"]]
        rows.append(_tenth(view, {**total, "estimate": total.get("sales")}, say(N_("All"))))
        yield _table(columns, rows, name)
        weeks: list[list[Cell]] = [[row["week"], *effect_cells(view, row, "money")] for row in found["weeks"]]
        weeks += [
            [say(title), *effect_cells(view, found[key], "money")]
            for key, title in (("fade", N_("Last weeks less first, per week")), ("after", N_("After the reward")))
        ]
        yield _table([N_("Week of"), *EFFECT], weeks, say(N_("Effect week by week")))


def _tenth(view: ReportView, row: Mapping[str, Any], label: Cell) -> list[Cell]:
    if is_suppressed(row):
        return [label, *([None] * 18), translate(FEW)]
    share = row.get("subsidised") or {}
    told = "share" in share
    ends = [Percent(share[key]) if told else None for key in ("share", "low", "high")]
    amounts = [money(view, row.get("reward_minor")), money(view, row.get("reward_per_customer"))]
    counts = [row.get("customers_treated"), row.get("customers_control")]
    cells = effect_cells(view, row, "money")
    cells[-1] = cells[-1] or reason(share)
    return [label, *counts, *amounts, *ends, money(view, share.get("minor")), *cells]


def _loyalty(told: Mapping[str, Any], view: ReportView, _names: Names) -> Iterator[Table]:
    rows: list[list[Cell]] = [
        [name, _measure(code, told["days"]), say(N_("exploratory")) if row.get("stamp") else "",
         *effect_cells(view, row, "share")]
        for name, found in _variants(told, view)
        for code, row in found.get("rows", {}).items()
    ]  # fmt: skip
    yield _table([N_("Variant"), N_("Measure"), N_("Stamp"), *EFFECT], rows)


def _measure(code: str, days: int) -> str:
    if code == "response":
        return say(N_("Answered the survey"))
    title = translate(Message(code, BY_CODE[code].title))
    return f"{title} ({days})" if code == "repeat_purchase" else title


def _where(told: Mapping[str, Any], view: ReportView, names: Names) -> Iterator[Table]:
    rows: list[list[Cell]] = []
    tests: list[list[Cell]] = []
    for name, found in _variants(told, view):
        for family in found["families"]:
            title = say(_FAMILIES[family["family"]])
            unit = library_metric(family["metric"]).metric.unit.value
            for row in family["groups"]:
                shares = [*_shares(row.get("share")), *_shares(row.get("shrunk"))]
                stamp = say(N_("named in the plan")) if row.get("declared") else say(N_("exploratory"))
                rows.append([name, title, _group(row["group"], names), stamp, *shares, row.get("p_adjusted"),
                             *effect_cells(view, row, unit)])  # fmt: skip
            test = family["interaction"]
            compared = ", ".join(_group(code, names) for code in test.get("compared", ()))
            tests.append([name, title, compared, test.get("statistic"), test.get("p_value"), reason(test)])
    columns = [
        N_("Variant"), N_("Groups"), N_("Group"), N_("Stamp"), N_("Share of the level before"),
        N_("Share, low"), N_("Share, high"), N_("Shrunk share"), N_("Shrunk share, low"), N_("Shrunk share, high"),
        N_("p, all looks counted"), *EFFECT,
    ]  # fmt: skip
    heads = [N_("Variant"), N_("Groups"), N_("Compared"), N_("Statistic"), N_("p-value"), N_("Why there is no number")]
    yield _table(heads, tests, say(N_("Do the groups differ at all?")))
    yield _table(columns, rows, say(N_("Effect by group")))


def _shares(found: Mapping[str, Any] | None) -> list[Cell]:
    if not found:
        return [None, None, None]
    return [Percent(found["effect"]), *(None if end is None else Percent(end) for end in found["interval"])]


def _group(code: str, names: Names) -> str:
    if not code:
        return say(N_("All others"))
    return say(_SIZES[code]) if code in _SIZES and code not in names.groups else names.groups.get(code, code)


def _crossing(told: Mapping[str, Any], view: ReportView, names: Names) -> Iterator[Table]:
    def arm(code: str | None) -> str:
        return variant_label(view, code) if code else say(N_("Elsewhere"))

    columns = [N_("Home"), N_("Bought in"), N_("Period"), N_("Customers"), N_("Purchases"), N_("Net sales")]
    cells: list[list[Cell]] = [
        [arm(row.get("home")), arm(row.get("at")), say(_PERIODS[row["period"]]),
         translate(FEW) if row.get("suppressed") else row["customers"], row.get("sales"),
         money(view, row.get("net_minor"))]
        for row in told["cells"]
    ]  # fmt: skip
    yield _table(columns, cells)
    heads = [N_("Variant"), N_("What"), N_("Value"), N_("Interval, low"), N_("Interval, high"), N_("p-value"),
             N_("Why there is no number")]  # fmt: skip
    bounds: list[list[Cell]] = []
    for name, found in _variants(told, view):
        if "window" not in found:
            bounds.append([name, None, None, None, None, None, reason(found)])
            continue
        for period, shares in ((key, found[key]) for key in ("before", "window")):
            bounds += [
                [name, f"{say(title)}, {say(_PERIODS[period])}", Percent(shares[key])]
                for key, title in _CROSSED.items()
            ]
        bound = found["bound"]
        if "effect" in bound:
            for key, title, interval in _BOUNDS:
                ends = [money(view, end) for end in bound[interval]]
                bounds.append([name, say(title), money(view, bound[key]), *ends, bound["p_value"], ""])
        else:
            bounds.append([name, say(N_("Effect without crossing")), None, None, None, None, reason(bound)])
    yield _table(heads, bounds, say(N_("What crossing takes from the effect")))
    places = [N_("Home"), N_("Bought in"), N_("Customers"), N_("Net sales"), N_("Of all they bought")]
    for title, rows in ((N_("The largest crossings"), told["flows"]), (N_("Store by store"), told["grid"]["cells"])):
        flows: list[list[Cell]] = [
            [names.places.get(row["home"], row["home"]), names.places.get(row["at"], row["at"]),
             translate(FEW) if row.get("suppressed") else row.get("customers"), money(view, row.get("net_minor")),
             None if row.get("share") is None else Percent(row["share"])]
            for row in rows
        ]  # fmt: skip
        yield _table(places, flows, say(title))


_CROSSED = {
    "control_share": N_("Of what control's customers bought, share in treated stores"),
    "variant_share": N_("Of what treated homes' customers bought, share in treated stores"),
    "dilution": N_("Difference between the two"),
}
_BOUNDS = (
    ("effect", N_("Effect as it is measured, a home store and week"), "interval"),
    ("undiluted", N_("Effect without crossing"), "undiluted_interval"),
)


def _value(told: Mapping[str, Any], view: ReportView, names: Names) -> Iterator[Table]:
    columns = [
        N_("Variant"), N_("Channel"), N_("Newly identified"), N_("Stores"), N_("Cost"), N_("Cost for each of them"),
        N_("Weeks they stay"), N_("Margin a week"), N_("Value per cost"), N_("Why there is no number"),
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    gains: list[list[Cell]] = []
    for name, found in _variants(told, view):
        rows.append([name, say(N_("All")), found.get("new_customers"), found.get("stores"),
                     money(view, found.get("cost_minor")), money(view, found.get("cost_per_new_minor")),
                     *_stay(view, found.get("stay", found))])  # fmt: skip
        rows += [
            [name, names.groups.get(one["channel"], one["channel"]) or say(N_("In no segment")), one.get("n"), None,
             None, None, *_stay(view, one)]
            for one in found.get("channels", ())
        ]  # fmt: skip
        gain = found.get("outside")
        if gain:
            ends = gain.get("interval") or (None, None)
            gains.append([name, *(money(view, gain.get(key)) for key in ("gain_minor", "low_minor", "high_minor")),
                          gain.get("cost_per_unit"), *ends, reason(gain)])  # fmt: skip
    yield _table(columns, rows)
    heads = [
        N_("Variant"), N_("Gained outside the list"), N_("Interval, low"), N_("Interval, high"),
        N_("Cost per unit gained"), N_("Cost, low"), N_("Cost, high"), N_("Why there is no number"),
    ]  # fmt: skip
    yield _table(heads, gains, say(N_("Cost of sales gained outside the list")))


def _stay(view: ReportView, found: Mapping[str, Any]) -> list[Cell]:
    return [
        found.get("weeks"),
        money(view, found.get("weekly_margin_minor")),
        found.get("value_per_cost"),
        reason(found),
    ]


_CHAPTERS: Mapping[str, Callable[[Mapping[str, Any], ReportView, Names], Iterator[Table]]] = {
    "money": _money,
    "swiped": _swiped,
    "subsidy": _subsidy,
    "loyalty": _loyalty,
    "where": _where,
    "crossing": _crossing,
    "value": _value,
}
