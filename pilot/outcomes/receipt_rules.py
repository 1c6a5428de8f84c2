"""The rule table of receipt files, and their way from parsed fields to the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.database import settings_of
from pilot.imports.arrow import Column, column, pc
from pilot.imports.importer import Comparison, Context, Published
from pilot.imports.mapping import STORE_TIME, FileMapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.rules import MISSING, Field, RowRule
from pilot.imports.times import Instant
from pilot.imports.values import Choice, Count, Id, Known, Money
from pilot.network.model import Store
from pilot.network.people import allot_customer_keys
from pilot.network.queries import customer_keys, network
from pilot.outcomes.business_time import Clocks
from pilot.outcomes.lake import Lake
from pilot.outcomes.receipt_store import FIELD_OF, NATURAL_KEY, append_new, compare_with_lake
from pilot.programs.model import Offer
from pilot.words import N_, Message

SALE, RETURN, CORRECTION, IDENTIFICATION = "sale", "return", "correction", "identification"
KINDS = {
    **dict.fromkeys(("sale", "s", "purchase", "продажа", "myynti"), SALE),
    **dict.fromkeys(("return", "r", "refund", "возврат", "palautus"), RETURN),
    **dict.fromkeys(("correction", "adjustment", "исправление", "корректировка", "oikaisu"), CORRECTION),
    **dict.fromkeys(("identification", "идентификация", "tunnistus"), IDENTIFICATION),
}
# What an amount in minor units, or a number of items, cannot be in a shop: a bar code or a card number in its column.
IMPOSSIBLE_MINOR = 1_000_000_000
IMPOSSIBLE_ITEMS = 100_000
EARLIEST_DAY = date(2000, 1, 1)
# Reasons that speak of something well-formed which cannot be: such receipts wait for a person, they are not refused.
_BATCH_ROWS = 20_000
IMPLAUSIBLE = frozenset({"unknown_store", "implausible_date", "before_history", "impossible_money", "impossible_count"})


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What turns a clock time into a business date: the zone of each store and the cut-off; clocks remember offsets.

    ``first_day``: the network's history begins here.
    """

    zones: dict[int, str]
    cutoff_hour: int
    clocks: Clocks
    first_day: date = EARLIEST_DAY


