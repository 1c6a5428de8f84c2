"""Who may import whom, and that importing does nothing else."""

import subprocess
import sys
from pathlib import Path

from tests.rules.house import ROOT, files

IMPORT_EVERYTHING = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
"""


def test_the_contracts_of_the_house_are_kept() -> None:
    script = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([script, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def test_importing_any_module_touches_no_file(tmp_path: Path) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in files(".py", "pilot", "experiments", "web")
        if path.name != "__main__.py"
    ]
    environment = {"HOME": str(tmp_path), "PILOT_HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_EVERYTHING, *modules],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert list(tmp_path.iterdir()) == []
