"""The canonical text that hashes travel with: sorted keys, no floats, the same on every database and machine."""

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any


class NotCanonical(TypeError):
    """A value that has no canonical form (a float, a set, an entity)."""


def canonical_text(value: Any) -> str:
    """JSON with sorted keys and no spaces; decimals, dates, instants as strings; floats raise ``NotCanonical``."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def sha256_hex(text: str) -> str:
    """SHA-256 of the UTF-8 bytes of ``text``, in 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {_key(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    raise NotCanonical(f"{type(value).__name__} {value!r} has no canonical form; write decimals as strings")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise NotCanonical(f"key {key!r} is not a string")
    return key
