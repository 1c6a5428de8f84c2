"""Every metric, method and check that a report can name has its page."""

import re
from pathlib import Path

import pytest

from experiments import Method, MetricKind

PAGES = Path(__file__).parents[2] / "docs" / "methods"
INDEX = (PAGES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(MetricKind))
def test_every_metric_has_a_page(kind: MetricKind) -> None:
    text = (PAGES / f"{kind.value}.md").read_text(encoding="utf-8")
    assert "**Definition.**" in text
    assert "**Watch out.**" in text


@pytest.mark.parametrize("method", list(Method))
def test_every_method_is_in_the_index(method: Method) -> None:
    assert f"`{method.value}`" in INDEX


@pytest.mark.parametrize("module", ["permutation", "unit_means", "cluster_robust", "welch"])
def test_every_estimator_has_a_page(module: str) -> None:
    text = (PAGES / f"{module}.md").read_text(encoding="utf-8")
    for part in ("**When.**", "**Formula.**", "**Assumes.**", "**What goes wrong.**"):
        assert part in text
    assert re.search(r"\*\*References?\.\*\*", text)


def test_every_link_between_pages_leads_somewhere_and_no_page_is_lost() -> None:
    linked = set(re.findall(r"\]\(([a-z_]+\.md)\)", INDEX))
    assert linked == {path.name for path in PAGES.glob("*.md")} - {"README.md"}
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([a-z_]+\.md)\)", page.read_text(encoding="utf-8")):
            assert (PAGES / target).exists(), f"{page.name} → {target}"
