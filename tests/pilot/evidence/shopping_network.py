"""The small network with customers who shop in more than one store and do not always show their card."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from tests.pilot.evidence.small_network import SmallNetwork, chance


@dataclass(slots=True)
class ShoppingNetwork(SmallNetwork):
    """``abroad``: per mille of purchases that a customer makes in the next store but ``stride``; ``shown`` per mille of
    purchases with the card, and ``shown_more`` where a store is treated. ``lifted`` raises amounts as ever."""

    abroad: int = 200
    stride: int = 1
    shown: int = 600
    shown_more: int = 600

    def receipts(self, first: date, last: date, lifted: Mapping[str, int]) -> Iterable[list[str]]:
        """Every customer buys on about two days in three, mostly at home; a stranger comes every day."""
        numbers: dict[tuple[str, date], int] = {}
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            for place, home in enumerate(self.stores):
                buyers = [c for c in self.customers_of(home) if chance(home, c, day) < 660]
                for customer in [*buyers, ""]:
                    away = customer != "" and chance("away", customer, day) < self.abroad
                    store = self.stores[(place + self.stride) % self.n_stores] if away else home
                    number = numbers[store, day] = numbers.get((store, day), 0) + 1
                    name = f"{store}-{day:%Y%m%d}-{number}"
                    cents = 1000 + 50 * place + chance("amount", customer or home, day) // 8
                    cents += cents * lifted.get(store, 0) // 100
                    shows = chance("card", customer, day) < (self.shown_more if store in lifted else self.shown)
                    at = datetime.combine(day, time(10, number), UTC).isoformat()
                    carried = customer if shows else ""
                    yield [name, store, at, f"{cents / 100:.2f}", "1", str(number), "sale", carried]
