"""Regions, stores and customers come from files; keys follow the order of codes; nothing personal is kept."""

from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from pilot.database import Database
from pilot.imports import queries as imports
from pilot.imports.errors import BadRows
from pilot.imports.model import ImportKind
from pilot.keys import read_or_make_key
from pilot.network.errors import NetworkNotSetUp
from pilot.network.model import Customer, Network, Store
from pilot.network.people import all_keys, allot_customer_keys, contact_hash
from pilot.network.queries import attribute_values, customer_by_external_id, customer_keys, n_customers, stores
from tests.pilot.imports.builders import CUSTOMERS, REGIONS, Chain

PEOPLE = (
    "customer,home_store,name,phone,email,address,age\n"
    "7,31,Maija Esimerkki,+358 40 123 4567,maija@example.org,Esimerkkikatu 1,35-44\n"
    "8,,Pekka Esimerkki,,PEKKA@example.org,,\n"
    "9,,,,,,65+\n"
)


@pytest.fixture
def chain(database: Database, now: datetime) -> Chain:
    return Chain(database, now)


def test_store_ids_follow_the_natural_order_of_codes_and_never_change(chain: Chain) -> None:
    chain.with_stores()
    chain.take_in(ImportKind.STORES, "store,region\n8,N\n31,S\n")
    with chain.database.reading() as session:
        assert [(store.id, store.code) for store in stores(session)] == [(1, "7"), (2, "31"), (3, "309"), (4, "8")]


def test_a_file_changes_only_what_it_speaks_of(chain: Chain) -> None:
    chain.with_stores()
    chain.take_in(ImportKind.STORES, "store,region,opened_on\n31,S,2011-04-01\n")
    with chain.database.reading() as session:
        store = session.scalar(select(Store).where(Store.code == "31"))
        assert store is not None
        assert (store.name, store.region.code, store.opened_on) == ("Oak Street", "S", date(2011, 4, 1))


def test_a_store_that_closed_before_it_opened_is_refused(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    with pytest.raises(BadRows, match="closed before it opened"):
        chain.stage(ImportKind.STORES, "store,region,opened_on,closed_on\n1,N,2020-01-01,2019-01-01\n")


def test_nothing_can_be_imported_before_the_network_is_set_up(chain: Chain) -> None:
    with chain.database.unit_of_work() as session:
        session.delete(session.scalars(select(Network)).one())
    with pytest.raises(NetworkNotSetUp):
        chain.stage(ImportKind.REGIONS, REGIONS)


def test_customers_get_keys_in_the_natural_order_of_their_ids(chain: Chain) -> None:
    chain.with_stores()
    chain.take_in(ImportKind.CUSTOMERS, CUSTOMERS)
    chain.take_in(ImportKind.CUSTOMERS, "customer\n20\n3\n101\n")
    with chain.database.reading() as session:
        assert customer_keys(session) == {"9": 1, "55": 2, "101": 3, "3": 4, "20": 5}
        assert customer_keys(session, ["20", "unknown"]) == {"20": 5}


def test_attributes_of_several_files_join_and_empty_cells_take_them_away(chain: Chain) -> None:
    chain.with_stores()
    chain.take_in(ImportKind.CUSTOMERS, CUSTOMERS)
    chain.take_in(ImportKind.CUSTOMERS, "customer,kids\n101,2\n")
    chain.take_in(ImportKind.CUSTOMERS, "customer,age\n55,\n")
    with chain.database.reading() as session:
        assert customer_by_external_id(session, "101").attributes == {"age": "19-24", "kids": "2"}
        assert customer_by_external_id(session, "55").attributes == {}
        assert customer_by_external_id(session, "55").home_store_id == 1
        assert attribute_values(session) == {"age": ["19-24"], "kids": ["2"]}


def test_a_phone_or_e_mail_is_kept_only_as_a_keyed_hash(chain: Chain) -> None:
    chain.with_stores()
    run = chain.take_in(ImportKind.CUSTOMERS, PEOPLE)
    key = read_or_make_key(chain.database.settings, "phone")
    with chain.database.reading() as session:
        maija, pekka, nobody = (customer_by_external_id(session, external) for external in "789")
        assert maija.contact_hash == contact_hash("+358401234567", key)
        assert pekka.contact_hash == contact_hash("pekka@example.org", key)
        assert nobody.contact_hash is None
        assert [c.is_profile_complete for c in (maija, pekka, nobody)] == [True, False, False]
        assert run.n_new == 3


def test_names_addresses_and_contacts_are_nowhere_in_the_home(chain: Chain) -> None:
    chain.with_stores()
    path = chain.file(PEOPLE, "people.csv")
    chain.take_in(ImportKind.CUSTOMERS, path)
    path.unlink()
    bad = chain.file(PEOPLE.replace("8,,", "8,no-store,").replace("+358 40 123 4567", "ext. 4711x"), "bad.csv")
    chain.take_in(ImportKind.CUSTOMERS, bad, quarantine=True)
    bad.unlink()
    chain.stage(ImportKind.CUSTOMERS, "customer,name,phone\n77,Esimerkki,0401234567\n")
    (chain.database.settings.home / "file.csv").unlink()
    with chain.database.reading() as session:
        parked = imports.waiting_rows(session)
        assert [sorted(row.row) for row in parked] == [["attribute:age", "customer", "home_store"]] * 2
    everything = b"".join(file.read_bytes() for file in _files(chain.database.settings.home))
    for secret in (b"Esimerkki", b"0401234567", b"40 123 4567", b"pekka@", b"ext. 4711x", b"maija@"):
        assert secret not in everything


def _files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def test_a_key_is_never_given_twice(chain: Chain) -> None:
    chain.take_in(ImportKind.CUSTOMERS, "customer\n1\n2\n")
    with chain.database.unit_of_work() as session:
        customer = customer_by_external_id(session, "2")
        customer.external_id = None
        session.flush()
        assert allot_customer_keys(session, ["2", "1"]) == 1
        assert customer_keys(session) == {"1": 1, "2": 3}
        assert n_customers(session) == 3


def test_keys_read_in_bites_are_those_of_everybody_who_is_not_forgotten(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _keys_in_bites(chain) == {}
    chain.take_in(ImportKind.CUSTOMERS, "customer\n1\nПетя:1\nnull-1\n007\n")
    with chain.database.unit_of_work() as session:
        customer_by_external_id(session, "1").external_id = None
    monkeypatch.setattr("pilot.network.people._BITE", 2)
    with chain.database.reading() as session:
        assert _keys_in_bites(chain) == customer_keys(session)
    assert set(_keys_in_bites(chain)) == {"Петя:1", "null-1", "007"}


def _keys_in_bites(chain: Chain) -> dict[str, int]:
    with chain.database.reading() as session:
        return {row["customer"]: row["key"] for bite in all_keys(session) for row in bite.to_pylist()}


def test_two_customers_who_share_a_phone_are_two_customers(chain: Chain) -> None:
    chain.take_in(ImportKind.CUSTOMERS, "customer,phone\n1,0401234567\n2,040 123 4567\n")
    with chain.database.reading() as session:
        assert len(set(session.scalars(select(Customer.contact_hash)))) == 1