class ReceiptImporter:
    """Receipts, exactly once by id and by (store, till, number, business date). Customers not seen before get a key."""

    kind = ImportKind.RECEIPTS
    takes_attributes = False
    keys: Sequence[Sequence[str]] = (("receipt_id",), NATURAL_KEY)
    renamed: Mapping[str, str] = FIELD_OF
    fields: Sequence[Field] = (
        Field(
            "receipt",
            Id(),
            N_("Receipt"),
            True,
            synonyms="receipt id, basket id, transaction id, чек, id чека, код чека, kuitti",
        ),
        Field(
            "store",
            Known(N_("There is no store “{code}”. Import it first, or park the row."), "unknown_store"),
            N_("Store"),
            True,
            synonyms="store id, shop, store code, магазин, код магазина, myymälä",
        ),
        Field(
            "at",
            Instant(),
            N_("Time of sale"),
            True,
            synonyms=(
                "time, timestamp, datetime, date time, date, transaction timestamp, дата и время, дата, время, aika, "
                "päivämäärä"
            ),
        ),
        Field(
            "net",
            Money(),
            N_("Amount without VAT, after discounts"),
            True,
            synonyms="net amount, net sales, sales value, amount, total, сумма, нетто, summa, netto",
            is_rule_bound=True,
        ),
        Field("till", Id(), N_("Till"), synonyms="till id, register, pos, касса, kassa"),
        Field(
            "number",
            Id(),
            N_("Number on the till"),
            synonyms="receipt number, receipt no, номер чека, номер, kuittinumero",
        ),
        Field("kind", Choice(KINDS), N_("Sale or return"), synonyms="type, receipt type, тип, вид, tyyppi"),
        Field(
            "refers_to",
            Id(),
            N_("Receipt that is returned, corrected or identified"),
            synonyms="original receipt, исходный чек",
        ),
        Field(
            "customer",
            Id(),
            N_("Customer"),
            synonyms=(
                "customer id, household id, card, card number, loyalty card, member, member id, клиент, код клиента, "
                "покупатель, карта, номер карты, карта клиента, asiakas, asiakasnumero"
            ),
        ),
        Field("vat", Money(), N_("VAT"), synonyms="tax, vat amount, ндс, alv"),
        Field("discount", Money(), N_("Discount"), synonyms="discount amount, скидка, alennus"),
        Field("cost", Money(), N_("Cost of goods"), synonyms="cogs, cost amount, себестоимость, kustannus"),
        Field("reward", Money(), N_("Rewards given"), synonyms="bonus, points value, бонус, hyvitys"),
        Field("n_items", Count(), N_("Items"), synonyms="items, lines, quantity, позиций, количество, rivit"),
        Field(
            "offer",
            Known(N_("There is no offer “{code}”. Give the code that the program page shows.")),
            N_("Offer"),
            synonyms="offer code, акция, tarjous",
        ),
    )

    def context(self, session: Session, now: datetime) -> Context:
        settings = network(session)
        stores = session.execute(select(Store.code, Store.id, Store.timezone, Store.opened_on)).all()
        facts = ReceiptFacts(
            {store_id: zone or settings.timezone for _, store_id, zone, _ in stores},
            settings.cutoff_hour,
            Clocks(),
            _first_day([opened for *_, opened in stores]),
        )
        offers = dict(session.execute(select(Offer.code, Offer.id)).all())
        known = {"store": {code: store_id for code, store_id, *_ in stores}, "offer": offers}
        return Context(now, known, _currency_exponent(settings.currency), facts)

    def rules(self, context: Context) -> Sequence[RowRule]:
        return (*_ROW_RULES, *_implausible_rules(first_day(context)))

    def finish(self, good: pa.Table, mapping: FileMapping, context: Context) -> pa.Table:
        facts: ReceiptFacts = context.facts
        at, days = _instants_and_days(good, mapping.time_zone, facts)
        kinds = _kinds(good)
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(str)
        return pa.table(
            {
                "line": column(good, "line"),
                "receipt_id": column(good, "receipt"),
                "store_id": column(good, "store"),
                "till": pc.fill_null(column(good, "till"), ""),
                "number": _numbers(good, kinds),
                "kind": kinds,
                "refers_to": column(good, "refers_to"),
                "at": pa.array(at, pa.timestamp("us", "UTC")),
                "business_date": pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32()),
                "customer": column(good, "customer"),
                "net_minor": pc.fill_null(column(good, "net"), 0),
                "vat_minor": pc.fill_null(column(good, "vat"), 0),
                "discount_minor": pc.fill_null(column(good, "discount"), 0),
                "cost_minor": column(good, "cost"),
                "reward_minor": pc.fill_null(column(good, "reward"), 0),
                "n_items": pc.fill_null(column(good, "n_items"), 0),
                "offer_id": column(good, "offer"),
                "business_month": pa.array(months.tolist(), pa.string()),
            }
        )

    def compare(self, session: Session, staged: Path, context: Context) -> Comparison:
        return compare_with_lake(Lake(settings_of(session)), staged, _keys(session, staged))

    def on_staged(self, session: Session, staged: Path, now: datetime) -> None:
        """Keys are given and committed before the lake is written, so that no crash can give one twice."""
        allot_customer_keys(session, _external_ids(staged))

    def publish(self, session: Session, run: ImportRun, staged: Path, now: datetime) -> Published:
        return append_new(Lake(settings_of(session)), staged, _keys(session, staged), run.batch_id, now)


RECEIPTS = ReceiptImporter()


def first_day(context: Context) -> date:
    """The day on which the network's history begins: the first opening, where every store states one, else 2000."""
    facts: ReceiptFacts = context.facts
    return facts.first_day


def _first_day(opened: Sequence[date | None]) -> date:
    days = [day for day in opened if day is not None]
    return min(days) if days and len(days) == len(opened) else EARLIEST_DAY


def _kinds(table: pa.Table) -> Column:
    """The kind that is given, else by the sign of the amount."""
    by_sign = pc.if_else(pc.less(column(table, "net"), 0), RETURN, SALE)
    kinds: Column = pc.coalesce(column(table, "kind"), by_sign, SALE)
    return kinds


def _numbers(table: pa.Table, kinds: Column) -> Column:
    """The number on the till; what refers to a receipt may repeat the receipt's number, and has none of its own."""
    refers = pc.is_in(kinds, value_set=pa.array([CORRECTION, IDENTIFICATION]))
    numbers: Column = pc.if_else(refers, pa.scalar(None, pa.string()), column(table, "number"))
    return numbers


def _on(kinds: Sequence[str], table: pa.Table, holds: Column) -> Column:
    """``holds`` for receipts of these kinds, true for the others."""
    others = pc.invert(pc.is_in(_kinds(table), value_set=pa.array(kinds)))
    result: Column = pc.or_kleene(others, holds)
    return result


def _not_negative(name: str, label: str) -> RowRule:
    message = Message("negative_on_sale", N_("{what} cannot be negative on a sale."), {"what": Message(name, label)})
    return RowRule(name, message, lambda table: _on([SALE], table, pc.greater_equal(column(table, name), 0)))


def _vat_fits(table: pa.Table) -> Column:
    """VAT has the sign of the amount and is not larger."""
    net, vat = column(table, "net"), column(table, "vat")
    same_sign = pc.or_(pc.equal(vat, 0), pc.equal(pc.sign(vat), pc.sign(net)))
    return _on([SALE, RETURN], table, pc.and_(same_sign, pc.less_equal(pc.abs(vat), pc.abs(net))))


