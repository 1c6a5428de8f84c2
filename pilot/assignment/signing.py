"""The signature of bundles: Ed25519 by a key of this installation, whose public half tills are given by hand."""

import hmac
from base64 import b64encode
from hashlib import sha256

from pilot.keys import read_or_make_key
from pilot.settings import Settings

FORMAT = "pilot-bundle-1"
_KEY_NAME = "bundle"


def public_key(settings: Settings) -> bytes:
    """The 32 bytes with which a till checks bundles."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(read_or_make_key(settings, _KEY_NAME))
    return private.public_key().public_bytes_raw()


def key_id(public: bytes) -> str:
    """A short name of a public key: the first eight bytes of its SHA-256, hexadecimal."""
    return sha256(public).hexdigest()[:16]


def signed(settings: Settings, payload: bytes) -> bytes:
    """One line with the format, the key's id and the signature of what follows it; then the payload itself."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(read_or_make_key(settings, _KEY_NAME))
    signature = b64encode(private.sign(payload)).decode("ascii")
    return f"{FORMAT} {key_id(public_key(settings))} {signature}\n".encode("ascii") + payload


def salt(settings: Settings, slot: int) -> bytes:
    """The salt of the hashes of ids in the bundles of one day: the same in every process, of no use elsewhere."""
    return hmac.digest(read_or_make_key(settings, _KEY_NAME), f"salt {slot}".encode("ascii"), "sha256")[:16]
