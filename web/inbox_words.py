"""What waits for a person, in words: the sentence, the money with its range, and the one button."""

from dataclasses import dataclass

from flask import url_for

from pilot.evidence import queries
from pilot.evidence.recommendation import Recommended
from pilot.governance.inbox import InboxItem, InboxMoney, MoneyIs, Waiting
from pilot.governance.model import Choice
from pilot.governance.rules import agrees
from pilot.words import translate
from web import presenters, report_words
from web.memo_words import only_identification
from web.words import _
from web.work import session

# Which tab a thing that waits is done on; everything else is done on the plan, and a report on its memo.
_TABS = {
    Waiting.DRAW: "pilots.stages",
    Waiting.START: "pilots.stages",
    Waiting.MAKE_REPORT: "pilots.stages",
    Waiting.ANSWER: "reports.decision",
}
_DECIDE = frozenset({Waiting.DECIDE, Waiting.AGREE})


@dataclass(frozen=True, slots=True)
class ShownItem:
    """One thing that waits: ``sentence`` is what the report says, ``act`` the word on the button."""

    pilot: str
    ask: str
    sentence: str
    banner: str
    money: str
    since: str
    recommended: presenters.Badge | None
    act: str
    url: str


def shown(item: InboxItem) -> ShownItem:
    """``item`` for the page."""
    decides = item.waiting in _DECIDE and item.report is not None
    return ShownItem(
        pilot=item.pilot_name,
        ask=translate(item.message),
        sentence=_sentence(item),
        banner=only_identification() if item.only_identification else "",
        money=_money(item.money, item.currency or ""),
        since=presenters.day(item.since.date()),
        recommended=presenters.recommendation(item.recommendation) if item.recommendation else None,
        act=_decision(item) if decides else _act(item.waiting),
        url=_memo(item) if decides else url_for(_TABS.get(item.waiting, "pilots.show"), pilot=item.pilot),
    )


def _sentence(item: InboxItem) -> str:
    """What the report that waits says: its first sentence has the effect with interval and n."""
    if item.report is None:
        return ""
    return next(iter(report_words.verdict(queries.report(session(), item.report))), "")


def _money(found: InboxMoney | None, currency: str) -> str:
    if found is None:
        return ""
    if found.minor is None:
        reason = translate(found.refusal) if found.refusal else "–"
        return _("Money not reckoned: %(reason)s", reason=reason)
    if found.what is MoneyIs.AT_RISK:
        return _(
            "At risk, if it brings nothing: %(amount)s", amount=presenters.money(found.minor, currency, cents=False)
        )
    return _(
        "Net of all costs: %(amount)s (%(between)s)",
        amount=presenters.change(found.minor, "money", currency),
        between=presenters.interval((found.low, found.high), "money", currency),
    )


def _memo(item: InboxItem) -> str:
    """The memo with the recommended choice ticked: the button names it."""
    choice = _recommended(item)
    return url_for("memo.show", pilot=item.pilot, report=item.report, choice=choice.value if choice else None)


def _recommended(item: InboxItem) -> Choice | None:
    return next((one for one in Choice if item.recommendation and agrees(one, Recommended(item.recommendation))), None)


def _decision(item: InboxItem) -> str:
    """The button of a decision says what is recommended; another choice is one click further."""
    return {
        Choice.APPROVE: _("Read and advance"),
        Choice.EXTEND: _("Read and extend"),
        Choice.STOP: _("Read and stop"),
    }.get(_recommended(item) or Choice.SEND_BACK, _("Read and decide"))


def _act(waiting: Waiting) -> str:
    """The word on the button of a thing that waits."""
    return {
        Waiting.FINISH_PLAN: _("Go on"),
        Waiting.COSIGN: _("Read and co-sign"),
        Waiting.APPROVE: _("Read and approve"),
        Waiting.ACCEPT_UNPROVEN: _("Read and accept"),
        Waiting.DRAW: _("Draw the stage"),
        Waiting.START: _("Start the stage"),
        Waiting.MAKE_REPORT: _("Make the report"),
        Waiting.DECIDE: _("Decide"),
        Waiting.AGREE: _("Decide"),
        Waiting.ANSWER: _("Answer"),
    }.get(waiting, _("Open"))
