"""The files of the project, for the rules that look at them."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = frozenset({".git", ".venv", "var", "build", "dist", "node_modules", "vendor", "__pycache__"})


def files(suffix: str, *folders: str) -> Iterator[Path]:
    """Our own files that end in ``suffix``, under ``folders`` (default: everywhere), sorted."""
    for top in [ROOT / folder for folder in folders] or [ROOT]:
        for path in sorted(top.rglob(f"*{suffix}")):
            parts = path.relative_to(ROOT).parts
            hidden = any(part.startswith(".") and part not in (".ci",) for part in parts[:-1])
            if path.is_file() and not hidden and not _NOT_OURS & set(parts) and not parts[0].endswith(".egg-info"):
                yield path


def shown(path: Path) -> str:
    """``path`` as a reader of the project names it."""
    return str(path.relative_to(ROOT))
