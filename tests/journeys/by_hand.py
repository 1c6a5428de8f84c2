"""What a page's numbers must be, from the receipts alone: sums of a file's rows, and the line through matched pairs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from statistics import linear_regression

from sqlalchemy import select

from pilot.assignment.model import LedgerEntry
from tests.pilot.evidence.small_network import HISTORY_FROM, START, SmallNetwork

BEFORE = HISTORY_FROM, START - timedelta(days=1)
WINDOW = START, START + timedelta(days=27)
WEEKS, WEEKS_BEFORE = 4, 6

Row = Sequence[str]


def sums(rows: Iterable[Row], amount: Callable[[Row], Decimal]) -> Mapping[str, Decimal]:
    """``amount`` of the receipts of each store, added up."""
    found: Counter[str] = Counter()
    for row in rows:
        found[row[1]] += amount(row)  # type: ignore[assignment] # decimals count as well as integers
    return found  # type: ignore[return-value] # of decimals


def net(row: Row) -> Decimal:
    return Decimal(row[3])


def effect(network: SmallNetwork, window: Mapping[str, Decimal], before: Mapping[str, Decimal]) -> float:
    """The effect per treated store: where the line through the pairs' differences in the window, over those before the
    start, passes a pair that did not differ."""
    pairs: dict[str | None, dict[bool, str]] = {}
    with network.database.reading() as session:
        for entry in session.scalars(select(LedgerEntry)):
            pairs.setdefault(entry.block, {})[entry.variant != "control"] = entry.unit_code
    differences = [
        [float(values.get(pair[True], 0) - values.get(pair[False], 0)) for pair in pairs.values()]
        for values in (before, window)
    ]
    return linear_regression(*differences).intercept
