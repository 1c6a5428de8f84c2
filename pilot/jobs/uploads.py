"""Files that people brought to the pages: they hold names and phones, so they go as soon as nobody needs them."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from pilot.settings import Settings

KEPT = timedelta(days=2)


def forget_upload(settings: Settings, file: Path) -> None:
    """Delete an uploaded file with its folder; a file from anywhere else is left alone."""
    if file.parent.parent == settings.home / "uploads":
        shutil.rmtree(file.parent, ignore_errors=True)


def sweep_uploads(settings: Settings, now: datetime) -> None:
    """Delete uploads that nobody has imported within two days of the wall clock."""
    folder = settings.home / "uploads"
    for upload in folder.iterdir() if folder.is_dir() else ():
        if upload.stat().st_mtime < (now - KEPT).timestamp():
            shutil.rmtree(upload, ignore_errors=True)
