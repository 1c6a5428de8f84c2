"""What the design page shows of a study: rows with money and words, what an extension adds, what offers must bring."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.forecast.economics import BreakEven
from pilot.planning.economics import PlanEconomics
from pilot.planning.plan import Plan
from pilot.words import Message, translate
from web import plan_words, presenters
from web.shared import currency
from web.words import _


@dataclass(frozen=True, slots=True)
class DesignRow:
    """One design of the search, in words; ``refusal`` says why it cannot be run."""

    rank: int
    mechanism: str
    n_units: int
    n_treated: int
    weeks: int
    smallest: str
    smallest_money: str
    stage_money: str
    power: str
    smallest_p: str
    cost: str
    proves: bool | None
    is_best: bool
    refusal: str


def rows(answer: Mapping[str, Any]) -> list[DesignRow]:
    """The designs of a search, in their order."""
    return [_row(row) for row in answer.get("designs", ())]


def extension(plan: Plan, number: int, answer: Mapping[str, Any]) -> str:
    """What the stage's extensions would add to what it sees, as a sentence; empty where nothing is known."""
    stage = plan.stage(number)
    curve = {row["weeks"]: row["smallest_share"] for row in answer.get("curve", ())}
    if not curve:
        return ""
    longest = max(curve)
    now = curve[min(curve, key=lambda weeks: (abs(weeks - stage.weeks), weeks))]
    if longest <= stage.weeks:
        return _("The history is too short to say what more weeks would add.")
    saved = now - curve[longest]
    values = {
        "weeks": stage.weeks,
        "now": presenters.share(now),
        "longest": longest,
        "later": presenters.share(curve[longest]),
    }
    if saved <= 0.1 * now:
        return _(
            "With about %(weeks)s weeks it sees %(now)s; with %(longest)s weeks it would see %(later)s. More weeks add "
            "next to nothing: more stores would.",
            **values,
        )
    return _("With about %(weeks)s weeks it sees %(now)s; with %(longest)s weeks it would see %(later)s.", **values)


def money_rows(found: PlanEconomics, names: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """(variant, lift of sales that pays, the same as the store total shows it, why not) of each variant."""
    shown = []
    for code, variant in found.variants.items():
        name = names.get(code, code)
        if isinstance(variant.break_even, BreakEven):
            lift = presenters.share(float(variant.break_even.lift))
            total = presenters.share(float(variant.break_even.store_total_lift))
            shown.append((name, lift, total, ""))
        else:
            shown.append((name, "–", "–", translate(variant.break_even)))
    return shown


def _row(row: Mapping[str, Any]) -> DesignRow:
    refusal = row["refusal"]
    return DesignRow(
        rank=row["rank"],
        mechanism=plan_words.named(plan_words.mechanisms(), row["mechanism"]),
        n_units=row["n_units"],
        n_treated=row["n_treated"],
        weeks=row["weeks"],
        smallest=presenters.relative_size(row["smallest_share"]),
        smallest_money=_money(row["smallest_minor"]),
        stage_money=_money(row["stage_minor"]),
        power="–" if row["power"] is None else presenters.share(row["power"], 0),
        smallest_p=presenters.p_value(row["smallest_p"]),
        cost=_money(row["cost_minor"]),
        proves=row["proves"],
        is_best=row["is_best"],
        refusal=translate(Message.from_dict(refusal)) if refusal else "",
    )


def _money(minor: float | None) -> str:
    return "–" if minor is None else presenters.money(minor, currency(), cents=False)
