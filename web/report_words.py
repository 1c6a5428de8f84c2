"""A report in sentences and table cells: the verdict first, then every row with its interval, p, n and method."""

from dataclasses import dataclass

from experiments.estimate.estimate import Estimate, Method
from experiments.look.report import BLOCKING_STAMPS, Diagnostic, Stamp
from pilot.evidence.charts import covariate_label, variant_label
from pilot.evidence.queries import ReportView, RowView
from pilot.evidence.recommendation import RuleResult
from pilot.evidence.sentences import METHODS, RULES, STAMPS, check_sentence, check_title
from pilot.planning.metrics import library_metric
from pilot.words import Message, translate
from web import plan_words, presenters
from web.words import _


@dataclass(frozen=True, slots=True)
class Stamped:
    """A stamp in words; ``blocks``: a row that carries it cannot pass a gate."""

    text: str
    blocks: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One estimate in cells."""

    effect: str
    relative: str
    interval: str
    level: str
    p: str
    n: str
    method: str
    short_method: str


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of the effect table; ``line`` or ``refusal`` is there."""

    metric: str
    anchor: str
    per: str
    pitfall: str
    variant: str
    segment: str | None
    role: str
    leads: bool
    verdict: presenters.Badge | None
    line: Line | None
    p_adjusted: str
    gate: str
    means: str
    alternatives: tuple[Line, ...]
    stamps: tuple[Stamped, ...]
    assumption: str | None
    refusal: str | None
    guardrail: str | None
    is_guardrail: bool
    truth: str | None
    covers_truth: bool | None


def per_what(metric: str) -> str:
    """What an amount of the metric is counted for; empty where the metric's title says it."""
    kinds = {
        "store_total": _("a store and week"),
        "sales_outside_list": _("a store and week"),
        "spend_per_customer": _("a customer"),
        "average_basket": _("a receipt"),
        "purchase_frequency": _("purchase days in 28 days"),
    }
    return kinds.get(metric, "")


def heading(report: ReportView) -> str:
    """Which look at which days this is; what is exploratory is no look of the plan."""
    document = report.document
    values = {
        "stage": presenters.whole(document.stage),
        "planned": presenters.whole(document.looks_planned),
        "first": presenters.day(document.window.first),
        "last": presenters.day(document.window.last),
    }
    if document.exploratory:
        return _("Stage %(stage)s, explored beyond its planned looks (%(planned)s): %(first)s to %(last)s", **values)
    look = presenters.whole(document.look)
    return _("Stage %(stage)s, look %(look)s of %(planned)s: %(first)s to %(last)s", look=look, **values)


def verdict(report: ReportView) -> list[str]:
    """The sentences on top, one for each row that leads (the first row where nothing may lead)."""
    leading = [row for row in report.rows if row.leads] or [row for row in (report.headline,) if row is not None]
    return [_sentence(report, row) for row in leading]


def rows(report: ReportView) -> list[ShownRow]:
    """The rows of the effect table, the leading ones first."""
    whole = [row for row in report.rows if row.segment is None]
    return [_shown(report, row, {}) for row in sorted(whole, key=lambda row: not row.leads)]


def segment_rows(report: ReportView, names: dict[str, str]) -> list[ShownRow]:
    """The exploratory rows, segment by segment; ``names`` are the segments'."""
    return [_shown(report, row, names) for row in report.rows if row.segment is not None]


def rule_in_words(report: ReportView, result: RuleResult) -> str:
    """A rule of the gate, with the metric and variant it was about."""
    about = [translate(library_metric(result.metric).title)] if result.metric else []
    if result.variant and len({row.variant for row in report.rows}) > 1:
        about.append(variant_label(report, result.variant))
    sentence = translate(RULES[result.rule])
    return f"{sentence} ({', '.join(about)})" if about else sentence


def refused(report: ReportView, why: Message) -> str:
    """Why there is no number, with the variant's name instead of its code."""
    variant = why.values.get("variant")
    named = {"variant": f"“{variant_label(report, variant)}”"} if isinstance(variant, str) else {}
    return translate(Message(why.code, why.template, {**why.values, **named}))


