"""What was acknowledged is in the lake once, whoever is killed and when: the short form of ``soak_kills``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PostgresServer
from tests.survival.campaign import Campaign, Kills
from tests.survival.shop import Shop

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]  # servers on the loopback

FEW = Kills(web=1, worker=1, importer=1, drain=1, commit=1, compaction=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    home = tmp_path / "home"
    if request.param == "sqlite":
        opened = Shop.open(home, None)
        yield opened
        opened.close()
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    url = postgres.new_database(migrated=False)
    opened = Shop.open(home, url)
    yield opened
    opened.close()
    postgres.drop(url)


def test_nothing_is_lost_and_nothing_is_twice_whoever_is_killed(shop: Shop) -> None:
    campaign = Campaign(shop, seed=20261122)
    tills = campaign.run(FEW)
    campaign.check(tills)
    assert campaign.done["web"] == FEW.web
    assert campaign.done["worker"] == FEW.worker
    for phase in ("drain", "commit", "compaction"):
        assert campaign.done[f"worker in {phase}"] == 1
    assert tills.acknowledged
