"""The look-up as plainly as it can be read: one question, straight from the tables. What tills answer is held to it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.mechanisms import CONTROL, MechanismKind, assign_one
from experiments.measure.metrics import AssignmentUnit
from pilot.assignment.answers import Answer
from pilot.assignment.model import Draw, HomeEntry, LedgerEntry
from pilot.assignment.queries import draws_in_force, left_out, mechanism_of, stores_by_unit
from pilot.network.model import Customer, Network, Store
from pilot.network.queries import store_by_code
from pilot.planning.candidate_words import STAYS_OUT_WORDS
from pilot.planning.model import Pilot, PilotState, Stage, StageState
from pilot.planning.plan import AppliesBy, Plan, PlannedOffer
from pilot.planning.queries import business_date, plan_of, sealed_plan
from pilot.words import N_, Message


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question: the store one stands in, the customer if known, and the day there."""

    store: Store
    external_id: str | None
    customer: Customer | None
    today: date


@dataclass(frozen=True, slots=True)
class _Case:
    """One drawn stage that the question may fall under."""

    pilot: Pilot
    stage: Stage
    draw: Draw
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Found:
    """The variant that a draw gives, and the store or person that decided it."""

    variant: str
    reason: Message


def who_gets_what(session: Session, *, customer: str | None, store: str, at: datetime) -> Answer:
    """The answer for a customer (external id; None: nobody recognised) who stands in ``store`` at the instant ``at``.

    Raises ``NotFound`` for an unknown store. An unknown customer is answered like a shopper whom nobody recognised.
    """
    place = store_by_code(session, store)
    network = session.execute(select(Network.timezone, Network.cutoff_hour)).first()
    zone, cutoff_hour = network or ("UTC", 0)
    today = business_date(at, place.timezone or zone, cutoff_hour)
    asked = _Asked(place, customer, _customer(session, customer), today)
    negative: Answer | None = None
    for pilot, stage, draw in draws_in_force(session):
        case = _Case(pilot, stage, draw, plan_of(session, pilot, draw.plan_hash))
        answer = _answer(session, asked, case)
        if answer is not None and (answer.variant is not None):
            return answer
        negative = negative or answer
    return _rolled_out(session, asked) or negative or _no(asked, _NO_PILOT, {"store": place.code})


_NO_PILOT = ("no_pilot", N_("Store {store} takes part in no pilot."))
_LEFT_OUT = ("left_out", N_("{unit} was left out of the draw of {pilot}: {why}."))
_NOT_LISTED = (
    "not_listed",
    N_("{pilot} goes by home store, and none was known of this customer at its start."),
)
_NOT_RECOGNISED = ("not_recognised", N_("{pilot} goes by customer, and no known customer was named."))
_NOT_IN_SEGMENT = ("not_in_segment", N_("The customer is in none of the segments of {pilot}."))
_NOT_STARTED = ("not_started", N_("Stage {stage} of {pilot} starts on {starts_on:date}."))
_ENDED = ("ended", N_("{pilot} was stopped."))
_VISITED = ("visited_store", N_("Store {unit} was drawn for “{variant}”, which goes to everybody who shops there."))
_HOME = ("home_store", N_("The customer's home store {unit} was drawn for “{variant}”."))
_REGION = ("region", N_("Region {unit} was drawn for “{variant}”."))
_CUSTOMER = ("customer", N_("The customer was drawn for “{variant}”."))
_NO_OFFER = ("no_offer_for_segment", N_("“{variant}” has no offer for the customer's segment ({segment})."))
_HOLDOUT = ("holdout", N_("Store {unit} is in the holdout of {pilot}, which gets nothing so that it can be compared."))
_ROLLED_OUT = ("rolled_out", N_("{pilot} was rolled out to the whole network."))


def _answer(session: Session, asked: _Asked, case: _Case) -> Answer | None:
    """What one drawn stage says; None where the question does not fall under it."""
    found = _variant(session, asked, case)
    if found is None or isinstance(found, Answer):
        return found
    pilot, stage = case.pilot, case.stage
    if stage.state == StageState.STOPPED:
        return _no(asked, _ENDED, {"pilot": pilot.code}, case)
    if pilot.state == PilotState.ROLLED_OUT and found.variant == CONTROL:
        return None
    if stage.state == StageState.DRAWN or asked.today < stage.starts_on:
        values = {"pilot": pilot.code, "stage": stage.number, "starts_on": stage.starts_on.isoformat()}
        return _no(asked, _NOT_STARTED, values, case)
    until = stage.ends_on if asked.today <= stage.ends_on and stage.state != StageState.PASSED else None
    return _given(asked, case.pilot, case.stage.number, case.plan, found, until)


