"""Who gets what, and why: the answer for one customer in one store, in words, from the ledger alone."""

from datetime import datetime

from sqlalchemy.orm import Session

from pilot.assignment.answers import Answer
from pilot.assignment.people import people
from pilot.assignment.snapshot import read_snapshot
from pilot.assignment.till import Till


def who_gets_what(session: Session, *, customer: str | None, store: str, at: datetime) -> Answer:
    """The answer for a customer (external id; None: nobody recognised) who stands in ``store`` at the instant ``at``.

    Raises ``NotFound`` for an unknown store. An unknown customer is answered like a shopper whom nobody recognised.
    """
    snapshot = read_snapshot(session)
    place = snapshot.place(store)
    person = None if customer is None else people(session, snapshot, [customer]).get(customer)
    verdict = Till(snapshot, place, snapshot.day(place, at)).verdict(person)
    return Answer.of(verdict, store=store, customer=customer)
