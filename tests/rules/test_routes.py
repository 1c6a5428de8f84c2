"""Every route asks for a permission or stands in the list of those that anybody may open."""

import pytest
from flask import Flask

from pilot.access.permissions import Permission, Scope
from pilot.database import Database
from web.app import create_app
from web.auth import PUBLIC, KeyRule, Rule, rule_of


@pytest.fixture
def app(sqlite_database: Database) -> Flask:
    return create_app(sqlite_database.settings)


def test_every_route_has_a_rule_or_is_public(app: Flask) -> None:
    unruled = [name for name, view in app.view_functions.items() if rule_of(view) is None and name not in PUBLIC]
    assert unruled == []


def test_the_public_list_names_routes_that_exist_and_have_no_rule(app: Flask) -> None:
    assert sorted(PUBLIC - set(app.view_functions)) == []
    assert [name for name in PUBLIC if rule_of(app.view_functions[name]) is not None] == []


def test_every_rule_names_a_permission_or_scope_of_ours(app: Flask) -> None:
    for name, view in app.view_functions.items():
        rule = rule_of(view)
        if isinstance(rule, Rule):
            assert rule.permission in set(Permission), name
        if isinstance(rule, KeyRule):
            assert rule.scope in set(Scope), name


def test_public_routes_only_read_or_bring_their_own_authority(app: Flask) -> None:
    changing = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint in PUBLIC and (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
    }
    assert changing <= {
        "session.sign_in",
        "session.set_password",
        "session.choose_language",
        "unsubscribe.confirm",
    }
