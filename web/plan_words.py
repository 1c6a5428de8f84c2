"""The words of a plan: what each code is called on the pages, for forms and for reading."""

from collections.abc import Iterable, Mapping

from pilot.planning.candidate_words import STAYS_OUT_WORDS
from pilot.planning.plan import ALL_UNITS, REGION_PREFIX, Plan, StagePlan
from pilot.words import translate
from web import presenters
from web.words import _, ngettext


def objectives() -> list[tuple[str, str, str]]:
    """(code, name, what it means for what is measured)."""
    return [
        (
            "win",
            _("Win new customers"),
            _("Looks at what is sold outside the list of known customers, with the whole store beside."),
        ),
        (
            "keep",
            _("Keep the customers we have"),
            _("Looks at the whole store, and at whether listed customers come back."),
        ),
        ("defend", _("Defend against a rival"), _("Looks at the whole store, in stores near the rival, named before.")),
    ]


def units() -> list[tuple[str, str]]:
    return [("store", _("Stores")), ("region", _("Regions")), ("customer", _("Customers"))]


def mechanisms() -> list[tuple[str, str]]:
    return [
        ("matched_pairs", _("Matched pairs: one of two alike gets it")),
        ("stratified", _("Stratified: drawn inside each region or segment")),
        ("complete", _("Complete: drawn among all")),
        ("bernoulli_hash", _("By code: each customer by their own code, later arrivals too")),
    ]


def applies() -> list[tuple[str, str]]:
    return [("visited", _("the store they stand in")), ("home", _("their home store"))]


def leads() -> list[tuple[str, str]]:
    return [("store_totals", _("What whole stores sell")), ("customers", _("What listed customers do"))]


def gate_rules() -> list[tuple[str, str]]:
    return [
        ("leading_metric", _("The leading metric is better, at the level of its look")),
        ("guardrails", _("No guardrail got worse by more than its margin")),
        ("no_alarm", _("No alarm: the draw, the data and the sample are in order")),
        ("money", _("A loss is unlikely: the probability of one, given the sceptical prior, is below its limit")),
    ]


def points_ends() -> list[tuple[str, str]]:
    """What becomes of points when the program ends."""
    return [
        ("none", _("There are none")),
        ("redeemable", _("They can be redeemed until that day")),
        ("paid_out", _("They are paid out")),
    ]


def tiers_ends() -> list[tuple[str, str]]:
    """What becomes of tiers when the program ends."""
    return [
        ("none", _("There are none")),
        ("kept", _("They are kept until that day")),
        ("ended", _("They end at once, announced")),
    ]


def memberships_ends() -> list[tuple[str, str]]:
    """What becomes of paid memberships when the program ends."""
    return [
        ("none", _("There are none")),
        ("refunded", _("The rest of their period is refunded")),
        ("run_out", _("They run out")),
    ]


def metric_roles() -> list[tuple[str, str]]:
    return [("", "–"), ("secondary", _("Secondary")), ("guardrail", _("Guardrail"))]


def role_of_metric(role: str) -> str:
    return {"primary": _("Primary"), "secondary": _("Secondary"), "guardrail": _("Guardrail")}.get(role, role)


def named(pairs: list[tuple[str, str]], code: str) -> str:
    """The name of ``code`` in a list of choices."""
    return dict(pairs).get(str(code), str(code))


def objective_name(code: str) -> str:
    return next((name for known, name, _hint in objectives() if known == str(code)), str(code))


def where(stage: StagePlan, regions: dict[str, str]) -> str:
    """The units of a stage in words."""
    if stage.units == (ALL_UNITS,):
        return _("all stores")
    in_regions = [
        regions.get(code.removeprefix(REGION_PREFIX), code) for code in stage.units if _is_region(code, regions)
    ]
    n_stores = len(stage.units) - len(in_regions)
    parts = [_("the region %(name)s", name=name) for name in in_regions]
    if n_stores:
        parts.append(ngettext("%(num)d named store", "%(num)d named stores", n_stores))
    return ", ".join(parts)


def _is_region(code: str, regions: dict[str, str]) -> bool:
    return code.startswith(REGION_PREFIX) or code in regions


def stage_in_words(plan: Plan, stage: StagePlan, regions: dict[str, str]) -> str:
    """When, how long and where, as one line."""
    return _(
        "%(weeks)s from %(first)s to %(last)s in %(where)s",
        weeks=ngettext("%(num)d week", "%(num)d weeks", stage.weeks),
        first=presenters.day(stage.starts_on),
        last=presenters.day(stage.ends_on()),
        where=where(stage, regions),
    )


def by_reason(left_out: Iterable[tuple[str, str]], names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Units that stay out, gathered by why, the most frequent reason first."""
    found: dict[str, list[str]] = {}
    for code, why in left_out:
        words = STAYS_OUT_WORDS.get(why)
        unit = f"{code} {names[code]}" if names.get(code, code) != code else code
        found.setdefault(translate(words) if words else why, []).append(unit)
    return sorted(found.items(), key=lambda item: -len(item[1]))
