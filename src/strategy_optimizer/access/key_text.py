"""The text of a key: ``so_<id of 8>_<secret of 43><checksum of 6>``, letters and digits only.

The secret has 256 bits. The checksum is no secret: it tells a mistyped or invented key from a real one before the
database is asked, and lets scanners of code and logs find keys without false alarms.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

from strategy_optimizer.errors import NotAuthenticatedError

_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID, _SECRET, _CHECKSUM = 8, 43, 6  # 62**43 > 2**256, and 62**6 > 2**32
_SHAPE = rf"so_([0-9A-Za-z]{{{_ID}}})_([0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECKSUM}}})"
_KEY = re.compile(_SHAPE, re.ASCII)
_KEY_ANYWHERE = re.compile(rf"(so_[0-9A-Za-z]{{{_ID}}}_)[0-9A-Za-z]{{{_SECRET + _CHECKSUM}}}", re.ASCII)


@dataclass(frozen=True)
class KeyText:
    """A key that has the right form.

    Attributes
    ----------
    prefix : str
        ``so_<id>``: how it is found, and what may be shown.
    digest : bytes
        The SHA-256 of the whole text, which is what the store has.
    """

    prefix: str
    digest: bytes = field(repr=False)


def new_key_text() -> str:
    """Return the text of a new key.

    >>> text = new_key_text()
    >>> len(text), read_key_text(text).prefix == text[:11]
    (61, True)
    """
    body = f"so_{_random(_ID)}_{_random(_SECRET)}"
    return body + _checksum(body)


def read_key_text(text: str) -> KeyText:
    """Return what a key says.

    Raises
    ------
    NotAuthenticatedError
        When it is no key, or was not copied whole. The message does not repeat it.

    Examples
    --------
    >>> read_key_text("so_secret")
    Traceback (most recent call last):
    strategy_optimizer.errors.NotAuthenticatedError: this is no key; a key has 61 letters and begins with so_
    """
    found = _KEY.fullmatch(text)
    if found is None:
        raise NotAuthenticatedError("this is no key; a key has 61 letters and begins with so_")
    identifier, _, checksum = found.groups()
    if checksum != _checksum(text[:-_CHECKSUM]):
        raise NotAuthenticatedError("this key was not copied as it was shown: its checksum is wrong")
    return KeyText(f"so_{identifier}", hashlib.sha256(text.encode()).digest())


def mask_keys(text: str) -> str:
    """Return a text in which only the first letters of keys are left.

    >>> mask_keys("Bearer so_4fGh81Zq_" + 49 * "x")
    'Bearer so_4fGh81Zq_***'
    """
    return _KEY_ANYWHERE.sub(r"\1***", text)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _checksum(body: str) -> str:
    number, letters = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        number, place = divmod(number, len(_LETTERS))
        letters = _LETTERS[place] + letters
    return letters
