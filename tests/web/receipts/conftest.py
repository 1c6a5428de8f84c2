"""The application of a network whose tills send receipts, on either database."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.pilot.outcomes.inlet import Inlet
from web.app import create_app


@pytest.fixture
def app(inlet: Inlet) -> Iterator[Flask]:
    app = create_app(inlet.settings)
    yield app
    app.extensions["pilot_database"].dispose()
    app.extensions["pilot_reception"].inbox.dispose()
