"""A till: everything that one store can answer on one day, worked out beforehand from a snapshot.

Of the questions only what differs between customers is left: the home store, the drawn variant, the segment, and the
salted hash of an open list.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from hashlib import sha256
from json import dumps

from experiments.design.mechanisms import CONTROL, Mechanism
from experiments.measure.metrics import AssignmentUnit
from pilot.assignment.answers import (
    CUSTOMER,
    ENDED,
    HOLDOUT,
    HOME,
    LEFT_OUT,
    NO_OFFER,
    NO_PILOT,
    NOT_IN_SEGMENT,
    NOT_LISTED,
    NOT_RECOGNISED,
    NOT_STARTED,
    REGION,
    ROLLED_OUT,
    VISITED,
    Verdict,
)
from pilot.assignment.people import Person
from pilot.assignment.snapshot import Case, Place, Snapshot
from pilot.planning.candidate_words import STAYS_OUT_WORDS
from pilot.planning.lifecycle import StageState
from pilot.planning.plan import Plan
from pilot.words import Message

Rule = Callable[[Person | None], Verdict | None]


class Till:
    """The answers of one store on one business day; ``verdict`` reads nothing and waits for nobody."""

    __slots__ = ("_fallback", "_rules", "day", "store")

    def __init__(self, snapshot: Snapshot, place: Place, day: date) -> None:
        self.store, self.day = place.code, day
        self._rules = tuple(filter(None, (_rule(snapshot, case, place, day) for case in snapshot.cases)))
        self._fallback = _after_rollout(snapshot, place)

    def verdict(self, person: Person | None) -> Verdict:
        """What this customer gets (None: nobody recognised): the first draw that gives a variant, else why none."""
        negative = None
        for rule in self._rules:
            found = rule(person)
            if found is not None:
                if found.variant is not None:
                    return found
                negative = negative or found
        last = self._fallback(person)
        if negative is not None and last.reason.code == NO_PILOT.code:
            return negative
        return last


def _rule(snapshot: Snapshot, case: Case, place: Place, day: date) -> Rule | None:
    """What one drawn stage says here; None where no question in this store falls under it."""
    if case.plan.unit is AssignmentUnit.CUSTOMER:
        return _by_customer(case, place, day)
    if case.goes_by_home:
        return _by_home(snapshot, case, place, day)
    return _by_unit(case, place, day, is_home=False)


def _by_unit(case: Case, place: Place, day: date, *, is_home: bool) -> Rule | None:
    """What the store (or its region) was drawn for, or why it was left out."""
    is_region = case.plan.unit is AssignmentUnit.REGION
    unit = place.region if is_region else place.code
    variant = case.drawn.variants.get(unit)
    if variant is not None:
        reason = REGION if is_region else HOME if is_home else VISITED
        return _given_now(case, day, variant, reason(unit=unit, variant=variant))
    why = case.drawn.left_out.get(unit)
    if why is None:
        return None
    return _always(_nothing(LEFT_OUT(unit=unit, pilot=case.pilot, why=STAYS_OUT_WORDS[why]), case))


def _by_home(snapshot: Snapshot, case: Case, place: Place, day: date) -> Rule | None:
    homes: dict[str, Rule | None] = {}  # filled as customers come: most tills see few home stores
    unit = place.region if case.plan.unit is AssignmentUnit.REGION else place.code
    unlisted = _nothing(NOT_LISTED(pilot=case.pilot), case) if unit in case.drawn.variants else None
    draw_id = case.drawn.id

    def rule(person: Person | None) -> Verdict | None:
        home = person.homes.get(draw_id) if person is not None else None
        if home is None:
            return unlisted
        if home not in homes:
            homes[home] = _by_unit(case, snapshot.places[home], day, is_home=True)
        of_home = homes[home]
        return of_home(person) if of_home is not None else None

    return rule


def _by_customer(case: Case, place: Place, day: date) -> Rule | None:
    is_concerned = place.code in case.drawn.stores
    stranger = _nothing(NOT_RECOGNISED(pilot=case.pilot), case) if is_concerned else None
    codes = [variant.code for variant in case.plan.variants]
    given = {code: _given_now(case, day, code, CUSTOMER(variant=code)) for code in codes}
    if case.drawn.mechanism is None:
        return partial(_listed, case.drawn.id, given, stranger)
    if not is_concerned:
        return None
    outside = _nothing(NOT_IN_SEGMENT(pilot=case.pilot), case)
    return _by_hash(case.drawn.mechanism, case.plan, given, stranger, outside)


def _listed(
    draw_id: int, given: Mapping[str, Rule | None], stranger: Verdict | None, person: Person | None
) -> Verdict | None:
    """A closed list of customers: the ledger's variant, wherever they stand."""
    if person is None:
        return stranger
    of_variant = given.get(person.variants.get(draw_id, ""))
    return of_variant(person) if of_variant is not None else None


