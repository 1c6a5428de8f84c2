"""The reference client: it says offline what the server says, and refuses by name what it must not believe."""

import base64
import gzip
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lookup_world import KINDS, NOW, ROLLED_OUT, World, build
from pilot.assignment import bundle
from pilot.assignment.bundle import Bundler, begin_of
from pilot.assignment.desk import Desk
from pilot.assignment.errors import BundlesBeingMade
from pilot.assignment.people import people
from pilot.assignment.signing import public_key
from pilot.assignment.snapshot import Place
from pilot.audit.service import record
from pilot.database import Database
from pilot.planning.queries import business_date

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "clients" / "python" / "vectors.json"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key().public_bytes_raw().hex()


@pytest.fixture(scope="module")
def client() -> Iterator[ModuleType]:
    """The one file, imported as an integrator would."""
    sys.path.insert(0, str(ROOT / "clients" / "python"))
    import pilot_till

    yield pilot_till
    sys.path.remove(str(ROOT / "clients" / "python"))


def a_world(database: Database, n_customers: int, *, rolled_out: bool) -> World:
    with database.unit_of_work() as session:
        kinds = (*KINDS, ROLLED_OUT) if rolled_out else KINDS
        return build(session, n_stores=40, n_customers=n_customers, seed=23, kinds=kinds)


def agree(client: ModuleType, database: Database, world: World, instants: list[datetime]) -> set[str]:
    """Ask both about every customer in some store at some instant; the reasons that came up."""
    desk, bundler, chance = Desk(database), Bundler(database), random.Random(5)
    head, stores = (desk.head(), world.stores)  # each group of ten, regions and zones among them
    kept, public = desk.kept(head), public_key(database.settings).hex()
    read = [client.Bundle.read(bundler.bundle(kept, head, store, now=NOW).text, public, store) for store in stores]
    strangers = [None, *(f"stranger {n}" for n in range(1_000))]
    seen = set()
    with database.reading() as session:
        known = people(session, kept.snapshot, world.customers)
    for customer in (*world.customers, *strangers):
        number, at = chance.randrange(len(stores)), chance.choice(instants)
        place = kept.snapshot.places[stores[number]]
        here = kept.till(place, at).verdict(known.get(customer or "")).to_document()
        assert read[number].answer(customer, at) == here, (customer, place, at)
        seen.add(here["reason_code"])
    return seen


@pytest.mark.slow
def test_it_agrees_with_the_server_on_a_hundred_thousand_customers(
    client: ModuleType, sqlite_database: Database
) -> None:
    world = a_world(sqlite_database, 100_000, rolled_out=False)
    seen = agree(client, sqlite_database, world, [NOW])
    assert seen == {
        "visited_store", "home_store", "region", "customer", "not_recognised", "not_in_segment", "not_listed",
        "not_started", "ended", "no_pilot", "no_offer_for_segment",
    }  # fmt: skip


def test_it_agrees_to_the_second_until_the_bundle_expires_and_after_a_rollout(
    client: ModuleType, sqlite_database: Database
) -> None:
    world = a_world(sqlite_database, 2_000, rolled_out=True)
    instants = [NOW + timedelta(seconds=s) for s in (0, 3_599, 46_799, 46_800, 50_000, 86_400, 133_199, 172_799)]
    assert agree(client, sqlite_database, world, instants) >= {"rolled_out", "holdout", "customer"}


@settings(max_examples=200, deadline=None)
@given(
    at=st.integers(1_704_067_200, 1_924_905_600).map(lambda second: datetime.fromtimestamp(second, UTC)),
    zone=st.sampled_from(["Europe/Helsinki", "America/New_York", "Atlantic/Azores", "Asia/Kolkata", "UTC"]),
    cutoff=st.integers(0, 12),
)
def test_a_business_day_begins_at_one_instant(at: datetime, zone: str, cutoff: int) -> None:
    day, place = business_date(at, zone, cutoff), Place(1, "S", "R", zone)
    begins = begin_of(day, place, cutoff)
    assert begins <= at < begin_of(day + timedelta(days=1), place, cutoff)
    assert business_date(begins, zone, cutoff) == day
    assert business_date(begins - timedelta(seconds=1), zone, cutoff) == day - timedelta(days=1)


