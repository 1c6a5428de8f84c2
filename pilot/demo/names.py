"""Invented names: the data set only numbers its stores, so regions and store names are made up and say so."""

from pilot.demo.households import Ints
from pilot.demo.seeds import DEMO, seed_of

INVENTED = "(invented name)"
REGIONS = {
    "R1": "North Shore",
    "R2": "River Valley",
    "R3": "Old Harbour",
    "R4": "Hill Country",
    "R5": "South Plains",
}
_FIRST = (
    "Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fern", "Grove", "Hazel", "Ivy", "Juniper", "Laurel", "Maple",
    "Nettle", "Oak", "Poplar", "Quince", "Rowan", "Spruce", "Thistle", "Willow", "Yarrow",
)  # fmt: skip
_SECOND = (
    "Street", "Corner", "Bridge", "Square", "Market", "Lane", "Gate", "Crossing", "Park", "Point", "Road", "Yard",
    "Terrace", "Court", "Mill", "Green", "Hill", "Ford", "Quay", "Arcade", "Row", "Field", "Bend",
)  # fmt: skip


def region_name(code: str) -> str:
    """The region's name, marked as invented."""
    return f"{REGIONS[code]} {INVENTED}"


def store_names(stores: Ints) -> dict[int, str]:
    """Store id → a name of its own, marked as invented; in the order of the ids."""
    pairs = [f"{first} {second}" for second in _SECOND for first in _FIRST]
    return {int(store): f"{pair} {INVENTED}" for store, pair in zip(stores, pairs, strict=False)}


def region_of(store: int) -> str:
    """The code of the invented region of a store: by SHA-256, so that it means nothing."""
    codes = sorted(REGIONS)
    return codes[seed_of(DEMO, "region", store) % len(codes)]
