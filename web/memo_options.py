"""What an executive may choose on a report, and what each choice risks, in sentences and in money."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilot.evidence.chapters.registry import refusal_of
from pilot.evidence.queries import ReportView
from pilot.governance import queries as governance
from pilot.governance.model import Choice
from pilot.governance.queries import Option
from pilot.planning.plan import Plan
from web import gate_words, presenters
from web.words import _
from web.work import session


@dataclass(frozen=True, slots=True)
class MemoOption:
    """A choice and what it risks."""

    name: str
    risk: str
    is_recommended: bool


def options(view: ReportView, plan: Plan) -> list[MemoOption]:
    """Every open choice with what it risks, the recommended first; none for what is exploratory."""
    if view.frozen is None:
        return []
    found = [option for option in governance.options(session(), view.frozen) if option.is_open]
    return [MemoOption(presenters.choice_name(one.choice), _risk(view, plan, one), one.is_recommended) for one in found]


def probability(value: float | None) -> str:
    """A probability in whole per cent; a dash where there is none."""
    return "–" if value is None else presenters.share(value, 0)


def _risk(view: ReportView, plan: Plan, option: Option) -> str:
    said = [
        _RISKS.get(option.choice, _risk_of_less)(view, plan, option),
        gate_words.keeps_dropped(view, option.choice),
        _("Against the recommendation: a second person has to agree.") if option.is_override else "",
    ]
    return " ".join(sentence for sentence in said if sentence)


def _risk_of_approving(view: ReportView, plan: Plan, _option: Option) -> str:
    later = [stage.name for stage in plan.stages if stage.number > view.document.stage]
    said = [_("Goes on to: %(next)s.", next=later[0] if later else _("the whole network"))]
    worst = _worst(view)
    if worst is None:
        said.append(_("The money is not reckoned: nobody can say what a mistake costs."))
    else:
        values = {"loss": probability(worst["p_loss_sceptical"]), "weeks": _horizon(view)}
        said.append(
            _(
                "Given the sceptical prior, it loses money over %(weeks)s weeks with a probability of %(loss)s.",
                **values,
            )
        )
        low = worst.get("horizon_low_minor")
        if low is not None and low < 0:
            amount = presenters.money(-low, view.document.currency, cents=False)
            said.append(_("At the low end of its interval that is a loss of %(amount)s.", amount=amount))
    return " ".join(said)


def _risk_of_less(_view: ReportView, _plan: Plan, _option: Option) -> str:
    return _("The same risk in fewer stores; what the others would gain waits.")


def _risk_of_extending(view: ReportView, plan: Plan, option: Option) -> str:
    stage = plan.stage(view.document.stage)
    said = [
        _(
            "Runs %(weeks)s more weeks, until %(day)s, and costs their rewards; controls stay controls.",
            weeks=stage.extension_weeks,
            day=presenters.day(option.until),
        )
    ]
    said += gate_words.waiting(view)[:1]
    return " ".join(said)


def _risk_of_asking(_view: ReportView, _plan: Plan, _option: Option) -> str:
    return _("The author answers your question. Nothing moves until then, and the offer goes on meanwhile.")


def _risk_of_stopping(view: ReportView, plan: Plan, _option: Option) -> str:
    said = [_("The pilot ends without a rollout.")]
    best = [found["net_high_minor"] for found in _reckonings(view) if found["net_high_minor"] is not None]
    if best and max(best) > 0:
        amount = presenters.money(max(best), view.document.currency, cents=False)
        said.append(_("If the effect is at the high end, %(amount)s for every such stage is given up.", amount=amount))
    if plan.wind_down is not None:
        values = {
            "day": presenters.day(plan.wind_down.honour_until),
            "cost": presenters.money(plan.wind_down.exit_cost_minor, view.document.currency, cents=False),
        }
        said.append(_("Promises to customers are kept until %(day)s; the exit costs %(cost)s.", **values))
    return " ".join(said)


_RISKS = {
    Choice.APPROVE: _risk_of_approving,
    Choice.EXTEND: _risk_of_extending,
    Choice.SEND_BACK: _risk_of_asking,
    Choice.STOP: _risk_of_stopping,
}


def _reckonings(view: ReportView) -> list[Mapping[str, Any]]:
    """The chapter about money, variant by variant, where it was reckoned; those that would go on where some would."""
    told = view.document.chapters.get("money", {})
    found = {code: one for code, one in told.get("variants", {}).items() if refusal_of(one) is None}
    advancing = [found[code] for code in view.recommendation.variants if code in found]
    return advancing or list(found.values())


def _worst(view: ReportView) -> Mapping[str, Any] | None:
    return max(_reckonings(view), key=lambda one: one["p_loss_sceptical"] or 0.0, default=None)


def _horizon(view: ReportView) -> str:
    return presenters.whole(view.document.chapters["money"]["horizon_weeks"])