def a_bundle(**changes: Any) -> bytes:
    """A small good bundle, signed by ``SECRET``, with ``changes`` made before it was signed."""
    document = {
        "format": "pilot-bundle-1", "store": "S1", "version": 7, "content": "c", "salt": "00" * 16,
        "issued_at": "2026-03-20T12:00:00Z", "expires_at": "2026-03-22T12:00:00Z", "nobody": 0, "people": [],
        "days": [{"date": "2026-03-20", "from": "2026-03-19T22:00:00Z"}], "classes": [[0]],
        "answers": [{"variant": None, "offer": None, "pilot": None, "valid_until": None, "reason": "-",
                     "reason_code": "no_pilot"}],
    } | changes  # fmt: skip
    payload = json.dumps(document).encode()
    return b"pilot-bundle-1 0 " + base64.b64encode(SECRET.sign(payload)) + b"\n" + payload


def a_till(client: ModuleType, folder: Path, now: datetime = NOW) -> Any:
    return client.Till("S1", "http://127.0.0.1:1", "secret", public_key=PUBLIC, folder=folder, clock=lambda: now)


def test_each_thing_that_is_wrong_with_a_bundle_is_refused_by_its_name(client: ModuleType, tmp_path: Path) -> None:
    good = a_bundle()
    signature, _, payload = good.partition(b"\n")
    bad = {
        "tampered": [signature + b"\n" + payload.replace(b"no_pilot", b"no_pilor"), good + b" ",
                     signature[:-9] + b"A" * 8 + b"=\n" + payload],
        "unreadable": [b"", b"nonsense", payload, good.replace(b"bundle-1 0", b"bundle-2 0", 1),
                       a_bundle(format="pilot-bundle-2")],
        "of_another_store": [a_bundle(store="S2")],
        "expired": [a_bundle(expires_at="2026-03-20T12:00:00Z")],
        "not_yet": [a_bundle(issued_at="2026-03-20T13:00:01Z")],
        "older": [a_bundle(version=6)],
    }  # fmt: skip
    till = a_till(client, tmp_path)
    till.take(good)
    for code, texts in bad.items():
        for text in texts:
            with pytest.raises(client.BundleRefused) as refused:
                till.take(text)
            assert refused.value.code == code, text[:80]
    assert till.version == 7
    assert till.answer("anybody")["reason_code"] == "no_pilot"


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_single_bit_can_be_turned(client: ModuleType, place: int, bit: int) -> None:
    text = bytearray(a_bundle())
    start = text.index(b" 0 ") + 3  # the key's id before it is only a hint
    text[start + place % (len(text) - start)] ^= 1 << bit
    with pytest.raises(client.BundleRefused):
        client.Bundle.read(bytes(text), PUBLIC, "S1")


def test_the_last_good_bundle_stays_on_disk_whole_and_is_the_floor_of_versions(
    client: ModuleType, tmp_path: Path
) -> None:
    a_till(client, tmp_path).take(a_bundle(version=9))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".bundle", ".version"]
    again = a_till(client, tmp_path)
    assert again.version == 9
    with pytest.raises(client.Older):
        again.take(a_bundle(version=8))
    (file,) = tmp_path.glob("*.bundle")
    file.write_bytes(file.read_bytes()[:-5])
    damaged = a_till(client, tmp_path)
    assert damaged.answer("x")["reason_code"] == "bundle_no_bundle"
    with pytest.raises(client.Older):
        damaged.take(a_bundle(version=8))
    damaged.take(a_bundle(version=9))
    assert a_till(client, tmp_path).answer("x")["reason_code"] == "no_pilot"
    (floor,) = tmp_path.glob("*.version")
    floor.write_text("nonsense")
    with pytest.raises(client.Older):
        a_till(client, tmp_path).take(a_bundle(version=8))


def test_a_new_key_begins_a_new_count_of_versions(client: ModuleType, tmp_path: Path) -> None:
    a_till(client, tmp_path).take(a_bundle(version=9))
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    payload = a_bundle(version=2).partition(b"\n")[2]
    text = b"pilot-bundle-1 0 " + base64.b64encode(other.sign(payload)) + b"\n" + payload
    key = other.public_key().public_bytes_raw().hex()
    till = client.Till("S1", "http://127.0.0.1:1", "secret", public_key=key, folder=tmp_path, clock=lambda: NOW)
    till.take(text)
    assert till.version == 2


