"""The package itself: light to import, an exact list of public names, messages that read as sentences."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import experiments
from experiments import errors
from experiments.errors import ExperimentError, NotEstimable
from experiments.messages import Message

ROOT = Path(experiments.__file__).parent


def test_importing_the_package_and_all_its_modules_loads_no_heavy_library() -> None:
    modules = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(ROOT.rglob("*.py"))
    ]
    heavy = ["pandas", "scipy.stats", "statsmodels", "ibis", "altair", "rustworkx"]
    program = (
        f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists_and_no_other_is_promised() -> None:
    assert experiments.__all__ == sorted(set(experiments.__all__))
    for name in experiments.__all__:
        assert getattr(experiments, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lift'"):
        experiments.lift  # noqa: B018 - the access is what is tested


def test_type_checkers_see_exactly_the_public_names() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = sorted(alias.asname or "" for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names)
    assert seen == experiments.__all__


def test_every_error_has_a_code_of_its_own() -> None:
    classes = [
        c
        for c in vars(errors).values()
        if isinstance(c, type) and issubclass(c, ExperimentError) and c not in (ExperimentError, NotEstimable)
    ]
    assert len({c.code for c in classes}) == len(classes) > 15


def test_an_error_speaks_english_and_carries_its_message() -> None:
    error = errors.DuplicateUnit(unit="s001")
    assert str(error) == "unit 's001' appears twice; each unit may appear once"
    assert (error.message.code, dict(error.message.values)) == ("duplicate_unit", {"unit": "s001"})


def test_a_message_survives_json() -> None:
    message = Message("few", "only {n} units", {"n": 3})
    assert Message.from_dict(json.loads(json.dumps(message.to_dict()))) == message
    assert str(message) == "only 3 units"
