"""The rule table of receipt files, and their way from parsed fields to the lake."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.database import settings_of
from pilot.imports.importer import Comparison, Context, Published
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.rows import Mask, Rows
from pilot.imports.rules import MISSING, Field, RowRule
from pilot.imports.times import Instant
from pilot.imports.values import Choice, Count, Id, Known, Money
from pilot.network.model import Store
from pilot.network.queries import network
from pilot.outcomes.business_time import Clocks
from pilot.outcomes.key_index import NATURAL_KEY, RECEIPT_ID
from pilot.outcomes.lake import Lake
from pilot.outcomes.phases import phase
from pilot.outcomes.receipt_customers import allot_missing_keys, forget_left_out, key_files, write_known_keys
from pilot.outcomes.receipt_rows import (
    CORRECTION,
    EARLIEST_DAY,
    IDENTIFICATION,
    RETURN,
    SALE,
    ReceiptFacts,
    staged_rows,
)
from pilot.outcomes.receipt_store import FIELD_OF, append_new, compare_with_lake, read_seen, write_seen
from pilot.programs.model import Offer
from pilot.words import N_, Message

KINDS = {
    **dict.fromkeys(("sale", "s", "purchase", "продажа", "myynti"), SALE),
    **dict.fromkeys(("return", "r", "refund", "возврат", "palautus"), RETURN),
    **dict.fromkeys(("correction", "adjustment", "исправление", "корректировка", "oikaisu"), CORRECTION),
    **dict.fromkeys(("identification", "идентификация", "tunnistus"), IDENTIFICATION),
}
# What an amount in minor units, or a number of items, cannot be in a shop: a bar code or a card number in its column.
IMPOSSIBLE_MINOR = 1_000_000_000
IMPOSSIBLE_ITEMS = 100_000
# Reasons that speak of something well-formed which cannot be: such receipts wait for a person, they are not refused.
IMPLAUSIBLE = frozenset({"unknown_store", "implausible_date", "before_history", "impossible_money", "impossible_count"})


class ReceiptImporter:
    """Receipts, exactly once by id and by (store, till, number, business date). Customers not seen before get a key."""

    kind = ImportKind.RECEIPTS
    takes_attributes = False
    keys: Sequence[Sequence[str]] = (RECEIPT_ID, NATURAL_KEY)
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
            Known(N_("There is no store “{code}”. Import it; the row can wait in quarantine."), "unknown_store", Id()),
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
        depends = {
            "zones": {str(store): zone for store, zone in facts.zones.items()},
            "cutoff": facts.cutoff_hour,
            "first": facts.first_day,
        }
        return Context(now, known, _currency_exponent(settings.currency), facts, depends)

    def rules(self, context: Context) -> Sequence[RowRule]:
        return (*_ROW_RULES, *_implausible_rules(first_day(context)))

    def finish(self, good: pa.Table, mapping: FileMapping, context: Context) -> pa.Table:
        return staged_rows(good, mapping.time_zone, context.facts)

    def look_up(self, session: Session, staged: Path) -> None:
        write_known_keys(session, staged)

    def compare(self, session: Session, staged: Path, context: Context) -> Comparison:
        forget_left_out(session, staged)
        done, seen = compare_with_lake(Lake(settings_of(session)), staged, key_files(session, staged))
        write_seen(staged, seen)
        return done

    def on_staged(self, session: Session, staged: Path, now: datetime) -> None:
        """Keys are given and committed before the lake is written, so that no crash can give one twice."""
        allot_missing_keys(session, staged)

    def publish(self, session: Session, run: ImportRun, staged: Path, now: datetime) -> Published:
        lake = Lake(settings_of(session))
        with phase(lake.settings, "publish"):
            keys = key_files(session, staged)
            return append_new(lake, staged, keys, run.batch_id, now, seen=read_seen(staged))


RECEIPTS = ReceiptImporter()


def first_day(context: Context) -> date:
    """The day on which the network's history begins: the first opening, where every store states one, else 2000."""
    facts: ReceiptFacts = context.facts
    return facts.first_day


def _first_day(opened: Sequence[date | None]) -> date:
    days = [day for day in opened if day is not None]
    return min(days) if days and len(days) == len(opened) else EARLIEST_DAY


