"""A gate in words: which look it was, what stood against which threshold, why to stop, what waiting would tell."""

from datetime import date

from pilot.evidence.charts import variant_label
from pilot.evidence.queries import ReportView
from pilot.evidence.recommendation import RuleCode, RuleResult, Waiting
from pilot.evidence.sentences import CAUSES
from pilot.governance.model import Choice
from pilot.planning.metrics import library_metric
from pilot.words import translate
from web import presenters
from web.presenters import day, p_value, quantity, share, whole
from web.report_words import per_what
from web.words import _

# The question that each rule answers, in the order in which a reader asks.
_QUESTIONS: dict[str, tuple[RuleCode, ...]] = {
    "believed": (
        RuleCode.LEADING_ESTIMATED,
        RuleCode.LEADING_TRUSTED,
        RuleCode.MORE_THAN_IDENTIFICATION,
        RuleCode.NO_ALARM,
        RuleCode.LOOK_MAY_ADVANCE,
    ),
    "works": (RuleCode.LEADING_IMPROVES, RuleCode.NOT_FUTILE),
    "harmed": (
        RuleCode.NO_HARM,
        RuleCode.HARM_UNLIKELY,
        RuleCode.GUARDRAIL_HOLDS,
        RuleCode.GUARDRAIL_NOT_BROKEN,
    ),
    "pays": (RuleCode.MONEY_RECKONED, RuleCode.MONEY_EARNED, RuleCode.LOSS_UNLIKELY, RuleCode.LOSS_NOT_SHOWN),
}
_TESTS = (RuleCode.LEADING_IMPROVES, RuleCode.NO_HARM, RuleCode.GUARDRAIL_HOLDS)
_CHANCES = (RuleCode.HARM_UNLIKELY, RuleCode.LOSS_UNLIKELY)


def look(report: ReportView) -> str:
    """Which look this is, and how the level is shared between the looks."""
    rule = report.document.analysis.look
    values = {
        "look": whole(rule.look),
        "looks": whole(rule.looks_planned),
        "level": share(rule.level, 2),
        "alpha": share(report.document.analysis.alpha, 2),
    }
    if rule.exploratory:
        return _("Beyond the planned looks (%(looks)s): it is exploratory and can never advance.", **values)
    if rule.harm_only:
        return _(
            "Look %(look)s of %(looks)s: with so few units it can only stop for harm, one-sided at %(level)s; the last "
            "look alone can advance.",
            **values,
        )
    return _(
        "Look %(look)s of %(looks)s: its test is made at %(level)s, of %(alpha)s for all looks of the stage.", **values
    )


def by_question(report: ReportView) -> list[tuple[str, list[RuleResult]]]:
    """The rules beneath the question that each answers, those not met first; a question without rules is left out."""
    titles = {
        "believed": _("Can it be believed?"),
        "works": _("Does it work?"),
        "harmed": _("Is anything harmed?"),
        "pays": _("Does it pay?"),
    }
    found = []
    for question, codes in _QUESTIONS.items():
        mine = [one for one in report.recommendation.rules if one.rule in codes]
        if mine:
            found.append((titles[question], sorted(mine, key=lambda one: one.passed)))
    return found


def cause(report: ReportView) -> str:
    """Why the report recommends to stop; empty where it does not, or where an earlier release did not say."""
    found = report.recommendation.cause
    return translate(CAUSES[found]) if found else ""


def numbers(report: ReportView, result: RuleResult) -> str:
    """What stood against which threshold; empty where the rule has no numbers, the reason where it has one."""
    if result.reason is not None:
        return translate(result.reason)
    if result.value is None or result.threshold is None:
        return ""
    value, threshold = result.value, result.threshold
    if result.rule in _TESTS:
        return _("p %(p)s, level %(level)s", p=p_value(value), level=share(threshold, 2))
    if result.rule in _CHANCES:
        return _("probability %(value)s, at most %(threshold)s", value=share(value), threshold=share(threshold))
    if result.rule is RuleCode.NOT_FUTILE:
        return _("chance at most %(value)s, at least %(threshold)s", value=share(value), threshold=share(threshold))
    if result.rule is RuleCode.MONEY_EARNED:
        return presenters.money(value, report.document.currency)
    return ""


