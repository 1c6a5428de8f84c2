"""The words of pages in the reader's language: ``_`` and ``ngettext`` as flask-babel has them, typed."""

from typing import Any

import flask_babel


def _(template: str, **values: Any) -> str:
    """``template`` translated, with its ``%(name)s`` places filled."""
    return str(flask_babel.gettext(template, **values))


def ngettext(one: str, many: str, num: int) -> str:
    """The form of a sentence that fits ``num``, which it may show as ``%(num)d``."""
    return str(flask_babel.ngettext(one, many, num))
