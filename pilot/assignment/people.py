"""Who stands at the till: a customer by id, card or phone, with what the draws in force say of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.assignment.model import HomeEntry, LedgerEntry
from pilot.assignment.snapshot import Snapshot
from pilot.database import settings_of
from pilot.imports.phones import national_digits, normal_phone, phone_region
from pilot.keys import read_or_make_key
from pilot.network.model import Customer
from pilot.network.people import contact_hash

_CHUNK = 1_000
_PHONE_KEY = "phone"
Phone = tuple[str, str]  # as it was given, and the zone of the store, whose country reads national numbers


@dataclass(frozen=True, slots=True)
class Person:
    """A known customer. By draw: the code of their frozen home store, and the variant they were drawn for."""

    key: int
    attributes: Mapping[str, str]
    homes: Mapping[int, str] = field(default_factory=dict)
    variants: Mapping[int, str] = field(default_factory=dict)


def people(session: Session, snapshot: Snapshot, external_ids: Iterable[str]) -> dict[str, Person]:
    """The known among ``external_ids``."""
    wanted = sorted({external for external in external_ids if is_storable(external)})
    found: dict[str, tuple[int, Mapping[str, str]]] = {}
    for start in range(0, len(wanted), _CHUNK):
        query = select(Customer.external_id, Customer.customer_key, Customer.attributes)
        rows = session.execute(query.where(Customer.external_id.in_(wanted[start : start + _CHUNK])))
        found.update((external, (key, attributes)) for external, key, attributes in rows if external is not None)
    homes, variants = drawn_of(session, snapshot, [key for key, _ in found.values()])
    return {
        external: Person(key, attributes, homes.get(key, {}), variants.get(key, {}))
        for external, (key, attributes) in found.items()
    }


def external_ids_of_phones(session: Session, phones: Collection[Phone]) -> dict[Phone, str | None]:
    """The external id of the one customer whose contact a phone is.

    None: a number that nobody has, or that several customers share. What is no phone number at all is left out.
    Nothing but keyed hashes is compared, of the number in E.164 and of the forms under which files were stored before
    numbers were brought into one form; whoever has any of them counts.
    """
    key = read_or_make_key(settings_of(session), _PHONE_KEY)
    forms = {phone: [contact_hash(form, key) for form in _forms(*phone)] for phone in phones}
    owners: dict[str, list[str]] = {}
    hashes = sorted({digest for digests in forms.values() for digest in digests})
    for start in range(0, len(hashes), _CHUNK):
        query = select(Customer.contact_hash, Customer.external_id)
        for digest, external in session.execute(query.where(Customer.contact_hash.in_(hashes[start : start + _CHUNK]))):
            if digest is not None and external is not None:
                owners.setdefault(digest, []).append(external)
    known = {phone: [o for d in digests for o in owners.get(d, ())] for phone, digests in forms.items() if digests}
    return {phone: found[0] if len(found) == 1 else None for phone, found in known.items()}


def is_storable(external_id: str) -> bool:
    """Whether a database could hold this id at all: without NUL and lone surrogates, which drivers refuse."""
    try:
        return b"\0" not in external_id.encode()
    except UnicodeEncodeError:
        return False


def card_number(text: str) -> str:
    """A card's number without the spaces and hyphens it is printed with: the external id of its holder."""
    return "".join(character for character in text if not character.isspace() and character != "-")


def _forms(phone: str, zone: str) -> Sequence[str]:
    """The normal form first, then how the same number may lie in older files; none for what is no number."""
    normal = normal_phone(phone, phone_region(zone))
    if normal is None:
        return ()
    older = (normal.removeprefix("+"), national_digits(normal))
    return tuple(dict.fromkeys((normal, *(form for form in older if form))))


def drawn_of(
    session: Session, snapshot: Snapshot, keys: Sequence[int]
) -> tuple[dict[int, dict[int, str]], dict[int, dict[int, str]]]:
    """customer_key → draw → home store; customer_key → draw → variant; only of the draws that ask for it."""
    by_home, listed = snapshot.draws_by_home, snapshot.draws_of_listed
    homes: dict[int, dict[int, str]] = {}
    variants: dict[int, dict[int, str]] = {}
    for start in range(0, len(keys), _CHUNK):
        some = keys[start : start + _CHUNK]
        if by_home:
            query = select(HomeEntry.customer_key, HomeEntry.draw_id, HomeEntry.store_id)
            query = query.where(HomeEntry.draw_id.in_(by_home), HomeEntry.customer_key.in_(some))
            for key, draw_id, store_id in session.execute(query):
                homes.setdefault(key, {})[draw_id] = snapshot.place_of_id[store_id].code
        if listed:
            drawn = select(LedgerEntry.unit_code, LedgerEntry.draw_id, LedgerEntry.variant)
            drawn = drawn.where(LedgerEntry.draw_id.in_(listed), LedgerEntry.unit_code.in_([str(key) for key in some]))
            for unit, draw_id, variant in session.execute(drawn):
                variants.setdefault(int(unit), {})[draw_id] = variant
    return homes, variants
