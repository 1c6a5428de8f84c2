"""What many pages read: the network's currency and time zone, and the zone in which a person sees instants."""

from flask import g
from flask_login import current_user
from sqlalchemy import select

from pilot.network.model import Network
from web.work import session


def network() -> Network | None:
    """The network's settings; None before anybody has set them up."""
    if "network" not in g:
        g.network = session().scalars(select(Network)).first()
    found: Network | None = g.network
    return found


def currency() -> str:
    """The currency of every amount (ISO 4217)."""
    found = network()
    return found.currency if found else "EUR"


def timezone() -> str:
    """The person's time zone, else the network's, else UTC."""
    own = getattr(current_user, "timezone", None) if current_user.is_authenticated else None
    found = network()
    return own or (found.timezone if found else "UTC")