def _variant(session: Session, asked: _Asked, case: _Case) -> _Found | Answer | None:
    unit = case.plan.unit
    if unit is AssignmentUnit.CUSTOMER:
        return _by_customer(session, asked, case)
    store, words = asked.store, _VISITED
    if case.plan.applies_by is AppliesBy.HOME:
        home = _home(session, asked, case)
        if home is None:
            concerned = _ledger(session, case, _unit_code(asked.store, unit)) is not None
            return _no(asked, _NOT_LISTED, {"pilot": case.pilot.code}, case) if concerned else None
        store, words = home, _HOME
    code = _unit_code(store, unit)
    variant = _ledger(session, case, code)
    if variant is not None:
        words = _REGION if unit is AssignmentUnit.REGION else words
        return _Found(variant, _say(words, {"unit": code, "variant": variant}))
    return _why_left_out(asked, case, code)


def _by_customer(session: Session, asked: _Asked, case: _Case) -> _Found | Answer | None:
    customer = asked.customer
    if customer is None:
        concerned = asked.store.code in _stores_of(case)
        return _no(asked, _NOT_RECOGNISED, {"pilot": case.pilot.code}, case) if concerned else None
    if case.plan.mechanism.kind is not MechanismKind.BERNOULLI_HASH:
        variant = _ledger(session, case, str(customer.customer_key))
        return _Found(variant, _say(_CUSTOMER, {"variant": variant})) if variant else None
    if asked.store.code not in _stores_of(case):
        return None
    if case.plan.segments and case.plan.segment_for(customer.attributes) not in case.plan.segments:
        return _no(asked, _NOT_IN_SEGMENT, {"pilot": case.pilot.code}, case)
    variant = assign_one(mechanism_of(case.draw), str(customer.customer_key))
    return _Found(variant, _say(_CUSTOMER, {"variant": variant}))


def _rolled_out(session: Session, asked: _Asked) -> Answer | None:
    """After the last gate everybody gets the variant that was tested, unless several were, or the store is held out."""
    for pilot in session.scalars(select(Pilot).where(Pilot.state == PilotState.ROLLED_OUT).order_by(Pilot.code)):
        plan = sealed_plan(session, pilot)
        if asked.store.code in plan.holdout or asked.store.region.code in plan.holdout:
            values = {"unit": asked.store.code, "pilot": pilot.code}
            return _answer_of(asked, pilot.code, None, None, None, _say(_HOLDOUT, values))
        if len(plan.treated) == 1:
            found = _Found(plan.treated[0], _say(_ROLLED_OUT, {"pilot": pilot.code}))
            return _given(asked, pilot, None, plan, found, None)
    return None


def _given(asked: _Asked, pilot: Pilot, stage: int | None, plan: Plan, found: _Found, until: date | None) -> Answer:
    """The offer of the variant for this customer's segment; control gets none, and the reason is the draw itself."""
    offers = plan.offers_of(found.variant)
    segment = None
    if any(offer.segment for offer in offers) and asked.customer is not None:
        segment = plan.segment_for(asked.customer.attributes)
    offer = next((offer for offer in offers if offer.segment is None or offer.segment == segment), None)
    reason = found.reason
    if offer is None and found.variant != CONTROL:
        reason = _say(_NO_OFFER, {"variant": found.variant, "segment": segment or "–"})
    return _answer_of(asked, pilot.code, stage, found.variant, offer, reason, until, plan.revision)


def _why_left_out(asked: _Asked, case: _Case, code: str) -> Answer | None:
    reason = left_out(case.draw).get(code)
    if reason is None:
        return None
    return _no(asked, _LEFT_OUT, {"unit": code, "pilot": case.pilot.code, "why": STAYS_OUT_WORDS[reason]}, case)


def _customer(session: Session, external_id: str | None) -> Customer | None:
    if external_id is None:
        return None
    return session.scalar(select(Customer).where(Customer.external_id == external_id))


def _home(session: Session, asked: _Asked, case: _Case) -> Store | None:
    if asked.customer is None:
        return None
    entry = session.get(HomeEntry, (case.draw.id, asked.customer.customer_key))
    return session.get(Store, entry.store_id) if entry else None


def _ledger(session: Session, case: _Case, unit_code: str) -> str | None:
    return session.scalar(
        select(LedgerEntry.variant).where(LedgerEntry.draw_id == case.draw.id, LedgerEntry.unit_code == unit_code)
    )


def _stores_of(case: _Case) -> set[str]:
    return {store for stores in stores_by_unit(case.draw.record).values() for store in stores}


def _unit_code(store: Store, unit: AssignmentUnit) -> str:
    return store.region.code if unit is AssignmentUnit.REGION else store.code


def _say(words: tuple[str, str], values: dict[str, Any]) -> Message:
    return Message(*words, values)


def _no(asked: _Asked, words: tuple[str, str], values: dict[str, Any], case: _Case | None = None) -> Answer:
    pilot, stage = (case.pilot.code, case.stage.number) if case else (None, None)
    return _answer_of(asked, pilot, stage, None, None, _say(words, values))


def _answer_of(
    asked: _Asked,
    pilot: str | None,
    stage: int | None,
    variant: str | None,
    offer: PlannedOffer | None,
    reason: Message,
    until: date | None = None,
    plan_version: int | None = None,
) -> Answer:
    return Answer(asked.store.code, asked.external_id, pilot, stage, variant, offer, reason, until, plan_version)
