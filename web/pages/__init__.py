"""The pages, one blueprint a topic."""

from flask import Flask
from flask_wtf import CSRFProtect

from web.pages import (
    account,
    assignments,
    audit,
    break_even,
    brief,
    calendar,
    chapters,
    demo,
    design,
    exports,
    home,
    imports,
    jobs,
    keys,
    memo,
    methods,
    metric_library,
    network,
    operations,
    pilots,
    plan,
    policy,
    programs,
    quarantine,
    reports,
    segments,
    session,
    stages,
    submission,
    unsubscribe,
    users,
    webhooks,
    wizard,
)

TOPICS = (
    account, assignments, audit, break_even, brief, calendar, chapters, demo, design, exports, home, imports, jobs,
    keys, memo, methods, metric_library, network, operations, pilots, plan, policy, programs, quarantine, reports,
    segments, session, stages, submission, unsubscribe, users, webhooks, wizard,
)  # fmt: skip


def register_pages(app: Flask, csrf: CSRFProtect) -> None:
    """Put every topic's blueprint on the application.

    The link of a mail carries its own authority, and mail programs post to it without a form of ours (RFC 8058).
    """
    for topic in TOPICS:
        app.register_blueprint(topic.pages)
    csrf.exempt(unsubscribe.pages)
