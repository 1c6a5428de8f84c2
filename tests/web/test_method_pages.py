"""The pages of the methods in the browser: all of them, without inline styles, every link leads somewhere."""

import re
from collections.abc import Callable
from pathlib import Path

from flask.testing import FlaskClient

from web.methods import method_page

SignIn = Callable[[str], FlaskClient]
PAGES = sorted(path.stem for path in (Path(__file__).parents[2] / "docs" / "methods").glob("*.md"))


def address(name: str) -> str:
    return f"/methods/{name}"


def test_every_page_of_the_methods_can_be_read_and_its_links_lead_somewhere() -> None:
    for name in PAGES:
        found = method_page(name, address)
        assert found is not None, name
        assert found.title, name
        assert "style=" not in found.body, name  # the content security policy forbids it
        for href in re.findall(r'href="([^"]*)"', found.body):
            assert href.startswith("https://") or href.removeprefix("/methods/").split("#")[0] in PAGES, (name, href)


def test_whoever_is_signed_in_reads_a_method_under_its_title(as_person: SignIn) -> None:
    for who in ("manager", "auditor"):
        page = as_person(who).get("/methods/permutation").text
        assert re.search(r"<h1[^>]*><span lang=.en.>Permutation over the recorded mechanism</span>", page)
        assert 'href="/methods/unit_means"' in page
    assert 'href="/methods/permutation"' in as_person("executive").get("/methods/").text


def test_the_text_of_a_page_is_never_markup_and_its_tables_look_like_the_others() -> None:
    rates = method_page("README", address)
    assert rates is not None
    assert '<table class="table" tabindex="0">' in rates.body
    assert all("<script" not in found.body for name in PAGES if (found := method_page(name, address)))


def test_a_name_that_is_no_page_is_not_found(as_person: SignIn) -> None:
    manager = as_person("manager")
    for name in ("nothing", "..%2Fmethods%2Fpower", "%2e%2e", "README.md", "Permutation"):
        assert manager.get(f"/methods/{name}").status_code == 404, name


def test_the_metric_library_leads_to_the_methods(as_person: SignIn) -> None:
    page = as_person("manager").get("/metric-library/").text
    assert 'href="/methods/store_total"' in page
    assert 'href="/methods/permutation"' in page
