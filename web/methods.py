"""The pages of docs/methods in the product: Markdown to HTML without inline styles, links from page to page."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

INDEX = "README"
_NAME = re.compile(r"[a-z0-9_]+")
_RIGHT = "text-align:right"


@dataclass(frozen=True, slots=True)
class MethodPage:
    """A page: its first heading, and the rest as HTML of our own making (HTML in the source stays text)."""

    title: str
    body: str


def method_page(name: str, address: Callable[[str], str]) -> MethodPage | None:
    """The page of this name (``INDEX``: the list of all), links to other pages by ``address``; None where none is."""
    if name != INDEX and not _NAME.fullmatch(name):
        return None
    source = _folder() / f"{name}.md"
    if not source.is_file():
        return None
    markdown = _markdown()
    tokens = markdown.parse(source.read_text(encoding="utf-8"))
    title, tokens = _without_title(tokens)
    for token in tokens:
        _tidy(token)
        if token.children:
            token.children = _linked(token.children, address)
    return MethodPage(title, str(markdown.renderer.render(tokens, markdown.options, {})))


def has_page(name: str) -> bool:
    """Whether there is a page of this name."""
    return bool(_NAME.fullmatch(name)) and (_folder() / f"{name}.md").is_file()


def _folder() -> Traversable:
    """Inside the installed package; in a checkout the pages lie in the folder of the documents."""
    packaged = files("web") / "method_pages"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "docs" / "methods"


@cache
def _markdown() -> MarkdownIt:
    # HTML in the text stays text: the pages need none, and nothing they say becomes markup by accident.
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _without_title(tokens: Sequence[Token]) -> tuple[str, list[Token]]:
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        return tokens[1].content, list(tokens[3:])
    return "", list(tokens)


def _tidy(token: Token) -> None:
    """Classes instead of inline styles, which the content security policy forbids; tables look like the others."""
    if token.type == "table_open":
        token.attrSet("class", "table")
        token.attrSet("tabindex", "0")  # it scrolls on a small screen, so the keyboard must reach it
    elif token.attrs.pop("style", "") == _RIGHT:
        token.attrSet("class", "number")


def _linked(tokens: Sequence[Token], address: Callable[[str], str]) -> list[Token]:
    """Links to other method pages lead there, links to the web stay, others become plain text."""
    kept, open_links = [], []
    for token in tokens:
        if token.type == "link_open":
            href = str(token.attrGet("href") or "")
            found = re.fullmatch(r"([a-z0-9_]+|README)\.md", href)
            if found:
                token.attrSet("href", address(found.group(1)))
            stays = bool(found) or href.startswith(("https://", "http://"))
            open_links.append(stays)
        elif token.type == "link_close":
            stays = open_links.pop()
        else:
            stays = True
        if stays:
            kept.append(token)
    return kept
