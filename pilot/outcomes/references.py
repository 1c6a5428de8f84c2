"""Corrections and late identifications: new facts that refer to an earlier receipt and are completed from it.

A correction takes the original's store, business date and customer (also one who was identified late). A late
identification repeats the original's store, business date and amounts, the corrections stored so far included: those
that come later, or in the same batch, carry the customer themselves. So measuring needs no join, and a customer's and a
store's sums are those of a history that was right in the first place, in whatever order the facts came.

What is referred to must be stored under that id, or go in under it in the same batch. A till that heard no answer may
send a receipt under a new id: that receipt is known under its first one, and a fact that names the new id waits in
quarantine, for in the lake it would refer to nothing.

A return is complete by itself: what it refers to is kept as it was sent, for its sale may be older than the lake.
"""

from collections.abc import Mapping, Sequence

from duckdb import DuckDBPyConnection

from pilot.imports.engine import literal, name
from pilot.outcomes.key_index import NATURAL_KEY, RECEIPT_ID, REFERS_TO, KeyIndex, rows_of
from pilot.outcomes.lake import MONTH, Lake
from pilot.words import N_

REASONS: Mapping[str, str] = {
    "refers_to_unknown": N_("The receipt that this refers to is not known. Has it been sent?"),
    "refers_to_other_id": N_(
        "The receipt that this refers to is stored under another id for the same store, till, number and business date:"
        " name that id."
    ),
    "identified_already": N_("The receipt that this refers to has another customer already."),
    "correction_too_large": N_("With this correction the sale would become a return, or the return a sale."),
    "nothing_to_identify": N_(
        "The receipt that this refers to is a return that was taken back: nothing is left of it."
    ),
}
_AMOUNTS = ("net_minor", "vat_minor", "discount_minor", "cost_minor", "reward_minor", "n_items")
_OF_A_CORRECTION = ("store_id", "business_date", "customer_key")
_OF_AN_IDENTIFICATION = ("store_id", "till", "at", "business_date", *_AMOUNTS, "offer_id")
_READ = (
    *("receipt_id", "kind", "refers_to", "store_id", "till", "at", "business_date", "customer_key"),
    *_AMOUNTS,
    "offer_id",
)
_FACTS = "kind IN ('correction', 'identification')"
_ORIGINALS = "kind IN ('sale', 'return')"


def resolve(
    connection: DuckDBPyConnection, lake: Lake, index: KeyIndex, staged_view: str, version: int | None = None
) -> None:
    """Complete the facts in the temporary table ``staged_view`` from what they refer to, in the lake or beside them.

    Reads the lake at ``version`` (None: now) and ``staged_others``, the other receipts of the same batch. Adds lines
    that cannot be completed to ``unresolved(line, reason)`` (a code of ``REASONS``) and identifications that say what
    is known to ``same(line)``. A fact that is stored already is completed as it was then, so that it compares equal.
    Everything happens set-wise in the engine, which spills to disk; of the lake, the files that ``index`` names are
    read once.
    """
    every = lake.files(version)
    asked = ((REFERS_TO, RECEIPT_ID), (RECEIPT_ID, RECEIPT_ID), (REFERS_TO, REFERS_TO))
    files = set[str]().union(*(index.files_with(connection, staged_view, key, of, every) for key, of in asked))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE past AS {_past(sorted(files), staged_view)}")
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE beside AS
        SELECT {_list((*_READ, "number"))}, {MONTH} FROM staged_others
        WHERE {_ORIGINALS} AND receipt_id IN (SELECT refers_to FROM {staged_view})
              AND receipt_id NOT IN (SELECT receipt_id FROM past)
        """)  # noqa: S608 - the names are ours
    _find_stored_under_other_id(connection, lake, index, version)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE original AS
        SELECT * FROM past WHERE {_ORIGINALS} AND receipt_id IN (SELECT refers_to FROM {staged_view})
        UNION ALL
        SELECT {_list(_READ)} FROM beside ANTI JOIN under_other_id USING (receipt_id)
        """)  # noqa: S608 - the names are ours
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE total AS
        SELECT o.receipt_id, o.kind, {", ".join(f"sum(p.{c})::BIGINT AS {c}" for c in _AMOUNTS)}
        FROM original o JOIN (
            SELECT receipt_id AS id, * FROM original
            UNION ALL
            SELECT refers_to AS id, * FROM past WHERE kind = 'correction'
        ) p ON p.id = o.receipt_id
        GROUP BY o.receipt_id, o.kind
        """)  # noqa: S608 - the names are ours
    # A fact that the lake has under its own id is no news: it neither wins nor adds up, it is compared.
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE news AS
        SELECT * FROM {staged_view} WHERE receipt_id NOT IN (SELECT receipt_id FROM past)
        """)  # noqa: S608 - the names are ours
    _refuse(connection)
    _judge_identifications(connection)
    _complete_corrections(connection, staged_view)
    _complete_identifications(connection, staged_view)
    _repeat_stored(connection, staged_view)


