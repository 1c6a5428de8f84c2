"""The rows of a report's account of money in words, and its waterfall."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.charts import Bar, waterfall
from pilot.words import N_, Message, translate

ROWS: dict[str, Message] = {
    "margin": Message("money_margin", N_("Extra margin")),
    "discounts": Message("money_discounts", N_("Discounts beyond the usual")),
    "rewards": Message("money_rewards", N_("Rewards paid")),
    "liability": Message("money_liability", N_("Points still to be redeemed")),
    "benefits": Message("money_benefits", N_("Benefits and privileges")),
    "prizes": Message("money_prizes", N_("Gifts and prizes")),
    "fees": Message("money_fees", N_("Membership fees")),
    "communication": Message("money_communication", N_("Communication")),
    "setup": Message("money_setup", N_("Set-up")),
    "stores": Message("money_stores", N_("Set-up in stores")),
}
NET = Message("money_net", N_("Net"))


def account_chart(account: Sequence[Mapping[str, Any]], *, currency: str, minor_per_unit: int) -> dict[str, Any]:
    """The account as a waterfall that ends in its net."""
    bars = [
        Bar(translate(ROWS[step["code"]]), step["start_minor"] / minor_per_unit, step["end_minor"] / minor_per_unit)
        for step in account
    ]
    net = account[-1]["end_minor"] / minor_per_unit if account else 0.0
    bars.append(Bar(translate(NET), 0.0, net, is_total=True))
    title = translate(Message("chart_account", N_("From margin to what is left")))
    return waterfall(bars, title=title, value_title=currency)
