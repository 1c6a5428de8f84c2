"""The pages, one blueprint a topic."""

from flask import Flask

from web.pages import account, audit, demo, home, keys, operations, programs, session, users

TOPICS = (account, audit, demo, home, keys, operations, programs, session, users)


def register_pages(app: Flask) -> None:
    """Put every topic's blueprint on the application."""
    for topic in TOPICS:
        app.register_blueprint(topic.pages)
