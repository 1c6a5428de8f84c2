"""What was acknowledged is in the lake once, whoever is killed and when: the short form of ``soak_kills``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PostgresServer
from tests.survival.campaign import Act, Campaign, Kills
from tests.survival.shop import Shop

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]  # servers on the loopback

FEW: dict[str, Kills] = {
    "sqlite": {act: 1 for act in Act if act is not Act.IMPORTER_IN_PUBLISH},  # its commit is inside the publication
    "postgresql": dict.fromkeys([Act.WEB, Act.WORKER_IN_COMMIT, Act.IMPORTER_IN_COMMIT], 1),
}


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
    demanded = FEW["postgresql" if shop.settings.database_url else "sqlite"]
    campaign = Campaign(shop, seed=20261122, receipts_a_file=500)
    tills = campaign.run(demanded)
    found = campaign.check(tills)
    assert dict(campaign.done) == demanded
    assert found.promised == found.in_lake == len(tills.acknowledged) + len(campaign.imported)
    assert tills.acknowledged
