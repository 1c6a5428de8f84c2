"""The memo of a report in sentences: what it found, in money, what holds, what is unknown, and who signed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.look.report import BLOCKING_STAMPS, Stamp, Status
from pilot.evidence.chapters.registry import refusal_of
from pilot.evidence.charts import variant_label
from pilot.evidence.queries import ReportView
from pilot.evidence.sentences import CAUSES, STAMPS
from pilot.governance import queries as governance
from pilot.planning import queries as planning
from pilot.planning.model import Pilot
from pilot.planning.plan import Plan
from pilot.words import Message, translate
from web import gate_words, presenters, report_words
from web.chapters.registry import TITLES
from web.memo_options import MemoOption, options, probability
from web.shared import timezone
from web.words import _
from web.work import session


@dataclass(frozen=True, slots=True)
class MemoEffect:
    """One row that a decision reads: the metric with its effect, interval, n and method, or why there is none."""

    metric: str
    variant: str
    effect: str
    interval: str
    n: str
    method: str
    verdict: presenters.Badge | None
    note: str


@dataclass(frozen=True, slots=True)
class MemoMoney:
    """A variant's money: the net with its range and what a loss would mean; or, not reckoned, the reason."""

    variant: str
    net: str
    between: str
    loss: str
    refusal: str


@dataclass(frozen=True, slots=True)
class Memo:
    """The page, in the reader's language. ``banner`` is there where only identification rose."""

    title: str
    sentences: list[str]
    recommended: presenters.Badge | None
    because: str
    banner: str
    stamp: str
    effects: list[MemoEffect]
    money: list[MemoMoney]
    guardrails: list[MemoEffect]
    unknown: list[str]
    options: list[MemoOption]
    signed: list[str]


def memo(pilot: Pilot, view: ReportView) -> Memo:
    """Everything the memo says of ``view``."""
    plan = planning.plan_of(session(), pilot, view.document.plan_hash)
    document = view.document
    return Memo(
        title=report_words.heading(view),
        sentences=report_words.verdict(view),
        recommended=None if document.exploratory else presenters.recommendation(view.recommendation.choice.value),
        because=_because(view),
        banner=_banner(view),
        stamp=_("exploratory: not frozen, and no decision can rest on it") if document.exploratory else "",
        effects=[_effect(view, shown) for shown in report_words.rows(view) if shown.leads] or _first_effect(view),
        money=list(_money(view)),
        guardrails=[_effect(view, shown) for shown in report_words.rows(view) if shown.is_guardrail],
        unknown=list(_unknown(view, plan)),
        options=options(view, plan),
        signed=list(_signed(pilot, view)),
    )


def _because(view: ReportView) -> str:
    """Why the gate's rules say so: the cause of a stop, and how many rules are met."""
    if view.document.exploratory:
        return ""
    rules, unmet = view.recommendation.rules, view.recommendation.reasons
    said = _("%(met)s of %(all)s rules of the gate are met.", met=len(rules) - len(unmet), all=len(rules))
    counts = [
        _("%(question)s %(met)s of %(all)s", question=title, met=sum(one.passed for one in found), all=len(found))
        for title, found in gate_words.by_question(view)
    ]
    said = f"{said} {' · '.join(counts)}"
    cause = view.recommendation.cause
    first = presenters.sentence(translate(CAUSES[cause])) if cause else gate_words.dropped(view)
    return f"{first} {said}" if first else said


def _banner(view: ReportView) -> str:
    if not view.document.chapters.get("swiped", {}).get("only_identification"):
        return ""
    return only_identification()


def only_identification() -> str:
    """The red banner: what the chapter "Real or just swiped?" found, as one sentence."""
    return _(
        "Only identification rose: customers showed their card more often, and there is no evidence that the stores "
        "sold more."
    )


def _first_effect(view: ReportView) -> list[MemoEffect]:
    """Where nothing may lead, the row that the sentence is about."""
    return [_effect(view, shown) for shown in report_words.rows(view)[:1]]


def _effect(view: ReportView, row: report_words.ShownRow) -> MemoEffect:
    line = row.line
    stamps = [stamp.text for stamp in row.stamps if stamp.blocks]
    if line is None:
        return MemoEffect(row.metric, row.variant, "–", "–", "–", "–", None, row.refusal or "")
    gate = row.gate or f"{line.level}: {line.interval}"
    effect = f"{line.effect} ({line.relative})" if not row.per else f"{line.effect} {row.per} ({line.relative})"
    note = " ".join(found for found in (row.guardrail or "", *(f"{text}." for text in stamps)) if found)
    return MemoEffect(row.metric, row.variant, effect, gate, line.n, line.method, row.verdict, note)


def _money(view: ReportView) -> Iterator[MemoMoney]:
    """Of each variant, from the chapter about money; a report without the chapter says so."""
    told = view.document.chapters.get("money")
    variants = dict.fromkeys(row.variant for row in view.rows)
    for variant in variants:
        name = variant_label(view, variant)
        refusal = _refusal(told, variant)
        if refusal:
            yield MemoMoney(name, "", "", "", refusal)
        else:
            yield _reckoned(view, name, (told or {})["variants"][variant])


def _refusal(told: Mapping[str, Any] | None, variant: str) -> str:
    if told is None:
        return _("this report has no chapter about money")
    whole = refusal_of(dict(told))
    if whole is None:
        found = told["variants"].get(variant)
        if found is None:
            return _("the chapter about money says nothing of this variant")
        whole = refusal_of(found)
    return translate(whole) if whole else ""


