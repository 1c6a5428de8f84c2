"""The menu: what leads where, and who sees it."""

from dataclasses import dataclass

from flask import request, url_for

from pilot.access.permissions import Permission
from web.auth import PUBLIC, Rule, may, rule_of
from web.words import _
from web.work import settings

_BELONGS_TO = {"quarantine": "imports"}  # pages without an item of their own


@dataclass(frozen=True, slots=True)
class Item:
    label: str
    icon: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    items: list[Item]


def navigation() -> list[Group]:
    """The groups of the menu with the items that the signed-in person may open."""
    groups = [
        (
            "",
            [
                ("home.show", _("Home"), "home"),
                ("pilots.show_all", _("Pilots"), "pilots"),
                ("programs.show_all", _("Programs"), "programs"),
                ("metric_library.show", _("Metrics"), "metrics"),
                ("assignments.look_up", _("Who gets what"), "lookup"),
            ],
        ),
        (
            _("Network"),
            [
                ("network.show", _("Stores"), "network"),
                ("segments.show_all", _("Segments"), "segments"),
                ("calendar.show", _("Calendar"), "calendar"),
                ("imports.show_all", _("Imports"), "imports"),
            ],
        ),
        (
            _("Administration"),
            [
                ("users.show_all", _("People"), "users"),
                ("policy.show", _("Who signs what"), "policy"),
                ("keys.show_all", _("API keys"), "keys"),
                ("webhooks.show_all", _("Mail and webhooks"), "webhooks"),
                ("audit.show", _("Audit log"), "audit"),
            ],
        ),
    ]
    if settings().demo:
        groups.append((_("Demonstration"), [("demo.show", _("What is real here?"), "demo")]))
    shown = [Group(label, [_item(*row) for row in rows if _may_open(row[0])]) for label, rows in groups]
    return [group for group in shown if group.items]


def _item(endpoint: str, label: str, icon: str) -> Item:
    room = _BELONGS_TO.get(request.blueprint or "", request.blueprint)
    is_current = room == endpoint.split(".")[0]
    return Item(label, icon, url_for(endpoint), is_current)


def _may_open(endpoint: str) -> bool:
    from flask import current_app

    rule = rule_of(current_app.view_functions[endpoint])
    return endpoint in PUBLIC or (isinstance(rule, Rule) and may(Permission(rule.permission)))
