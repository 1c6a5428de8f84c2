"""The seal on the head: HMAC-SHA256 with a key that lives in a file of mode 0600 outside the database."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from pilot.errors import Misconfigured
from pilot.settings import Settings

KEY_FILE = "audit.key"


class SealKeyMissing(Misconfigured):
    """Entries exist but the key that sealed them does not: it must be put back, never made anew."""

    code = "seal_key_missing"
    template = "The audit seal's key {path} is missing. Put it back from where you keep your keys."


def key_path(settings: Settings) -> Path:
    return settings.keys_dir / KEY_FILE


def create_key(settings: Settings) -> bytes:
    """Make the key once; a second call (or a second process at the same moment) reads the first one's key."""
    path = key_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        fresh.unlink()
    return read_key(settings)


def read_key(settings: Settings) -> bytes:
    """The key's bytes; ``SealKeyMissing`` where the file is absent."""
    path = key_path(settings)
    if not path.is_file():
        raise SealKeyMissing(path=str(path))
    return bytes.fromhex(path.read_text("ascii").strip())


def seal(key: bytes, count: int, head_hash: str) -> str:
    """64 hexadecimal digits over the number of entries and the last hash."""
    return hmac.new(key, f"{count}:{head_hash}".encode("ascii"), hashlib.sha256).hexdigest()


def is_sealed(key: bytes, count: int, head_hash: str, found: str) -> bool:
    return hmac.compare_digest(seal(key, count, head_hash), found)
