"""Secret keys as files of mode 0600 in the keys directory, outside the database; made once, whoever asks first."""

import os
import secrets
from pathlib import Path

from pilot.errors import Misconfigured
from pilot.settings import Settings
from pilot.words import N_

_KEY_BYTES = 32


class KeyMissing(Misconfigured):
    """Something stored depends on a key that is not there: it must be put back, never made anew."""

    code = "key_missing"
    template = N_("The key {path} is missing. Put it back from where you keep your keys.")


class KeyDamaged(Misconfigured):
    code = "key_damaged"
    template = N_("{path} does not hold a key. Put the right one back from where you keep your keys.")


class KeyTooOpen(Misconfigured):
    code = "key_too_open"
    template = N_("Everybody on this machine can read the key {path}. Take that right away (chmod 600).")


def key_path(settings: Settings, name: str) -> Path:
    """Where the key called ``name`` lives (``audit``, ``session``, ``phone``, ``throttle``)."""
    return settings.keys_dir / f"{name}.key"


def read_or_make_key(settings: Settings, name: str) -> bytes:
    """The 32 bytes of the key, made from the system's randomness on first use.

    Several processes that ask at the same moment get the same key: the file appears whole, by a hard link, and whoever
    comes second reads the first one's.
    """
    path = key_path(settings, name)
    if path.is_file():
        return read_key(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        fresh.unlink()
    return read_key(settings, name)


def read_key(settings: Settings, name: str) -> bytes:
    """The key's bytes. ``KeyMissing``, ``KeyDamaged``; ``KeyTooOpen`` where others than owner and group can read it."""
    path = key_path(settings, name)
    if not path.is_file():
        raise KeyMissing(path=str(path))
    if path.stat().st_mode & 0o007:
        raise KeyTooOpen(path=str(path))
    try:
        found = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        raise KeyDamaged(path=str(path)) from None
    if len(found) != _KEY_BYTES:
        raise KeyDamaged(path=str(path))
    return found
