"""Passwords: what is accepted, how they are kept (argon2id), and a check that takes as long for unknown people."""

from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from pilot.access.errors import WeakPassword

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 256  # a longer one only makes the hash slow


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@lru_cache(maxsize=1)
def _hash_of_nobody() -> str:
    return _hasher().hash("nobody has this password")


def hash_password(password: str, *, unlike: tuple[str, ...]) -> str:
    """The argon2id hash; ``WeakPassword`` for one too short, too long, monotonous, or equal to one of ``unlike``."""
    known = {word.casefold() for word in unlike}
    fits = LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS
    if not fits or len(set(password)) < 4 or password.casefold() in known:
        raise WeakPassword(least=LEAST_CHARACTERS, most=MOST_CHARACTERS)
    return _hasher().hash(password)


def is_password(stored: str | None, password: str) -> bool:
    """Whether ``password`` made ``stored``. Without a stored hash it works just as long and says no."""
    try:
        matches = _hasher().verify(stored or _hash_of_nobody(), password[: MOST_CHARACTERS + 1])
    except (VerifyMismatchError, InvalidHashError):
        return False
    return matches and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher().check_needs_rehash(stored)
