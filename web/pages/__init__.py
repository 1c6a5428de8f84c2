"""The pages, one blueprint a topic."""

from flask import Flask

from web.pages import (
    account,
    assignments,
    audit,
    chapters,
    demo,
    home,
    imports,
    jobs,
    keys,
    network,
    operations,
    pilots,
    plan,
    programs,
    quarantine,
    reports,
    segments,
    session,
    stages,
    users,
)

TOPICS = (
    account, assignments, audit, chapters, demo, home, imports, jobs, keys, network, operations, pilots, plan, programs,
    quarantine, reports, segments, session, stages, users,
)  # fmt: skip


def register_pages(app: Flask) -> None:
    """Put every topic's blueprint on the application."""
    for topic in TOPICS:
        app.register_blueprint(topic.pages)
