"""The parts of a plan about stores, money, belief and the end, as facts that people read on the plan page."""

from pilot.planning.plan import Plan
from pilot.planning.plan_parts import PlannedPrior
from pilot.words import Message, translate
from web import plan_words, presenters
from web.shared import currency
from web.words import _

Facts = list[tuple[str, str]]


def parts(plan: Plan) -> list[tuple[str, Facts]]:
    """(title, facts) of each part that says something."""
    found = [
        (_("Who may take part"), _stores(plan)),
        (_("What the money is reckoned with"), _money(plan)),
        (_("What is believed before"), _belief(plan)),
        (_("If the program ends"), _end(plan)),
    ]
    return [(title, facts) for title, facts in found if facts]


def _stores(plan: Plan) -> Facts:
    rule = plan.eligibility
    facts = [
        (_("Stores near the rival"), ", ".join(plan.rival_stores)),
        (_("Must take part"), ", ".join(rule.must_include)),
        (_("Must not take part"), ", ".join(rule.must_exclude)),
        (_("Groups looked at by plan"), ", ".join(plan.subgroups)),
    ]
    if rule.cooling_weeks:
        facts.append((_("Weeks of rest after another pilot"), presenters.whole(rule.cooling_weeks)))
    return [(label, text) for label, text in facts if text]


def _money(plan: Plan) -> Facts:
    given = plan.economics
    if given is None:
        return [
            (
                _("Money"),
                _("Not stated yet: nothing says what the offers must bring, and the plan cannot be submitted."),
            )
        ]
    margin = _("receipts carry their cost") if given.margin_share is None else _share(given.margin_share)
    facts = [
        (_("Profit margin before rewards"), margin),
        (_("Sales under the offer"), _share(given.enrolment_share)),
        (
            _("Rewards that are redeemed"),
            _(
                "%(base)s, between %(low)s and %(high)s",
                base=_share(given.redemption_share),
                low=_share(given.redemption_low),
                high=_share(given.redemption_high),
            ),
        ),
        (_("Weeks of rollout"), presenters.whole(given.horizon_weeks)),
    ]
    costs = (
        (_("Communication, for a whole stage"), given.communication_minor),
        (_("Set-up, once"), given.setup_minor),
        (_("Per treated store, once"), given.store_minor),
        (_("A benefit, per customer and 28 days"), given.benefit_minor),
    )
    return [*facts, *((label, presenters.money(minor, currency())) for label, minor in costs if minor)]


def _belief(plan: Plan) -> Facts:
    return [
        (_("Sceptical"), _prior(plan.priors.sceptical)),
        (_("Neutral"), _prior(plan.priors.neutral)),
        (
            _("The gates switch at"),
            _(
                "Go on while a loss is at most %(loss)s likely. Stop for harm when a fall of more than %(fall)s is "
                "over %(harm)s likely, and as futile when the chance to pass is under %(futility)s.",
                loss=_share(plan.thresholds.loss_probability),
                fall=_share(plan.thresholds.harm_share),
                harm=_share(plan.thresholds.harm_probability),
                futility=_share(plan.thresholds.futility_probability),
            ),
        ),
    ]


def _prior(prior: PlannedPrior) -> str:
    return _(
        "%(mean)s give or take %(sd)s (%(source)s)",
        mean=_share(prior.mean_share),
        sd=_share(prior.sd_share),
        source=translate(Message("source", prior.source)),
    )


def _end(plan: Plan) -> Facts:
    end = plan.wind_down
    if end is None:
        return [(_("Wind-down"), _("Not planned yet: no program is launched without it."))]
    facts = [
        (_("Honoured until"), presenters.day(end.honour_until)),
        (_("Points"), plan_words.named(plan_words.points_ends(), end.points)),
        (_("Tiers"), plan_words.named(plan_words.tiers_ends(), end.tiers)),
        (_("Paid memberships"), plan_words.named(plan_words.memberships_ends(), end.memberships)),
        (_("Cost of exit"), presenters.money(end.exit_cost_minor, currency())),
    ]
    return [*facts, (_("Note"), end.note)] if end.note else facts


def _share(value: object) -> str:
    return presenters.share(float(str(value)))