def _reckoned(view: ReportView, name: str, found: Mapping[str, Any]) -> MemoMoney:
    currency = view.document.currency
    between = _(
        "%(level)s interval %(interval)s",
        level=presenters.level(found["confidence_level"]),
        interval=presenters.interval((found["net_low_minor"], found["net_high_minor"]), "money", currency),
    )
    loss = _(
        "Probability of a loss over %(weeks)s weeks: %(sceptical)s given the sceptical prior, %(neutral)s given the "
        "neutral one.",
        weeks=presenters.whole(view.document.chapters["money"]["horizon_weeks"]),
        sceptical=probability(found["p_loss_sceptical"]),
        neutral=probability(found["p_loss_neutral"]),
    )
    return MemoMoney(name, presenters.change(found["net_minor"], "money", currency), between, loss, "")


def _unknown(view: ReportView, plan: Plan) -> Iterator[str]:
    """What a reader must know before believing: stamps, refusals, data that are missing, and what was assumed."""
    document = view.document
    for row in view.rows:
        if row.segment is None and (row.leads or row.role == "guardrail"):
            for stamp in (Stamp(code) for code in row.stamps if Stamp(code) not in BLOCKING_STAMPS):
                yield _about(row.title, translate(STAMPS[stamp]))
    for row in view.rows:
        if row.segment is None and row.refusal is not None and not row.leads and row.role != "guardrail":
            yield _about(row.title, report_words.refused(view, row.refusal))
    for code, told in document.chapters.items():
        refusal = refusal_of(told)
        if refusal is not None and code != "money":
            title = next((name for known, name in TITLES.items() if known.value == code), code)
            yield presenters.sentence(f"{_(title)}: {translate(refusal)}")
    for found in document.analysis.diagnostics:
        if found.status is not Status.OK:
            yield presenters.sentence(report_words.check_warning(view, found))
    if document.chapters.get("money", {}).get("drawn") == "customers":
        yield _("Only purchases with a card are seen: the money may hold purchases that were only newly shown.")
    yield from _data(view)
    yield from _assumed(plan)


def _data(view: ReportView) -> Iterator[str]:
    fresh = view.document.freshness
    yield _(
        "Receipts are complete to %(day)s; what arrives later is not in these numbers.",
        day=presenters.day(fresh.through),
    )
    if fresh.silent:
        yield _("Silent in the last week: %(names)s.", names=_few(fresh.silent))
    if fresh.lost:
        yield _("Left the comparison: %(names)s.", names=_few(fresh.lost))


def _assumed(plan: Plan) -> Iterator[str]:
    given = plan.economics
    if given is not None:
        values = {
            "low": presenters.share(float(given.redemption_low), 0),
            "high": presenters.share(float(given.redemption_high), 0),
        }
        if given.margin_share is None:
            yield _("Assumed: of the rewards, %(low)s to %(high)s are redeemed.", **values)
        else:
            margin = presenters.share(float(given.margin_share))
            yield _(
                "Assumed: a margin of %(margin)s; of the rewards, %(low)s to %(high)s are redeemed.",
                margin=margin,
                **values,
            )
    priors = plan.priors
    yield _(
        "Believed before the pilot: sceptical %(sceptical)s, neutral %(neutral)s (standard deviation of the effect).",
        sceptical="± " + presenters.share(float(priors.sceptical.sd_share)),
        neutral="± " + presenters.share(float(priors.neutral.sd_share)),
    )


def _signed(pilot: Pilot, view: ReportView) -> Iterator[str]:
    """Who signed the plan, and who has decided what on this report, when and why."""
    zone = timezone()
    for one in governance.sign_offs(session(), pilot):
        if one.plan_hash == view.document.plan_hash:
            values = {"who": _who(one.who, one.for_whom), "at": presenters.moment(one.at, zone)}
            is_cosigned = one.kind == "cosign"
            yield (
                _("%(who)s co-signed the plan, %(at)s.", **values)
                if is_cosigned
                else _("%(who)s approved the plan, %(at)s.", **values)
            )
    if view.frozen is None:
        return
    decided = governance.decisions_of(session(), view.frozen)
    for row in decided:
        values = {
            "who": _who(row.who, row.for_whom),
            "at": presenters.moment(row.at, zone),
            "did": _did(row.choice, row.regions),
            "why": row.text,
        }
        effect = "" if row.takes_effect or not row.choice else " " + _("(waits for a second person)")
        yield _("%(who)s: %(did)s, %(at)s: “%(why)s”", **values) + effect
    if not decided:
        yield _("Nobody has decided yet.")


def _who(name: str, for_whom: str) -> str:
    """A deputy signs in somebody's place, and both are named."""
    return _("%(name)s (for %(other)s)", name=name, other=for_whom) if for_whom else name


def _did(choice: str | None, regions: tuple[str, ...]) -> str:
    if choice is None:
        return _("Answer")
    name = presenters.choice_name(choice)
    return f"{name} ({', '.join(regions)})" if regions else name


def _about(title: Message, text: str) -> str:
    name = translate(title)
    return presenters.sentence(text if name in text else f"{name}: {text}")


def _few(names: tuple[str, ...], most: int = 6) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else _("%(names)s and %(n)s more", names=shown, n=len(names) - most)
