"""The drawing of the cross-shopping map, with words in the reader's language."""

from collections.abc import Sequence
from typing import Any

from experiments.charts import HeatCell, heat_map
from pilot.words import N_, Message, translate


def store_chart(cells: Sequence[HeatCell]) -> dict[str, Any]:
    """Store by store, homes by rows; nothing is drawn where nobody, or too few, bought."""
    return heat_map(
        cells,
        title=translate(Message("chart_store_by_store", N_("Store by store"))),
        row_title=translate(Message("chart_crossing_home", N_("Home store"))),
        column_title=translate(Message("chart_crossing_at", N_("Store visited"))),
        share_title=translate(Message("chart_crossing_share", N_("Share of purchases"))),
        row_height=18,
        upright=True,
    )


def crossing_chart(cells: Sequence[HeatCell]) -> dict[str, Any]:
    """Homes by rows, visited arms by columns; the shade is the share of what a home's customers bought."""
    return heat_map(
        cells,
        title=translate(Message("chart_crossing", N_("Where the customers of each arm bought"))),
        row_title=translate(Message("chart_crossing_home", N_("Home store"))),
        column_title=translate(Message("chart_crossing_at", N_("Store visited"))),
        share_title=translate(Message("chart_crossing_share", N_("Share of purchases"))),
    )
