"""Texts from outside, as any database takes them."""

from __future__ import annotations

LONGEST = 2000


def clean(text: str, longest: int = LONGEST) -> str:
    r"""Return a text that any database takes, cut where it gets too long.

    >>> clean("a\0b\ud800"), clean("abcdef", 5)
    ('a?b?', 'ab...')
    """
    text = text.replace("\0", "?").encode("utf-8", "replace").decode()
    return text if len(text) <= longest else text[: longest - 3] + "..."
