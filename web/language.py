"""Which language a page speaks: the person's, else the installation's; flask-babel and pilot.words agree."""

from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

from babel import Locale
from flask import Flask, g, request
from flask_babel import Babel
from flask_login import current_user

from pilot.words import DOMAIN, TRANSLATIONS, speaking
from web.work import settings

ENGLISH = "en"


def languages() -> list[str]:
    """English and every language that has a compiled catalogue."""
    return list(_languages_in(TRANSLATIONS))


@lru_cache(maxsize=4)
def _languages_in(folder: Path) -> tuple[str, ...]:
    """Catalogues come with a release: every request asks, the disk is asked once."""
    compiled = folder.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")
    return ENGLISH, *sorted({path.parts[-3] for path in compiled} - {ENGLISH})


def language_names() -> list[tuple[str, str]]:
    """(code, the language's own name) for a choice."""
    return [(code, str(Locale.parse(code).display_name).capitalize()) for code in languages()]


def current_language() -> str:
    """The language of this request."""
    if "language" not in g:
        wanted = current_user.language if current_user and current_user.is_authenticated else settings().language
        g.language = wanted if wanted in languages() else ENGLISH
    return str(g.language)


def register_language(app: Flask) -> None:
    """Let flask-babel read our catalogues, and let ``pilot.words`` speak the same language during the request."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    app.config["BABEL_DOMAIN"] = DOMAIN
    Babel(app, locale_selector=current_language)

    @app.before_request
    def speak() -> None:
        if request.endpoint != "static":
            g.speech = ExitStack()
            g.speech.enter_context(speaking(current_language()))

    @app.teardown_request
    def fall_silent(_error: BaseException | None) -> None:
        speech: ExitStack | None = g.pop("speech", None)
        if speech is not None:
            speech.close()
