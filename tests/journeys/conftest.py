"""A live server for a real Chromium: the small house on any day of its story, with a worker beside."""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_socket import disable_socket, enable_socket
from sqlalchemy import select
from werkzeug.serving import make_server

from pilot.database import Database
from pilot.jobs.model import JobRun, JobState
from pilot.jobs.running import run
from pilot.jobs.service import beat
from pilot.settings import Settings
from tests.web.house import GATE_DAY, PASSWORD, House, build_house
from web.app import create_app
from web.gunicorn_hooks import warm_up

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
logging.getLogger("werkzeug").setLevel(logging.ERROR)  # one line a request is not what a failed journey needs

SCREENSHOTS = Path(__file__).parents[2] / "var" / "screenshots"
TOUR = Path(__file__).parents[2] / "docs" / "images" / "tour"
KEEPS_PICTURES = bool(os.environ.get("PILOT_TOUR"))  # read here: a test sees no PILOT_… variable of the shell
WIDTHS = (1280, 390)
expect.set_options(timeout=30_000)  # two of these run at once on two cores; what is never there still fails


def chromium() -> str:
    """The installed browser; a test run without one fails, it does not skip."""
    names = (os.environ.get("PILOT_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "no Chromium: install the package chromium, or name one in PILOT_CHROMIUM"
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": chromium(), "args": CHROMIUM_FLAGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 900}, "locale": "en-US"}


@pytest.fixture(autouse=True)
def sockets_on_this_machine() -> Iterator[None]:
    """Sockets for the browser and the server of this test, nowhere else in the suite."""
    enable_socket()
    yield
    disable_socket(allow_unix_socket=True)


@pytest.fixture(scope="session")
def finished_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The house with a pilot at its gate; only read by those who share it."""
    warm_up()
    return build_house(tmp_path_factory.mktemp("house") / "home")


@pytest.fixture
def serve() -> Iterator[Callable[[Settings], str]]:
    """``serve(settings)``: the address of a server and a worker, until the next call (another day) or the end."""
    stops: list[Callable[[], None]] = []

    def start(settings: Settings) -> str:
        _stop_all(stops)
        app = create_app(settings)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        over = threading.Event()
        worker = threading.Thread(target=_work, args=(settings, over), daemon=True)
        thread.start()
        worker.start()

        def stop() -> None:
            over.set()
            server.shutdown()
            thread.join()
            worker.join()
            server.server_close()
            app.extensions["pilot_database"].dispose()

        stops.append(stop)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    _stop_all(stops)


def _stop_all(stops: list[Callable[[], None]]) -> None:
    while stops:
        stops.pop()()


def _work(settings: Settings, over: threading.Event) -> None:
    """What a worker does: say that it is alive, and do what waits."""
    database = Database(settings)
    while not over.wait(0.2):
        with database.unit_of_work() as session:
            beat(session, now=settings.wall_clock())
            waiting = session.scalars(select(JobRun.code).where(JobRun.state == JobState.QUEUED)).all()
        for code in waiting:
            run(code, settings)
    database.dispose()


@pytest.fixture
def house(tmp_path: Path, finished_house: House) -> Settings:
    """A copy of the house for a test that changes it."""
    with finished_house.network.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    home = tmp_path / "home"
    shutil.copytree(finished_house.settings.home, home)
    return finished_house.settings_on(GATE_DAY).model_copy(update={"home": home})


class Visitor:
    """A person at a browser of their own. Anything the browser complains about fails the test."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, locale: str = "en-US") -> None:
        self.address = address
        self.context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self._hear(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, kind: str, text: str) -> None:
        # A refusal that a page shows (409, 422) is also noted by the console; that is not a complaint about the page.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    def sign_in(self, email: str, password: str = PASSWORD) -> "Visitor":
        self.open("/sign-in")
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="Good day")).to_be_visible()
        return self

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def press(self, name: str, *, sure: bool = False) -> None:
        """Press the button once the page is all there; ``sure``: and say yes when asked."""
        self.page.wait_for_load_state()  # leaving while a script still comes breaks the line to the server
        self.page.get_by_role("button", name=name, exact=True).first.click()
        if sure:
            self.page.get_by_role("button", name="Yes, go on").click()

    def picks(self, label: str, codes: list[str]) -> None:
        """In the list of stores of this label tick exactly these."""
        group = self.page.get_by_role("group", name=label, exact=True)
        if not group.locator("details").evaluate("part => part.open"):
            group.locator("summary").click()
        for box in group.get_by_role("checkbox").all():
            box.set_checked(box.get_attribute("value") in codes)

    def keep(self, name: str, *, at: str | None = None) -> None:
        """The picture of this page for docs/tour.md, where ``PILOT_TOUR`` asks for it, from the element ``at`` on."""
        if KEEPS_PICTURES:
            if at:
                self.page.locator(at).first.scroll_into_view_if_needed()
            TOUR.mkdir(parents=True, exist_ok=True)
            self.page.wait_for_timeout(400)  # charts are drawn
            self.page.screenshot(path=TOUR / f"{name}.png", animations="disabled")

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """``visit(address, "manager")``: a signed-in person; at the end nobody's browser may have complained."""
    visitors: list[Visitor] = []

    def open_browser(address: str, name: str | None = None, width: int = 1280) -> Visitor:
        visitor = Visitor(browser, address, width)
        visitors.append(visitor)
        return visitor.sign_in(f"{name}@example.org") if name else visitor

    yield open_browser
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for visitor in visitors:
        visitor.context.close()
    assert complaints == []


def on(settings: Settings, day: date) -> Settings:
    """The same installation with its clock on another day."""
    from tests.pilot.evidence.small_network import day_at

    return settings.model_copy(update={"fixed_now": day_at(day)})