def _by_hash(
    mechanism: Mechanism, plan: Plan, given: Mapping[str, Rule | None], stranger: Verdict | None, outside: Verdict
) -> Rule:
    """An open list: the customer's hash falls into a share."""
    by_place = [given[share.variant] or _never for share in mechanism.shares]
    segments, segment_for, place = frozenset(plan.segments), plan.segment_for, place_by_hash(mechanism)

    def rule(person: Person | None) -> Verdict | None:
        if person is None:
            return stranger
        if segments and segment_for(person.attributes) not in segments:
            return outside
        return by_place[place(person.key)](person)

    return rule


def place_by_hash(mechanism: Mechanism) -> Callable[[int], int]:
    """customer_key → the place of their share: the steps of ``experiments.design.dealing.fall``, prepared.

    A code lies below ``weight`` of the ``total`` where the first eight bytes of its digest, as a number ``n``, satisfy
    ``n * total >> 64 < weight``: below the bound ⌈weight · 2^64 / total⌉, to which the digest is compared as bytes.
    """
    total, below, bounds = sum(share.weight for share in mechanism.shares), 0, []
    for share in mechanism.shares[:-1]:
        below += share.weight
        bounds.append((-(-(below << 64) // total)).to_bytes(8, "big"))
    opening = dumps(["pilot-hash-1", mechanism.salt], separators=(",", ":"))[:-1] + ',"'
    begin, place_of = sha256(opening.encode("ascii")).copy, bisect_right

    def place(key: int) -> int:
        digest = begin()
        digest.update(b'%d"]' % key)
        return place_of(bounds, digest.digest())

    return place


def _given_now(case: Case, day: date, variant: str, reason: Message) -> Rule | None:
    """What a drawn variant means on this day of its stage."""
    if case.state is StageState.STOPPED:
        return _always(_nothing(ENDED(pilot=case.pilot), case))
    if case.is_rolled_out and variant == CONTROL:
        return None
    if case.state is StageState.DRAWN or day < case.starts_on:
        starts_on = case.starts_on.isoformat()
        return _always(_nothing(NOT_STARTED(pilot=case.pilot, stage=case.stage, starts_on=starts_on), case))
    until = case.ends_on if day <= case.ends_on and case.state is not StageState.PASSED else None
    return _given(case.pilot, case.stage, case.plan, variant, reason, until)


def _given(pilot: str, stage: int | None, plan: Plan, variant: str, reason: Message, until: date | None) -> Rule:
    """The offer of the variant for the customer's segment; control gets none, and the reason is the draw itself."""
    offers = plan.offers_of(variant)

    def of_segment(segment: str | None) -> Verdict:
        offer = next((offer for offer in offers if offer.segment is None or offer.segment == segment), None)
        why = reason
        if offer is None and variant != CONTROL:
            why = NO_OFFER(variant=variant, segment=segment or "–")
        return Verdict(pilot, stage, variant, offer, why, until, plan.revision)

    if not any(offer.segment for offer in offers):
        return _always(of_segment(None))
    verdicts = {code: of_segment(code) for code in (None, *(segment.code for segment in plan.segment_rules))}
    return lambda person: verdicts[plan.segment_for(person.attributes) if person is not None else None]


def _after_rollout(snapshot: Snapshot, place: Place) -> Callable[[Person | None], Verdict]:
    """After the last gate everybody gets the variant that was tested, unless several were, or the store is held out."""
    for pilot, plan in snapshot.rolled_out:
        if place.code in plan.holdout or place.region in plan.holdout:
            held_out = Verdict(pilot, None, None, None, HOLDOUT(unit=place.code, pilot=pilot), None)
            return lambda _person: held_out
        if len(plan.treated) == 1:
            given = _given(pilot, None, plan, plan.treated[0], ROLLED_OUT(pilot=pilot), None)
            return lambda person: given(person) or nothing
    nothing = Verdict(None, None, None, None, NO_PILOT(store=place.code), None)
    return lambda _person: nothing


def _nothing(reason: Message, case: Case) -> Verdict:
    return Verdict(case.pilot, case.stage, None, None, reason, None)


def _always(verdict: Verdict) -> Rule:
    return lambda _person: verdict


def _never(_person: Person | None) -> None:
    return None
