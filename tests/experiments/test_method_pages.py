"""Every metric, method and check that a report can name has its page."""

import re
from pathlib import Path

import pytest

from experiments import Method, MetricKind
from experiments.rows.methods import METHODS

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


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_a_row_is_in_the_index_and_has_a_page(method: str) -> None:
    assert f"`{method}`" in INDEX
    assert (PAGES / f"{METHODS[method]}.md").is_file()


@pytest.mark.parametrize("name", sorted({*METHODS.values(), "max_t", "dunnett", "random_intercept", "logistic"}))
def test_every_page_of_a_method_says_when_what_how_and_what_goes_wrong(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    for part in ("When", "Estimand", "Formula", "Assumes", "What goes wrong"):
        assert f"**{part}.**" in text, part
    assert re.search(r"\*\*References?\.\*\*", text)
    assert re.search(r"\*\*(Matches|Compared with)\.\*\*", text)
    assert "```python" in text


def test_every_link_between_pages_leads_somewhere_and_no_page_is_lost() -> None:
    linked = set(re.findall(r"\]\(([a-z_]+\.md)\)", INDEX))
    assert linked == {path.name for path in PAGES.glob("*.md")} - {"README.md"}
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([a-z_]+\.md)\)", page.read_text(encoding="utf-8")):
            assert (PAGES / target).exists(), f"{page.name} → {target}"