def _past(files: Sequence[str], staged: str) -> str:
    """The stored rows that matter: originals, the facts about them, and the staged facts themselves.

    A receipt that is identified late and corrected is found by its own id, its facts by what they refer to.
    """
    if not files:
        return f"SELECT {_list(_READ)} FROM staged_others WHERE false"  # noqa: S608 - the names are ours
    return f"""
        SELECT {_list(_READ)} FROM {rows_of(files)}
        WHERE receipt_id IN (SELECT refers_to FROM {staged} UNION ALL SELECT receipt_id FROM {staged})
              OR ({_FACTS} AND refers_to IN (SELECT refers_to FROM {staged}))
        """  # noqa: S608 - paths are quoted, the names are ours


def _find_stored_under_other_id(
    connection: DuckDBPyConnection, lake: Lake, index: KeyIndex, version: int | None
) -> None:
    """Make ``under_other_id(receipt_id)`` of the receipts ``beside`` that do not go in: their number is stored already.

    With equal content they are known, with another they clash; either way there will be nothing under their id.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE under_other_id (receipt_id VARCHAR)")
    months = connection.execute(f"SELECT DISTINCT {MONTH} FROM beside WHERE number IS NOT NULL ORDER BY 1").fetchall()  # noqa: S608 - our name
    near = lake.files(version, [month for (month,) in months]) if months else []
    files = sorted(index.files_with(connection, "beside", NATURAL_KEY, NATURAL_KEY, near))
    if files:
        connection.execute(f"""
            INSERT INTO under_other_id
            SELECT receipt_id FROM beside SEMI JOIN {rows_of(files)} stored USING ({_list(NATURAL_KEY)})
            """)  # noqa: S608 - paths are quoted, the names are ours


def _refuse(connection: DuckDBPyConnection) -> None:
    """Facts without an original, corrections that would turn its sign, identifications of what is nothing any more."""
    connection.execute("""
        INSERT INTO unresolved
        SELECT line, 'refers_to_unknown' FROM news WHERE refers_to IS NULL
        UNION ALL
        SELECT line, CASE WHEN EXISTS (FROM under_other_id u WHERE u.receipt_id = n.refers_to)
                          THEN 'refers_to_other_id' ELSE 'refers_to_unknown' END
        FROM news n
        WHERE refers_to IS NOT NULL AND NOT EXISTS (FROM original o WHERE o.receipt_id = n.refers_to)
        """)
    connection.execute("""
        INSERT INTO unresolved
        SELECT line, 'correction_too_large' FROM (
            SELECT n.line, t.kind,
                   t.net_minor + sum(n.net_minor) OVER (PARTITION BY n.refers_to ORDER BY n.line) AS net_minor
            FROM news n JOIN total t ON t.receipt_id = n.refers_to WHERE n.kind = 'correction'
        ) WHERE (kind = 'sale' AND net_minor < 0) OR (kind = 'return' AND net_minor > 0)
        UNION ALL
        SELECT n.line, 'nothing_to_identify' FROM news n JOIN total t ON t.receipt_id = n.refers_to
        WHERE n.kind = 'identification' AND t.kind = 'return' AND t.net_minor >= 0
        """)


def _judge_identifications(connection: DuckDBPyConnection) -> None:
    """Make ``identified(receipt_id, customer_key)``; the first identification counts, those after it agree or clash."""
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE identified AS
        SELECT receipt_id, customer_key FROM original WHERE customer_key IS NOT NULL
        UNION ALL
        SELECT refers_to, min(customer_key) FROM past WHERE kind = 'identification' GROUP BY refers_to
        """)
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE first_said AS
        SELECT refers_to AS receipt_id, min(line) AS line, arg_min(customer_key, line) AS customer_key
        FROM news n
        WHERE kind = 'identification' AND NOT EXISTS (FROM identified i WHERE i.receipt_id = n.refers_to)
              AND NOT EXISTS (FROM unresolved u WHERE u.line = n.line)
        GROUP BY refers_to
        """)
    connection.execute("INSERT INTO identified SELECT receipt_id, customer_key FROM first_said")
    later = """
        FROM news n JOIN identified i ON i.receipt_id = n.refers_to
        WHERE n.kind = 'identification' AND n.line NOT IN (SELECT line FROM first_said)
              AND n.line NOT IN (SELECT line FROM unresolved)
        """
    connection.execute(f"INSERT INTO same SELECT n.line {later} AND n.customer_key = i.customer_key")
    connection.execute(
        f"INSERT INTO unresolved SELECT n.line, 'identified_already' {later} AND n.customer_key <> i.customer_key"
    )


def _complete_corrections(connection: DuckDBPyConnection, staged: str) -> None:
    connection.execute(f"""
        UPDATE {staged} SET store_id = o.store_id, business_date = o.business_date,
               business_month = strftime(o.business_date, '%Y-%m'), customer_key = o.customer_key
        FROM (SELECT o.receipt_id, store_id, business_date, i.customer_key
              FROM original o LEFT JOIN identified i USING (receipt_id)) o
        WHERE {staged}.refers_to = o.receipt_id AND {staged}.kind = 'correction'
        """)  # noqa: S608 - the names are ours


def _complete_identifications(connection: DuckDBPyConnection, staged: str) -> None:
    taken = [f"{name(c)} = o.{name(c)}" for c in ("store_id", "till", "at", "business_date", "offer_id")]
    summed = [f"{name(c)} = t.{name(c)}" for c in _AMOUNTS]
    connection.execute(f"""
        UPDATE {staged} SET {", ".join([*taken, *summed])}, business_month = strftime(o.business_date, '%Y-%m')
        FROM original o JOIN total t USING (receipt_id)
        WHERE {staged}.refers_to = o.receipt_id AND {staged}.kind = 'identification'
        """)  # noqa: S608 - the names are ours


def _repeat_stored(connection: DuckDBPyConnection, staged: str) -> None:
    """What the lake has under this id and about the same receipt was completed then: sums of today would differ."""
    for kind, columns in (("correction", _OF_A_CORRECTION), ("identification", _OF_AN_IDENTIFICATION)):
        connection.execute(f"""
            UPDATE {staged} SET {", ".join(f"{name(c)} = p.{name(c)}" for c in columns)},
                   business_month = strftime(p.business_date, '%Y-%m')
            FROM past p
            WHERE {staged}.receipt_id = p.receipt_id AND {staged}.kind = {literal(kind)} AND p.kind = {literal(kind)}
                  AND {staged}.refers_to = p.refers_to
            """)  # noqa: S608 - the names are ours


def _list(columns: tuple[str, ...]) -> str:
    return ", ".join(name(column) for column in columns)
