"""The tour shows every part of the governed pilot, each kept by a journey of its own name."""

import re

from tests.rules.house import ROOT

TOUR = ROOT / "docs" / "tour.md"


def parts() -> dict[str, str]:
    """Heading → name of its picture, in the order of the page."""
    found = re.findall(r"^### (.+?)\n.*?\(images/tour/(\w+)\.png\)", TOUR.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return dict(found)


def test_the_tour_has_all_its_parts() -> None:
    assert len(parts()) == 18


def test_every_part_has_its_picture() -> None:
    missing = [name for name in parts().values() if not (ROOT / "docs/images/tour" / f"{name}.png").is_file()]
    assert missing == []


def test_every_part_has_a_journey_that_keeps_its_picture() -> None:
    for name in parts().values():
        journey = ROOT / "tests" / "journeys" / f"test_{name}.py"
        assert journey.is_file(), name
        assert re.search(rf"\.keep\(\s*\"{name}\"", journey.read_text("utf-8")), name
