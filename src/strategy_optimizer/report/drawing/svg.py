"""Elements of SVG as text; every text and attribute is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH = 960  # of all figures, in units of their own; the page scales them
LETTER = 7.4  # mean width of a letter of the labels


def element(name: str, *content: str, **attributes: object) -> str:
    """Return an element; an underscore in an attribute's name becomes a hyphen, one at its end goes.

    >>> element("text", text_of("a < b"), x=3.0, class_="label")
    '<text x="3" class="label">a &lt; b</text>'
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{shown}>{''.join(content)}</{name}>" if content else f"<{name}{shown}/>"


def _attribute(value: object) -> str:
    """Return a number with at most two digits after the point, which is what a figure can show."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text_of(value: object) -> str:
    """Return escaped text."""
    return escape(str(value))


def label(
    text: str, x: float, y: float, *, most: int = 40, anchor: str = "start", class_: str = "label"
) -> str:
    """Return a text, shortened to `most` letters; the whole of it is then its tooltip."""
    short = shortened(text, most)
    whole = element("title", text_of(text)) if short != text else ""
    return element("text", whole + text_of(short), x=x, y=y, text_anchor=anchor, class_=class_)


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` letters.

    >>> shortened("threshold", 6)
    'thres…'
    """
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"


def figure(height: float, title: str, description: str, *parts: str, **attributes: object) -> str:
    """Return a whole figure; title and description are for those who do not see it."""
    return element(
        "svg",
        element("title", text_of(title)),
        element("desc", text_of(description)),
        *parts,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        **attributes,
    )


def legend(names: Sequence[str], x: float, y: float, width: float, mark: str = "line") -> tuple[str, float]:
    """Return a legend that begins a new row where a name would not fit, and its height."""
    parts, left, top = [], x, y
    for i, name in enumerate(names):
        wide = 46 + LETTER * len(shortened(name, 48))
        if left > x and left + wide > x + width:
            left, top = x, top + 18
        if mark == "line":
            parts.append(element("line", x1=left, x2=left + 20, y1=top - 4, y2=top - 4, class_=f"line s{i}"))
        else:
            parts.append(element("circle", cx=left + 10, cy=top - 4, r=4, class_=f"dot f{i}"))
        parts.append(label(name, left + 26, top, most=48))
        left += wide
    return "".join(parts), top - y + 18