def _among(kind: str) -> Callable[[Rows], Mask]:
    """Which receipts are of this kind, by name or, without one, by the sign of the amount."""

    def rows_of(rows: Rows) -> Mask:
        named: Mask = rows.places("kind", _NAMES) == _NAMES.index(kind)
        if kind not in (SALE, RETURN):
            return named
        by_sign = (rows.numbers("net") < 0) == (kind == RETURN)
        mask: Mask = named | (by_sign & ~rows.is_given("kind"))
        return mask

    return rows_of


_NAMES = (SALE, RETURN, CORRECTION, IDENTIFICATION)
_SALES, _RETURNS, _CORRECTIONS, _IDENTIFICATIONS = map(_among, _NAMES)


def _bought_or_returned(rows: Rows) -> Mask:
    return _SALES(rows) | _RETURNS(rows)


def _with_amount(rows: Rows) -> Mask:
    return ~_IDENTIFICATIONS(rows)


def _referring(rows: Rows) -> Mask:
    return _CORRECTIONS(rows) | _IDENTIFICATIONS(rows)


def _is_given(name: str) -> Callable[[Rows], Mask]:
    return lambda rows: rows.is_given(name)


def _from_zero(name: str) -> Callable[[Rows], Mask]:
    return lambda rows: rows.numbers(name) >= 0


def _not_negative(name: str, label: str) -> RowRule:
    message = Message("negative_on_sale", N_("{what} cannot be negative on a sale."), {"what": Message(name, label)})
    return RowRule(name, message, _from_zero(name), _SALES)


def _vat_fits(rows: Rows) -> Mask:
    """VAT has the sign of the amount and is not larger."""
    net, vat = rows.numbers("net"), rows.numbers("vat")
    same_sign = (vat == 0) | (np.sign(vat) == np.sign(net))
    mask: Mask = (same_sign & (np.abs(vat) <= np.abs(net))) | ~rows.is_given("net")
    return mask


def _no_amount(name: str) -> RowRule:
    return RowRule(name, _AMOUNT, lambda rows: rows.numbers(name) == 0, _IDENTIFICATIONS)


def _implausible_rules(first: date) -> Sequence[RowRule]:
    history = Message(
        "before_history", N_("The network's history begins on {first:date}."), {"first": first.isoformat()}
    )
    return (
        RowRule("at", history, lambda rows: ~(rows.times("at") < np.datetime64(first)), may_be_waived=True),
        *(_possible(name, IMPOSSIBLE_MINOR, _MONEY) for name in _AMOUNTS[:-1]),
        _possible("n_items", IMPOSSIBLE_ITEMS, _ITEMS),
    )


def _possible(name: str, below: int, message: Message) -> RowRule:
    return RowRule(name, message, lambda rows: np.abs(rows.numbers(name)) < below, may_be_waived=True)


_AMOUNTS = ("net", "vat", "discount", "cost", "reward", "n_items")
_AMOUNT = Message("identification_with_amount", N_("An identification carries no amounts: leave it empty or zero."))
_MONEY = Message("impossible_money", N_("No receipt is this large. Is it a bar code or a card number?"))
_ITEMS = Message("impossible_count", N_("No receipt has this many items. Is it an amount or a bar code?"))
_REFERENCE = Message("refers_to_missing", N_("A correction or identification names the receipt that it refers to."))
_ROW_RULES = (
    RowRule("net", MISSING, _is_given("net"), _with_amount),
    RowRule(
        "net",
        Message("negative_sale", N_("A sale cannot have a negative amount; is it a return?")),
        _from_zero("net"),
        _SALES,
    ),
    RowRule(
        "net",
        Message("positive_return", N_("A return has a negative amount (or zero).")),
        lambda rows: rows.numbers("net") <= 0,
        _RETURNS,
    ),
    RowRule(
        "vat",
        Message("vat_out_of_range", N_("VAT has the sign of the amount and is not larger. Are two columns swapped?")),
        _vat_fits,
        _bought_or_returned,
    ),
    _not_negative("discount", N_("A discount")),
    _not_negative("cost", N_("The cost of goods")),
    _not_negative("reward", N_("A reward")),
    _not_negative("n_items", N_("The number of items")),
    RowRule("refers_to", _REFERENCE, _is_given("refers_to"), _referring),
    RowRule(
        "customer",
        Message("identification_of_nobody", N_("An identification names the customer.")),
        _is_given("customer"),
        _IDENTIFICATIONS,
    ),
    *(_no_amount(name) for name in _AMOUNTS),
)


def _currency_exponent(currency: str) -> int:
    from babel.numbers import get_currency_precision

    return int(get_currency_precision(currency))