def waiting(report: ReportView) -> list[str]:
    """What an extension to the next look would tell, for each variant; the probabilities name their prior."""
    return [_waiting(report, one) for one in report.recommendation.waiting]


def _waiting(report: ReportView, one: Waiting) -> str:
    def amount(value: float) -> str:
        unit = library_metric(one.metric).metric.unit.value
        return f"{quantity(value, unit, report.document.currency)} {per_what(one.metric)}".strip()

    said = [
        _(
            "%(variant)s: %(weeks)s more weeks, until %(day)s. The chance that the last look advances is at most "
            "%(chance)s, given the neutral prior.",
            variant=variant_label(report, one.variant),
            weeks=whole(one.weeks),
            day=day(date.fromisoformat(one.until)),
            chance=share(one.chance),
        ),
        _(
            "The smallest effect that it sees falls from %(now)s to %(then)s at best; where stores differ for good, it "
            "falls less.",
            now=amount(one.visible),
            then=amount(one.visible_then),
        ),
        _(
            "Deciding after it instead of now is worth at most %(worth)s on average, for each unit that the decision "
            "is about; knowing the effect exactly would be worth %(all)s.",
            worth=amount(one.worth),
            all=amount(one.worth_knowing),
        ),
    ]
    if one.break_even is not None:
        said.append(_("It pays from %(effect)s on.", effect=amount(one.break_even)))
    return " ".join([*said, *_waiting_in_money(report, one)])


def _waiting_in_money(report: ReportView, one: Waiting) -> list[str]:
    """What waiting is worth in money, what the extension costs, and what is left."""
    if one.worth_minor is None or one.cost_minor is None:
        return []
    left = one.worth_minor - one.cost_minor
    values = {
        "worth": money(one.worth_minor, report),
        "cost": money(one.cost_minor, report),
        "left": money(abs(left), report),
        "weeks": whole(one.horizon_weeks or 0),
        "stores": whole(one.stores or 0),
    }
    if left > 0:
        return [
            _(
                "In money: over %(weeks)s weeks in the %(stores)s treated stores that is at most %(worth)s; the "
                "extension costs %(cost)s at the rate so far, before what it sells. Waiting is worth at most %(left)s.",
                **values,
            )
        ]
    return [
        _(
            "In money: over %(weeks)s weeks in the %(stores)s treated stores that is at most %(worth)s; the extension "
            "costs %(cost)s at the rate so far, before what it sells. Waiting costs at least %(left)s more than it is "
            "worth.",
            **values,
        )
    ]


def money(minor: int, report: ReportView) -> str:
    """An amount of the report without cents."""
    return presenters.money(minor, report.document.currency, cents=False)


def dropped(report: ReportView) -> str:
    """Which variants must not go on while others do, and why; empty where there is none."""
    found = report.recommendation.dropped
    if report.document.exploratory or not found:
        return ""
    named = "; ".join(
        _("“%(variant)s”: %(why)s", variant=variant_label(report, variant), why=translate(CAUSES[cause]))
        for variant, cause in found.items()
    )
    return _("Go on without %(named)s.", named=named)


def keeps_dropped(report: ReportView, choice: Choice) -> str:
    """What going on does to a variant that should not: neither an extension nor a coming draw drops it by itself."""
    found = report.recommendation.dropped
    if report.document.exploratory or not found:
        return ""
    names = ", ".join(f"“{variant_label(report, variant)}”" for variant in found)
    if choice is Choice.EXTEND:
        return _(
            "An extension keeps every unit as it was drawn: %(names)s goes on being offered there unless it is taken "
            "off the tills by hand.",
            names=names,
        )
    if choice in (Choice.APPROVE, Choice.APPROVE_SOME):
        return _(
            "The next stage draws every variant of the plan, %(names)s among them, unless an amendment leaves it out "
            "first.",
            names=names,
        )
    return ""
