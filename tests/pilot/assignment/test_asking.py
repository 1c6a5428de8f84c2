"""Questions by phone: a national number belongs to the country of the store, and whoever has a number counts."""

import pytest
from sqlalchemy import update

from benchmarks.lookup_world import NOW, build
from pilot.assignment.answers import Verdict
from pilot.assignment.asking import Question, answer_all
from pilot.assignment.keeping import Kept
from pilot.assignment.people import external_ids_of_phones
from pilot.assignment.snapshot import read_snapshot
from pilot.database import Database
from pilot.keys import read_or_make_key
from pilot.network.model import Customer, Store
from pilot.network.people import contact_hash
from pilot.words import Message

HELSINKI, STOCKHOLM = "Europe/Helsinki", "Europe/Stockholm"


def contacts(database: Database, *stored: str) -> None:
    """Customers 1, 2, …, whose contacts are stored in these forms."""
    key = read_or_make_key(database.settings, "phone")
    with database.unit_of_work() as session:
        for number, text in enumerate(stored, 1):
            session.add(
                Customer(
                    customer_key=number, external_id=f"C{number}", contact_hash=contact_hash(text, key),
                    is_profile_complete=False, attributes={},
                )
            )  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        (["+358401234567"], "C1"),
        (["358401234567"], "C1"),
        (["0401234567"], "C1"),
        (["+358401234567", "0401234567"], None),  # one of them may be another person
        (["0401234567", "+358401234567"], None),
        (["+358401234567", "+46401234567"], "C1"),
        (["+46401234567"], None),
    ],
)
def test_whoever_has_a_number_in_any_form_counts(database: Database, stored: list[str], found: str | None) -> None:
    contacts(database, *stored)
    with database.reading() as session:
        asked = [("040 123 4567", HELSINKI), ("+358 40 1234567", "UTC"), ("abc", HELSINKI)]
        assert external_ids_of_phones(session, asked) == {asked[0]: found, asked[1]: found}


def test_one_number_in_stores_of_two_countries_is_two_numbers(database: Database) -> None:
    with database.unit_of_work() as session:
        world = build(session, n_stores=20, n_customers=50, seed=7)
        session.execute(update(Store).values(timezone=HELSINKI))
        session.execute(update(Store).where(Store.code == "S0004").values(timezone=STOCKHOLM))
        key = read_or_make_key(database.settings, "phone")
        for external, phone in zip(world.customers, ("+358701234567", "+46701234567"), strict=False):
            session.execute(
                update(Customer).where(Customer.external_id == external).values(contact_hash=contact_hash(phone, key))
            )
    stores, customers = ("S0003", "S0004", "S0003"), (*world.customers[:2], world.customers[0])
    by_phone = [Question(store, phone="070 123 4567") for store in stores]
    by_id = [Question(store, customer=customer) for store, customer in zip(stores, customers, strict=True)]
    with database.reading() as session:
        kept = Kept(read_snapshot(session))
        answers = [answer_all(session, kept, questions, at=NOW) for questions in (by_phone, by_id)]
        strangers = answer_all(session, kept, [Question(store) for store in stores], at=NOW)
    assert said(answers[0]) == said(answers[1])
    assert all(found != stranger for found, stranger in zip(said(answers[0]), said(strangers), strict=True))


def said(answers: list[Verdict | Message]) -> list[object]:
    return [answer.to_document() if isinstance(answer, Verdict) else answer for answer in answers]