def test_a_key_that_is_none_refuses_by_name(client: ModuleType) -> None:
    for key in ("not hexadecimal", "é"):
        with pytest.raises(client.KeyUnreadable):
            client.Bundle.read(a_bundle(), key, "S1")
    with pytest.raises(client.Tampered):
        client.Bundle.read(a_bundle(), PUBLIC[:-2], "S1")


def test_no_more_is_unpacked_than_a_bundle_may_have(client: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_BYTES", 10_000)
    assert client.unpacked(gzip.compress(bytes(10_000))) == bytes(10_000)
    whole = gzip.compress(b"x")
    for packed in (gzip.compress(bytes(10_001)), gzip.compress(bytes(10**8)), whole[:-1], whole + b"x", b"", b"x"):
        with pytest.raises(client.Unreadable):
            client.unpacked(packed)


def test_without_a_good_bundle_the_till_sells_as_always(
    client: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_arguments: object, **_named: object) -> None:
        raise OSError("nobody answers")

    monkeypatch.setattr(client.urllib.request, "urlopen", down)
    fresh = a_till(client, tmp_path)
    assert fresh.answer("x") | {"reason": ""} == {
        "variant": None, "offer": None, "pilot": None, "valid_until": None, "reason": "",
        "reason_code": "bundle_no_bundle",
    }  # fmt: skip
    fresh.take(a_bundle())
    assert a_till(client, tmp_path, NOW + timedelta(days=2)).answer("x")["reason_code"] == "bundle_expired"
    assert a_till(client, tmp_path, NOW - timedelta(hours=2)).answer("x")["reason_code"] == "bundle_not_yet"
    with pytest.raises(OSError, match="nobody"):
        fresh.refresh()
    assert fresh.answer("x")["reason_code"] == "no_pilot"
    with pytest.raises(ValueError, match="http"):
        client.Till("S1", "file:///etc", "s", public_key=PUBLIC, folder=tmp_path)


# RFC 8032, section 7.1: tests 1, 2 and 3.
RFC_8032 = (
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
)  # fmt: skip


def test_the_check_by_hand_knows_the_signatures_of_the_standard(client: ModuleType) -> None:
    for key, message, signature in RFC_8032:
        parts = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
        assert client.is_signed_by_hand(*parts)
        assert client.is_signed(*parts)
        assert not client.is_signed_by_hand(parts[0], parts[1] + b"x", parts[2])


@settings(max_examples=25, deadline=None)
@given(message=st.binary(max_size=200), place=st.integers(0, 63), bit=st.integers(0, 7), turned=st.booleans())
def test_the_check_by_hand_and_the_library_agree(
    client: ModuleType, message: bytes, place: int, bit: int, turned: bool
) -> None:
    signature = bytearray(SECRET.sign(message))
    signature[place] ^= (1 << bit) * turned
    public = bytes.fromhex(PUBLIC)
    assert client.is_signed_by_hand(public, message, bytes(signature)) is not turned
    assert client.is_signed(public, message, bytes(signature)) is not turned


def test_the_check_by_hand_refuses_what_is_no_signature(client: ModuleType) -> None:
    public, good = bytes.fromhex(PUBLIC), SECRET.sign(b"x")
    beyond = (int.from_bytes(good[32:], "little") + client._Q).to_bytes(32, "little")
    for key, signature in ((public, b""), (b"", good), (public, good[:32] + beyond), (b"\xff" * 32, good)):
        assert not client.is_signed_by_hand(key, b"x", signature)


def test_the_published_examples_hold(client: ModuleType) -> None:
    """Another language's till is right when it gives these answers."""
    vectors = json.loads(VECTORS.read_text("utf-8"))
    assert len(vectors["questions"]) >= 12
    text = vectors["bundle"].encode()
    bundle = client.Bundle.read(text, vectors["public_key"], vectors["store"])
    for question in vectors["questions"]:
        at = datetime.fromisoformat(question["at"])
        assert bundle.answer(question["customer"], at)["reason_code"] == question["reason_code"]
        assert bundle.answer(question["customer"], at)["variant"] == question["variant"]
    for changed in vectors["refused"]:
        assert refusal(client, changed, vectors) == changed["code"]


def refusal(client: ModuleType, changed: dict[str, str], vectors: dict[str, Any]) -> str:
    try:
        bundle = client.Bundle.read(changed["bundle"].encode(), vectors["public_key"], vectors["store"])
        bundle.require_current(datetime.fromisoformat(changed["at"]))
    except client.BundleRefused as refused:
        return str(refused.code)
    return "taken"


def test_a_bundle_grows_only_in_version_and_holds_no_id_and_no_attribute(sqlite_database: Database) -> None:
    world = a_world(sqlite_database, 200, rolled_out=False)
    desk, bundler = Desk(sqlite_database), Bundler(sqlite_database)
    found = []
    for hours in (0, 0, 11, 12):  # NOW is noon: the last one is the next day
        head = desk.head()
        found.append(bundler.bundle(desk.kept(head), head, "S0004", now=NOW + timedelta(hours=hours)))
        text = found[-1].text.decode()
        assert not [external for external in world.customers if external in text]
        assert "age" not in json.loads(text.partition("\n")[2])
        assert gzip.decompress(found[-1].packed).decode() == text
    assert found[0] is found[1] is found[2]
    assert found[3].version == found[0].version + 24
    tomorrow, kept = NOW + timedelta(hours=12), desk.kept(desk.head())
    assert bundler.content(kept, "S0004", now=tomorrow) == found[3].content
    assert bundler.content(kept, "S0004", now=NOW) is None, "of yesterday it is not known any more"
    with sqlite_database.unit_of_work() as session:
        record(session, actor="x", verb="x", subject_kind="x", subject="x", details={}, at=NOW)
    head = desk.head()
    for some in (bundler, Bundler(sqlite_database)):
        again = some.bundle(desk.kept(head), head, "S0004", now=tomorrow)
        assert (again.content, again.version) == (found[3].content, found[3].version + 1)


def test_a_bundle_is_good_for_two_days_from_whenever_it_is_fetched(
    client: ModuleType, sqlite_database: Database
) -> None:
    a_world(sqlite_database, 50, rolled_out=False)
    desk, bundler, public = Desk(sqlite_database), Bundler(sqlite_database), public_key(sqlite_database.settings).hex()
    head = desk.head()
    for seconds in (0, 3_600, 43_199, 43_200, 86_399):
        now = NOW + timedelta(seconds=seconds)
        read = client.Bundle.read(bundler.bundle(desk.kept(head), head, "S0004", now=now).text, public, "S0004")
        read.require_current(now)
        read.require_current(now + timedelta(hours=48) - timedelta(seconds=1))
        with pytest.raises(client.Expired):
            read.require_current(now + timedelta(hours=72))


def test_who_comes_while_everybody_is_read_hears_that_they_may_come_again(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_world(sqlite_database, 50, rolled_out=False)
    desk, bundler = Desk(sqlite_database), Bundler(sqlite_database)
    monkeypatch.setattr(bundle, "_PATIENCE", 0.01)
    head = desk.head()
    with bundler._lock, pytest.raises(BundlesBeingMade):
        bundler.bundle(desk.kept(head), head, "S0004", now=NOW)
    assert bundler.bundle(desk.kept(head), head, "S0004", now=NOW).version > 0


def test_only_so_many_bytes_of_bundles_are_kept(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(sqlite_database, 500, rolled_out=False)
    desk, bundler = Desk(sqlite_database), Bundler(sqlite_database)
    monkeypatch.setattr(bundle, "_MOST_BYTES", 4_000)
    head = desk.head()
    kept = desk.kept(head)
    made = {store: bundler.bundle(kept, head, store, now=NOW) for store in world.stores}
    assert sum(len(one.packed) for one in bundler._made.values()) <= 4_000
    assert {store: bundler.content(kept, store, now=NOW) for store in world.stores} == {
        store: one.content for store, one in made.items()
    }


def test_what_decides_nothing_leaves_snapshots_and_bundles_as_they_are(sqlite_database: Database) -> None:
    a_world(sqlite_database, 50, rolled_out=False)
    desk = Desk(sqlite_database)
    kept = desk.kept(desk.head())

    def after(*verbs: str) -> Any:
        for verb in verbs:
            with sqlite_database.unit_of_work() as session:
                record(session, actor="x", verb=verb, subject_kind="x", subject="x", details={}, at=NOW)
        return desk.kept(desk.head())

    assert after("receipts.drained", "user.signed_in", "receipts.drained") is kept
    assert after("lake.vacuumed") is kept
    moved = after("receipts.drained", "key.revoked", "receipts.drained")
    assert moved is not kept
    assert after("receipts.drained") is moved
