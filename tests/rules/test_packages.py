"""What the wheel carries: every folder with code, and every file beside the code that the product reads."""

import configparser
import glob

from tests.rules.house import ROOT, files, shown

READ_AT_RUN_TIME = frozenset(
    {".html", ".css", ".js", ".svg", ".woff2", ".mo", ".json", ".mako", ".txt", ".md", ".typed", ".png", ".ico"}
)
TOPS = {"experiments": "experiments", "pilot": "pilot", "web": "web", "migrations": "pilot.dbmigrations"}
READ_IN_THE_BROWSER = {"docs/methods": "web.method_pages"}  # documents without code that pages show


def setup() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", "utf-8")
    return found


def words(section: str, option: str) -> list[str]:
    return setup().get(section, option).split()


def test_every_folder_with_code_is_a_package_of_the_wheel() -> None:
    folders = {path.parent.relative_to(ROOT) for path in files(".py", *TOPS)}
    wanted = {".".join((TOPS[folder.parts[0]], *folder.parts[1:])) for folder in folders}
    assert sorted(words("options", "packages")) == sorted([*wanted, *READ_IN_THE_BROWSER.values()])


def test_every_folder_with_code_is_a_regular_package() -> None:
    folders = {path.parent for path in files(".py", *TOPS)}
    assert [shown(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_every_file_that_the_product_reads_is_in_the_package_data() -> None:
    carried = set()
    elsewhere = {package: folder for folder, package in (TOPS | READ_IN_THE_BROWSER).items()}
    for package in setup()["options.package_data"]:
        folder = ROOT / elsewhere.get(package, package.replace(".", "/"))
        for pattern in words("options.package_data", package):
            carried |= {folder / found for found in glob.glob(pattern, root_dir=folder, recursive=True)}
    wanted = {
        path
        for top in TOPS | READ_IN_THE_BROWSER
        for path in (ROOT / top).rglob("*")
        if path.suffix in READ_AT_RUN_TIME
    }
    assert sorted(shown(path) for path in wanted - carried) == []


def test_every_requirement_has_an_upper_bound() -> None:
    """A wheel ignores the lock: what it may be installed with stands in setup.cfg."""
    stubs_have_none = ("-stubs", "types-")
    requirements = setup().get("options", "install_requires").strip().splitlines()
    for extra in setup()["options.extras_require"]:
        requirements += setup().get("options.extras_require", extra).strip().splitlines()
    loose = [r for r in requirements if "<" not in r and "==" not in r and not any(s in r for s in stubs_have_none)]
    assert loose == []


def test_the_locks_pin_the_same_versions() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (ROOT / name).read_text("utf-8").splitlines()
        return dict(
            line.split(" ")[0].split("==", 1) for line in lines if "==" in line and not line.startswith((" ", "#"))
        )

    run, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: (version, dev.get(name)) for name, version in run.items() if dev.get(name) != version} == {}
