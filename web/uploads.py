"""Uploaded files between two pages: kept under the home with who brought them, until imported or two days old."""

import json
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from werkzeug.datastructures import FileStorage
from werkzeug.utils import secure_filename

from pilot.errors import NotFound
from pilot.imports.model import ImportKind
from pilot.settings import Settings
from pilot.words import N_

KEPT_SECONDS = 2 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in. ``token`` names it in addresses."""

    token: str
    kind: ImportKind
    filename: str
    path: Path


def keep(settings: Settings, file: FileStorage, kind: ImportKind) -> Upload:
    """Write an uploaded file to the home; uploads that nobody imported for two days go."""
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(folder)
    token = secrets.token_hex(16)
    (folder / token).mkdir(mode=0o700)
    filename = secure_filename(file.filename or "") or "file"
    upload = Upload(token, kind, filename, folder / token / "content")
    file.save(upload.path)
    (folder / token / "about.json").write_text(json.dumps({"kind": str(kind), "filename": filename}), "utf-8")
    return upload


def find(settings: Settings, token: str) -> Upload:
    """The upload named ``token``; ``NotFound`` where it is gone."""
    folder = _folder(settings) / token
    about = folder / "about.json"
    if not (token.isascii() and token.isalnum() and about.is_file()):
        raise NotFound(kind=N_("uploaded file"), name=token[:32])
    found = json.loads(about.read_text("utf-8"))
    return Upload(token, ImportKind(found["kind"]), found["filename"], folder / "content")


def remove(settings: Settings, token: str) -> None:
    """Delete an upload that is no longer needed."""
    if token.isascii() and token.isalnum():
        shutil.rmtree(_folder(settings) / token, ignore_errors=True)


def _folder(settings: Settings) -> Path:
    return settings.home / "uploads"


def _sweep(folder: Path) -> None:
    for old in folder.iterdir():
        if old.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
