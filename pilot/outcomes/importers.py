"""Every kind of file that can be imported, with the room's rule table for it."""

import logging

from pilot.imports.importer import Importer
from pilot.imports.model import ImportKind
from pilot.network.people import CUSTOMERS
from pilot.network.places import REGIONS, STORES
from pilot.outcomes.key_index import KeyIndex
from pilot.outcomes.lake import Lake
from pilot.outcomes.receipt_rules import RECEIPTS
from pilot.outcomes.surveys import SURVEYS
from pilot.settings import Settings

_log = logging.getLogger(__name__)

IMPORTERS: dict[ImportKind, Importer] = {
    ImportKind.REGIONS: REGIONS,
    ImportKind.STORES: STORES,
    ImportKind.CUSTOMERS: CUSTOMERS,
    ImportKind.RECEIPTS: RECEIPTS,
    ImportKind.SURVEYS: SURVEYS,
}


def importer_for(kind: ImportKind) -> Importer:
    """The importer of this kind of file."""
    return IMPORTERS[kind]


def keep_days_up(settings: Settings) -> None:
    """Let the derived days, and the index of keys, follow the lake after receipts were published.

    A failure is told and changes nothing: the receipts are in the lake, and the next call catches up.
    """
    from pilot.outcomes.days.service import Days  # needs the engine

    try:
        lake = Lake(settings)
        Days(lake).keep_up()
        KeyIndex(lake).keep_up()
    except Exception:
        _log.warning("the derived days could not follow the lake; they catch up with the next import", exc_info=True)