def _no_amount(name: str) -> RowRule:
    return RowRule(name, _AMOUNT, lambda table: _on([IDENTIFICATION], table, pc.equal(column(table, name), 0)))


def _implausible_rules(first: date) -> Sequence[RowRule]:
    history = Message(
        "before_history", N_("The network's history begins on {first:date}."), {"first": first.isoformat()}
    )
    return (
        RowRule("at", history, lambda table: _from_day(table, first), may_be_waived=True),
        *(_possible(name, IMPOSSIBLE_MINOR, _MONEY) for name in _AMOUNTS[:-1]),
        _possible("n_items", IMPOSSIBLE_ITEMS, _ITEMS),
    )


def _from_day(table: pa.Table, first: date) -> Column:
    clock = pa.scalar(datetime(first.year, first.month, first.day), pa.timestamp("us"))  # noqa: DTZ001 - a local clock
    result: Column = pc.greater_equal(pc.struct_field(column(table, "at"), "local"), clock)
    return result


def _possible(name: str, below: int, message: Message) -> RowRule:
    return RowRule(name, message, lambda table: pc.less(pc.abs(column(table, name)), below), may_be_waived=True)


_AMOUNTS = ("net", "vat", "discount", "cost", "reward", "n_items")
_AMOUNT = Message("identification_with_amount", N_("An identification carries no amounts: leave it empty or zero."))
_MONEY = Message("impossible_money", N_("No receipt is this large. Is it a bar code or a card number?"))
_ITEMS = Message("impossible_count", N_("No receipt has this many items. Is it an amount or a bar code?"))
_REFERENCE = Message("refers_to_missing", N_("A correction or identification names the receipt that it refers to."))
_ROW_RULES = (
    RowRule("net", MISSING, lambda table: _on([SALE, RETURN, CORRECTION], table, pc.is_valid(column(table, "net")))),
    RowRule(
        "net",
        Message("negative_sale", N_("A sale cannot have a negative amount; is it a return?")),
        lambda table: _on([SALE], table, pc.greater_equal(column(table, "net"), 0)),
    ),
    RowRule(
        "net",
        Message("positive_return", N_("A return has a negative amount (or zero).")),
        lambda table: _on([RETURN], table, pc.less_equal(column(table, "net"), 0)),
    ),
    RowRule(
        "vat",
        Message("vat_out_of_range", N_("VAT has the sign of the amount and is not larger. Are two columns swapped?")),
        _vat_fits,
    ),
    _not_negative("discount", N_("A discount")),
    _not_negative("cost", N_("The cost of goods")),
    _not_negative("reward", N_("A reward")),
    _not_negative("n_items", N_("The number of items")),
    RowRule(
        "refers_to",
        _REFERENCE,
        lambda table: _on([CORRECTION, IDENTIFICATION], table, pc.is_valid(column(table, "refers_to"))),
    ),
    RowRule(
        "customer",
        Message("identification_of_nobody", N_("An identification names the customer.")),
        lambda table: _on([IDENTIFICATION], table, pc.is_valid(column(table, "customer"))),
    ),
    *(_no_amount(name) for name in _AMOUNTS),
)


def _instants_and_days(
    table: pa.Table, time_zone: str, facts: ReceiptFacts
) -> tuple[np.typing.NDArray[np.int64], np.typing.NDArray[np.int64]]:
    """UTC microseconds and business days since 1970 of every row; the store's own zone decides the day."""
    parts = column(table, "at")
    local = pc.struct_field(parts, "local").cast(pa.int64()).to_numpy(zero_copy_only=False)
    offset = pc.struct_field(parts, "offset_minutes")
    has_offset = pc.is_valid(offset).to_numpy(zero_copy_only=False)
    offset_us = pc.fill_null(offset, 0).to_numpy(zero_copy_only=False).astype(np.int64) * 60_000_000
    stores: Any = column(table, "store").to_numpy(zero_copy_only=False)
    utc = local - offset_us
    days = np.zeros(len(utc), dtype=np.int64)
    zones = np.array([facts.zones[store] for store in stores.tolist()], dtype=object)
    for zone in sorted(set(zones.tolist())):
        here = zones == zone
        clock = here & ~has_offset
        utc[clock] = facts.clocks.to_utc(local[clock], zone if time_zone == STORE_TIME else time_zone)
        days[here] = facts.clocks.business_days(utc[here], zone, facts.cutoff_hour)
    return utc, days


def _currency_exponent(currency: str) -> int:
    from babel.numbers import get_currency_precision

    return int(get_currency_precision(currency))


def _keys(session: Session, staged: Path) -> dict[str, int]:
    return customer_keys(session, _external_ids(staged))


def _external_ids(staged: Path) -> set[str]:
    found: set[str] = set()
    with pq.ParquetFile(staged) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=["customer"]):
            ids: list[Any] = batch.column("customer").to_pylist()
            found.update(external for external in ids if external is not None)
    return found
