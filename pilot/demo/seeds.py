"""Seeds of the demonstration: every stream has a name, and its SHA-256 is the seed. Fixed before the first run."""

import hashlib

import numpy as np

DEMO = "pilot-demo-2017"


def seed_of(*names: str | int) -> int:
    """The stream's seed: SHA-256 of the names joined by ``/``, as an integer of 256 bits."""
    text = "/".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest(), "big")


def stream(*names: str | int) -> np.random.Generator:
    """A generator of its own for this purpose; the bit generator is named, so it does not change with numpy."""
    return np.random.Generator(np.random.PCG64(seed_of(*names)))


def demo_entropy() -> bytes:
    """What the demonstration passes where production passes the operating system's randomness: 32 bytes."""
    return hashlib.sha256(DEMO.encode("utf-8")).digest()
