"""A plan part by part in words, and the parts in which two plans differ: what an amendment changes, for people."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pilot.planning.candidate_words import COVARIATES
from pilot.planning.errors import UnknownMetric
from pilot.planning.metrics import library_metric
from pilot.planning.plan import ALL_UNITS, REGION_PREFIX
from pilot.programs.enrolment import FORM_FIELD_LABELS
from pilot.programs.mechanics import spec_of
from pilot.words import Message, translate
from web import plan_words, presenters, terms
from web.shared import currency
from web.words import _

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class PlanPart:
    """One thing that a plan fixes: ``key`` for programs, what it is called and says, and its value as stored."""

    key: str
    part: str
    words: str
    stored: str


@dataclass(frozen=True, slots=True)
class ChangedPart:
    """One thing in which two plans differ; a dash where it was not, or is no longer, there."""

    part: str
    old: str
    new: str


def parts(document: Mapping[str, Any]) -> list[PlanPart]:
    """Everything the plan document fixes, in the order of a plan; what is not there yet is left out."""
    return [
        PlanPart(key, label, words or NOTHING, json.dumps(stored, sort_keys=True, ensure_ascii=False))
        for name in (*_PARTS, *(name for name in document if name not in _PARTS))
        if name in document
        for key, label, words, stored in _PARTS.get(name, _unnamed)(name, document[name])
    ]


def rows(old_text: str, new_text: str) -> list[ChangedPart]:
    """The parts in which two canonical plan texts differ."""
    old, new = (
        {one.key: one for one in parts(json.loads(text)) if one.key != "revision"} for text in (old_text, new_text)
    )
    found = []
    for key in (*old, *(key for key in new if key not in old)):
        before, after = old.get(key), new.get(key)
        if before is None or after is None or before.stored != after.stored:
            named = after or before
            found.append(
                ChangedPart(
                    named.part if named else key,
                    before.words if before else NOTHING,
                    after.words if after else NOTHING,
                )
            )
    return found


_Row = tuple[str, str, str, Any]
_Walk = Callable[[str, Any], Iterator[_Row]]
_Say = Callable[[Any], str]


def _one(label: Callable[[], str], say: _Say = str) -> _Walk:
    """A single value with its label."""

    def walk(name: str, value: Any) -> Iterator[_Row]:
        yield name, label(), "" if value in (None, "", []) else say(value), value

    return walk


def _many(fields: Mapping[str, tuple[Callable[[], str], _Say]]) -> _Walk:
    """A part with fields of its own; one that is not there at all has no rows."""

    def walk(name: str, value: Any) -> Iterator[_Row]:
        for field, stored in (value or {}).items():
            label, say = fields.get(field, (lambda field=field: field, str))
            yield f"{name}.{field}", label(), "" if stored in (None, "", []) else say(stored), stored

    return walk


def _unnamed(name: str, value: Any) -> Iterator[_Row]:
    """A part that has no words yet; a change of it is shown all the same."""
    yield name, name, str(value), value


def _priors(name: str, value: Any) -> Iterator[_Row]:
    titles = {"sceptical": _("Sceptical prior"), "neutral": _("Neutral prior")}
    for code, prior in value.items():
        words = _(
            "mean %(mean)s, standard deviation %(sd)s of control's mean; %(source)s",
            mean=_share(prior["mean_share"]),
            sd=_share(prior["sd_share"]),
            source=translate(Message("prior_source", prior["source"])),
        )
        yield f"{name}.{code}", titles[code], words, prior


def _variants(name: str, value: Any) -> Iterator[_Row]:
    words = ", ".join(f"{one['code']} ({presenters.whole(one['weight'])})" for one in value)
    yield name, _("Variants and their weights in the draw"), words, value


def _guardrails(name: str, value: Any) -> Iterator[_Row]:
    for one in value:
        label = _("Guardrail: %(metric)s", metric=_metric(one["metric"]))
        yield f"{name}.{one['metric']}", label, _("at most %(margin)s worse", margin=_share(one["margin_share"])), one


def _offers(name: str, value: Any) -> Iterator[_Row]:
    for one in value:
        to_whom = one["segment"] or _("everybody")
        label = _("What “%(variant)s” gives to %(segment)s", variant=one["variant"], segment=to_whom)
        said = [f"{one['name']} ({_mechanic(one['mechanic'])})"]
        said += [f"{name}: {text}" for name, text in terms.lines(one["mechanic"], one["terms"], currency())]
        said += _enrolment(one["enrolment"])
        yield f"{name}.{one['code']}", label, "; ".join(said), one


def _enrolment(given: Mapping[str, Any]) -> list[str]:
    said = [_("a purchase comes first")] if given.get("purchase_required") else []
    asked = [
        translate(label) for field, label in FORM_FIELD_LABELS.items() if field.value in given.get("form_fields", ())
    ]
    return [*said, _("the form asks for: %(fields)s", fields=", ".join(asked))] if asked else said


def _segment_rules(name: str, value: Any) -> Iterator[_Row]:
    for one in value:
        rule = ", ".join(f"{field}: {text}" for field, text in sorted(one["rule"].items()))
        yield f"{name}.{one['code']}", _("Rule of the segment “%(segment)s”", segment=one["code"]), rule, one


def _stages(name: str, value: Any) -> Iterator[_Row]:
    for one in value:
        for field, stored in one.items():
            if field == "number":
                continue
            label, say = _STAGE.get(field, (lambda field=field: field, str))
            words = "" if stored in (None, "", []) else say(stored)
            yield (
                f"{name}.{one['number']}.{field}",
                _("Stage %(n)s: %(part)s", n=one["number"], part=label()),
                words,
                stored,
            )


def _share(value: Any) -> str:
    """A stored share as a percentage with all its digits."""
    percent = format(float(value) * 100, ".6f").rstrip("0").rstrip(".")
    digits = len(percent.partition(".")[2])
    return presenters.share(float(value), digits)


def _money(value: Any) -> str:
    return presenters.money(value, currency())


def _metric(code: str) -> str:
    try:
        return translate(library_metric(code).title)
    except UnknownMetric:
        return code


def _mechanic(code: str) -> str:
    return translate(spec_of(code).title)


def _metrics(codes: Any) -> str:
    return ", ".join(_metric(code) for code in codes)


def _listed(codes: Any) -> str:
    return ", ".join(str(code) for code in codes)


def _units(codes: Any) -> str:
    if list(codes) == [ALL_UNITS]:
        return _("all stores")
    return ", ".join(
        _("the region %(name)s", name=code.removeprefix(REGION_PREFIX)) if code.startswith(REGION_PREFIX) else code
        for code in codes
    )


def _yes(value: Any) -> str:
    return _("yes") if value else _("no")


def _weeks(value: Any) -> str:
    return _("weeks: %(n)s", n=presenters.whole(value))


def _covariates(codes: Any) -> str:
    return ", ".join(translate(COVARIATES[code]) if code in COVARIATES else code for code in codes)


def _gate(codes: Any) -> str:
    return "; ".join(plan_words.named(plan_words.gate_rules(), code) for code in codes)


def _ends(value: Any) -> str:
    return {
        "redeemable": _("stay redeemable"), "paid_out": _("are paid out"), "kept": _("are kept"),
        "ended": _("end at once"), "refunded": _("are refunded"), "run_out": _("run out"), "none": _("there are none"),
    }.get(str(value), str(value))  # fmt: skip


_STAGE: dict[str, tuple[Callable[[], str], _Say]] = {
    "name": (lambda: _("name"), str),
    "units": (lambda: _("where"), _units),
    "starts_on": (lambda: _("start"), presenters.day),
    "weeks": (lambda: _("length"), _weeks),
    "looks": (lambda: _("looks"), presenters.whole),
    "extension_weeks": (lambda: _("length of an extension"), _weeks),
    "gate": (lambda: _("rules of the gate"), _gate),
    "is_network": (lambda: _("the whole network"), _yes),
}
_ECONOMICS: dict[str, tuple[Callable[[], str], _Say]] = {
    "margin_share": (lambda: _("Profit margin before rewards"), _share),
    "enrolment_share": (lambda: _("Expected share of sales under the offer"), _share),
    "redemption_share": (lambda: _("Rewards that are redeemed"), _share),
    "redemption_low": (lambda: _("Rewards that are redeemed, at least"), _share),
    "redemption_high": (lambda: _("Rewards that are redeemed, at most"), _share),
    "communication_minor": (lambda: _("Communication, whole stage"), _money),
    "setup_minor": (lambda: _("Set-up, once"), _money),
    "store_minor": (lambda: _("Cost per treated store, once"), _money),
    "benefit_minor": (lambda: _("Cost of benefits per enrolled customer and 28 days"), _money),
    "horizon_weeks": (lambda: _("Horizon of the value"), _weeks),
}
_WIND_DOWN: dict[str, tuple[Callable[[], str], _Say]] = {
    "honour_until": (lambda: _("At the end, promises are kept until"), presenters.day),
    "points": (lambda: _("At the end, points"), _ends),
    "tiers": (lambda: _("At the end, tiers"), _ends),
    "memberships": (lambda: _("At the end, paid memberships"), _ends),
    "exit_cost_minor": (lambda: _("Cost of the exit"), _money),
    "note": (lambda: _("Note on the end"), str),
}
_THRESHOLDS: dict[str, tuple[Callable[[], str], _Say]] = {
    "loss_probability": (lambda: _("Advance only while the probability of a loss is at most"), _share),
    "harm_probability": (lambda: _("Stop for harm when its probability exceeds"), _share),
    "harm_share": (lambda: _("Harm is a fall by more than"), _share),
    "futility_probability": (lambda: _("Stop for futility when the chance to advance is below"), _share),
}
_ELIGIBILITY: dict[str, tuple[Callable[[], str], _Say]] = {
    "min_trading_weeks": (lambda: _("Candidates have traded for at least"), _weeks),
    "min_listed_customers": (lambda: _("Candidates have at least so many listed customers"), presenters.whole),
    "cooling_weeks": (lambda: _("After another pilot, stores rest for"), _weeks),
    "must_include": (lambda: _("Must be in"), _listed),
    "must_exclude": (lambda: _("Must stay out"), _listed),
}
_PARTS: dict[str, _Walk] = {
    "hypothesis": _one(lambda: _("Hypothesis")),
    "objective": _one(lambda: _("Objective"), plan_words.objective_name),
    "program": _one(lambda: _("Program")),
    "mechanic": _one(lambda: _("Mechanic"), _mechanic),
    "variants": _variants,
    "offers": _offers,
    "segments": _one(lambda: _("Segments that are drawn"), _listed),
    "segment_rules": _segment_rules,
    "unit": _one(lambda: _("What is drawn"), lambda code: plan_words.named(plan_words.units(), code)),
    "mechanism": _many(
        {
            "kind": (lambda: _("How it is drawn"), lambda code: plan_words.named(plan_words.mechanisms(), code)),
            "match_on": (lambda: _("Matched by"), _covariates),
        }
    ),
    "applies_by": _one(
        lambda: _("A customer gets what belongs to"), lambda code: plan_words.named(plan_words.applies(), code)
    ),
    "leads": _one(lambda: _("The gate rests on"), lambda code: plan_words.named(plan_words.leads(), code)),
    "identification_note": _one(lambda: _("Why showing the card cannot differ")),
    "primary": _one(lambda: _("Primary metric"), _metric),
    "secondary": _one(lambda: _("Secondary metrics"), _metrics),
    "guardrails": _guardrails,
    "subgroups": _one(lambda: _("Subgroups declared before"), _listed),
    "rival_stores": _one(lambda: _("Stores near the rival"), _units),
    "alpha": _one(lambda: _("Level of the test"), _share),
    "draws": _one(lambda: _("Draws of the permutation test"), presenters.whole),
    "windows": _many(
        {
            "pre_weeks": (lambda: _("Compared with the time before"), _weeks),
            "home_weeks": (lambda: _("Home stores are decided by"), _weeks),
        }
    ),
    "eligibility": _many(_ELIGIBILITY),
    "holdout": _one(lambda: _("Holdout"), _listed),
    "stages": _stages,
    "priors": _priors,
    "economics": _many(_ECONOMICS),
    "thresholds": _many(_THRESHOLDS),
    "wind_down": _many(_WIND_DOWN),
    "metrics_version": _one(lambda: _("Version of the metric library"), presenters.whole),
    "pilot": _one(lambda: _("Pilot")),
    "revision": _one(lambda: _("Version of the plan"), presenters.whole),
    "version": _one(lambda: _("Format of the plan"), presenters.whole),
}
