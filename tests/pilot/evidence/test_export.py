"""Exports hold no cell of fewer than five customers; the frozen document keeps every number."""

import json

from pilot.evidence.export import exported


def _document() -> str:
    cells = [{"unit": f"S{n}", "n": n, "y": 7 * n} for n in (0, 4, 5)]
    shops = [{"unit": "S1", "n": 3, "y": 21}]
    arms = [{"variant": "control", "stratum": "young", "n": 2, "y": 9, "d": 4}]
    rows = [
        dict.fromkeys(("metric", "metric_unit", "role", "direction", "variant", "refusal", "assumption"))
        | {"level": level, "segment": "old", "stamps": [], "leads": False, "estimate": {"n_rows": n, "effect": 1.5}}
        for level, n in (("customer", 4), ("customer", 5), ("store", 4))
    ]
    moments = {"purchase_frequency": cells, "identification_rate": shops, "average_basket": arms}
    return json.dumps({"moments": moments, "analysis": {"rows": rows}})


def test_cells_of_fewer_than_five_customers_keep_their_name_only() -> None:
    moments = exported(_document())["moments"]
    assert moments["purchase_frequency"] == [
        {"unit": "S0", "n": 0, "y": 0},
        {"unit": "S4", "suppressed": True},
        {"unit": "S5", "n": 5, "y": 35},
    ]
    assert moments["average_basket"] == [{"variant": "control", "stratum": "young", "suppressed": True}]


def test_receipts_of_a_store_are_no_customers() -> None:
    assert exported(_document())["moments"]["identification_rate"] == [{"unit": "S1", "n": 3, "y": 21}]


def test_a_row_about_fewer_than_five_customers_has_no_estimate() -> None:
    small, large, of_stores = exported(_document())["analysis"]["rows"]
    assert (small["estimate"], small["suppressed"]) == (None, True)
    assert large["estimate"]["effect"] == of_stores["estimate"]["effect"] == 1.5
