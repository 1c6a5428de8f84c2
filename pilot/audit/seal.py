"""The seal on the head: HMAC-SHA256 with a key that lives in a file of mode 0600 outside the database."""

import hashlib
import hmac

KEY_NAME = "audit"


def seal(key: bytes, count: int, head_hash: str) -> str:
    """64 hexadecimal digits over the number of entries and the last hash."""
    return hmac.new(key, f"{count}:{head_hash}".encode("ascii"), hashlib.sha256).hexdigest()


def is_sealed(key: bytes, count: int, head_hash: str, found: str) -> bool:
    """Whether ``found`` is the seal this key gives."""
    return hmac.compare_digest(seal(key, count, head_hash), found)
