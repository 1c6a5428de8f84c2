"""Which language a page speaks: the person's choice, else the browser's, else the installation's."""

from contextlib import ExitStack
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from babel import Locale
from flask import Flask, Response, g, request
from flask_babel import Babel, refresh
from flask_login import current_user

from pilot.words import DOMAIN, TRANSLATIONS, speaking
from web.work import settings

ENGLISH = "en"
COOKIE = "pilot_language"
_COOKIE_LIVES = timedelta(days=365)


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
        g.language = installed_language() if _asks_a_program() else chosen_language() or browser_language()
    return str(g.language)


def chosen_language() -> str | None:
    """What the person chose: in the account, else by the cookie of the sign-in page; None: nothing that we speak."""
    own = current_user.language if current_user and current_user.is_authenticated else ""
    return next((wanted for wanted in (own, request.cookies.get(COOKIE, "")) if wanted in languages()), None)


def browser_language() -> str:
    """The best that the browser asks for (``Accept-Language`` with its weights), else the installation's."""
    ours = installed_language()
    # Named first, the installation's own wins where the browser takes any language.
    known = [ours, *(code for code in languages() if code != ours)]
    return request.accept_languages.best_match(known, ours) or ours


def installed_language() -> str:
    """The installation's language; English where there is no catalogue of it."""
    wanted = settings().language
    return wanted if wanted in languages() else ENGLISH


def remember_language(response: Response, language: str) -> None:
    """Keep the choice of somebody who is not signed in, in a cookie of its own."""
    response.set_cookie(
        COOKIE, language, max_age=_COOKIE_LIVES, httponly=True, samesite="Lax",
        secure=settings().public_url.startswith("https://"),
    )  # fmt: skip


def look_again() -> None:
    """The person has just chosen: what this request still says is in the new language."""
    g.pop("language", None)
    refresh()


def _asks_a_program() -> bool:
    """Tills and systems read the installation's language whatever their library sends; the API's page is for people."""
    return request.path.startswith("/api/") and request.path != "/api/"


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

    @app.after_request
    def tell_caches(response: Response) -> Response:
        if request.endpoint != "static" and not _asks_a_program():
            response.vary.update(("Accept-Language", "Cookie"))
            response.content_language.add(current_language())
        return response

    @app.teardown_request
    def fall_silent(_error: BaseException | None) -> None:
        speech: ExitStack | None = g.pop("speech", None)
        if speech is not None:
            speech.close()


def here() -> str:
    """The address of this page, to come back to it in another language; its path alone where that is unreadable."""
    try:
        return request.full_path if request.method == "GET" else request.path
    except UnicodeDecodeError:
        return request.path
