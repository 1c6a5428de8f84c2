"""Every kind of file that can be imported, with the room's rule table for it."""

from pilot.imports.importer import Importer
from pilot.imports.model import ImportKind
from pilot.network.people import CUSTOMERS
from pilot.network.places import REGIONS, STORES
from pilot.outcomes.receipt_rules import RECEIPTS

IMPORTERS: dict[ImportKind, Importer] = {
    ImportKind.REGIONS: REGIONS,
    ImportKind.STORES: STORES,
    ImportKind.CUSTOMERS: CUSTOMERS,
    ImportKind.RECEIPTS: RECEIPTS,
}


def importer_for(kind: ImportKind) -> Importer:
    """The importer of this kind of file."""
    return IMPORTERS[kind]