def check_says(report: ReportView, found: Diagnostic) -> str:
    """What a check says: levels before the start in their own units, with the variant's name."""
    values = found.message.values
    if found.check.startswith("balance:") and {"control", "treated"} <= values.keys():
        covariate, currency = found.check.split(":", 1)[1], report.document.currency
        return _(
            "%(covariate)s: control %(control)s, “%(variant)s” %(treated)s",
            covariate=covariate_label(covariate),
            control=presenters.level_before(float(values["control"]), covariate, currency),
            treated=presenters.level_before(float(values["treated"]), covariate, currency),
            variant=variant_label(report, found.variant or ""),
        )
    return translate(check_sentence(found.message))


def check_warning(report: ReportView, found: Diagnostic) -> str:
    """A check that is not in order as a line of its own: its title and what it says."""
    title = translate(check_title(found.check))
    return f"{title}: {check_says(report, found)}"


def check_name(check: str) -> str:
    """The title of a check of the experiment, with the covariate it is about."""
    title = translate(check_title(check))
    return f"{title}: {covariate_label(check.split(':', 1)[1])}" if ":" in check else title


def _sentence(report: ReportView, row: RowView) -> str:
    metric, variant = translate(row.title), variant_label(report, row.variant)
    if row.estimate is None:
        why = refused(report, row.refusal) if row.refusal else ""
        return _("%(metric)s cannot be estimated for “%(variant)s”. %(why)s", metric=metric, variant=variant, why=why)
    low_high = row.interval_gate or row.estimate.interval
    values = {
        "metric": metric,
        "variant": variant,
        "effect": _per(presenters.change(row.estimate.effect, row.unit, report.document.currency), row.metric),
        "size": _per(presenters.size_of(row.estimate.effect, row.unit, report.document.currency), row.metric),
        "relative": presenters.relative(row.estimate.relative_effect),
        "interval": presenters.interval(low_high, row.unit, report.document.currency),
        "level": presenters.level(row.gate_confidence or row.estimate.confidence_level),
        "n": presenters.whole(row.estimate.n_units),
    }
    if row.verdict == "no_evidence":
        said = _(
            "There is no evidence of a difference in %(metric)s: under “%(variant)s” it was %(effect)s (%(relative)s) "
            "against control, %(level)s interval %(interval)s, n = %(n)s.",
            **{**values, "metric": _in_sentence(metric)},
        )
    elif row.estimate.effect > 0:
        said = _(
            "“%(variant)s” raised the %(metric)s by %(size)s (%(relative)s): "
            "%(level)s interval %(interval)s, n = %(n)s.",
            **{**values, "metric": _in_sentence(metric)},
        )
    else:
        said = _(
            "“%(variant)s” lowered the %(metric)s by %(size)s (%(relative)s): "
            "%(level)s interval %(interval)s, n = %(n)s.",
            **{**values, "metric": _in_sentence(metric)},
        )
    warnings = [translate(STAMPS[stamp]) for stamp in map(Stamp, row.stamps) if stamp in BLOCKING_STAMPS]
    return " ".join([said, *(f"{warning}." for warning in warnings)])


def _shown(report: ReportView, row: RowView, names: dict[str, str]) -> ShownRow:
    currency = report.document.currency
    estimate = row.estimate
    return ShownRow(
        metric=translate(row.title),
        anchor=library_metric(row.metric).entry.code,
        per=per_what(row.metric),
        pitfall=translate(row.pitfall),
        variant=variant_label(report, row.variant),
        segment=names.get(row.segment, row.segment) if row.segment else None,
        role=plan_words.role_of_metric(row.role),
        leads=row.leads,
        # A segment is one of many: its interval does not know that, so it gets no verdict of its own.
        verdict=_verdict_badge(row) if row.segment is None else None,
        line=_line(estimate, row, currency) if estimate else None,
        p_adjusted=_adjusted(row),
        gate=_gate(row, currency),
        means=_means(estimate, row.unit, currency) if estimate else "",
        alternatives=tuple(_line(other, row, currency) for other in row.alternatives),
        stamps=tuple(Stamped(translate(STAMPS[s]), s in BLOCKING_STAMPS) for s in map(Stamp, row.stamps)),
        assumption=translate(row.assumption) if row.assumption else None,
        refusal=refused(report, row.refusal) if row.refusal else None,
        guardrail=_guardrail(row, currency),
        is_guardrail=row.role == "guardrail",
        truth=presenters.change(row.truth, row.unit, currency) if row.truth is not None else None,
        covers_truth=row.covers_truth,
    )


def _adjusted(row: RowView) -> str:
    """The p-value that counts how many rows were looked at, where it is another than the row's own."""
    if row.estimate is None or row.p_value_adjusted is None or row.p_value_adjusted == row.estimate.p_value:
        return ""
    return presenters.p_value(row.p_value_adjusted)


def _line(estimate: Estimate, row: RowView, currency: str) -> Line:
    return Line(
        effect=presenters.change(estimate.effect, row.unit, currency),
        relative=presenters.relative(estimate.relative_effect),
        interval=presenters.interval(estimate.interval, row.unit, currency),
        level=presenters.level(estimate.confidence_level),
        p=presenters.p_value(estimate.p_value),
        n=presenters.whole(estimate.n_units),
        method=translate(METHODS[Method(estimate.method)]),
        short_method=_short_method(estimate.method),
    )


def _short_method(method: str) -> str:
    kinds = (("permutation", _("Permutation")), ("welch", _("Welch")))
    return next((name for start, name in kinds if method.startswith(start)), _("Regression"))


def _gate(row: RowView, currency: str) -> str:
    """The interval that the gate reads, where it is another than the one in the table."""
    if row.interval_gate is None or row.gate_confidence is None or row.estimate is None:
        return ""
    if abs(row.gate_confidence - row.estimate.confidence_level) < 1e-12:
        return ""
    return _(
        "%(level)s interval of the gate: %(interval)s",
        level=presenters.level(row.gate_confidence),
        interval=presenters.interval(row.interval_gate, row.unit, currency),
    )


def _means(estimate: Estimate, unit: str, currency: str) -> str:
    return _(
        "%(variant)s against %(control)s",
        variant=presenters.quantity(estimate.mean_variant, unit, currency),
        control=presenters.quantity(estimate.mean_control, unit, currency),
    )


def _guardrail(row: RowView, currency: str) -> str | None:
    if row.non_inferiority is None:
        return None
    found = row.non_inferiority
    values = {
        "margin": presenters.quantity(found.margin, row.unit, currency),
        "p": presenters.p_value(found.p_value),
    }
    if found.holds:
        return _("Holds: a loss of more than %(margin)s is ruled out (p %(p)s).", **values)
    return _("A loss of more than %(margin)s is not ruled out (p %(p)s).", **values)


def _verdict_badge(row: RowView) -> presenters.Badge | None:
    """Better or worse only where the gate reads it; other rows say the direction, or invite nobody to count them."""
    if row.verdict is None or row.estimate is None:
        return None
    if row.non_inferiority is not None and not row.leads:
        holds = row.non_inferiority.holds
        return presenters.Badge(_("Holds"), "good") if holds else presenters.Badge(_("Not shown to hold"), "warn")
    if row.verdict == "no_evidence":
        return presenters.Badge(_("No evidence of a difference"), "neutral")
    if row.leads:
        is_better = row.verdict == "better"
        return presenters.Badge(_("Better"), "good") if is_better else presenters.Badge(_("Worse"), "bad")
    return presenters.Badge(_("higher") if row.estimate.effect > 0 else _("lower"), "neutral")


def _per(amount: str, metric: str) -> str:
    return f"{amount} {per_what(metric)}".strip()


def _in_sentence(title: str) -> str:
    """A title inside a sentence of its language: English and Russian write it small."""
    return title[:1].lower() + title[1:]
