"""Pieces of HTML; every text is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from strategy_optimizer.number_texts import metric_text, score_text
from strategy_optimizer.report.drawing.svg import element, text_of

SCORE = "composite_score"
LONG = 28  # letters from which a cell of a table may be broken anywhere
PEOPLE = ("sharpe", "sortino", "calmar")


def paragraph(text: str, class_: str | None = None) -> str:
    """Return a paragraph of plain text."""
    return element("p", text_of(text), class_=class_)


def bullets(texts: Iterable[str]) -> str:
    """Return a list of plain texts; empty for none."""
    items = "".join(element("li", text_of(text)) for text in texts)
    return element("ul", items) if items else ""


def section(key: str, title: str, *parts: str) -> str:
    """Return a section with its heading."""
    return element("section", element("h2", text_of(title)), *parts, id=key)


def subheading(text: str) -> str:
    """Return a heading inside a section."""
    return element("h3", text_of(text))


def chart(svg: str) -> str:
    """Return a figure in a box that scrolls on a narrow screen."""
    return element("div", svg, class_="chart")


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: Sequence[int] = (0,),
    groups: Sequence[tuple[str, int]] = (),
    class_: str | None = None,
) -> str:
    """Return a table of plain texts.

    Parameters
    ----------
    headings : sequence of str
    rows : iterable of sequence of str
        The first text of each is its heading.
    left : sequence of int
        The columns of words; the others are numbers.
    groups : sequence of (str, int)
        Headings above the headings, and how many columns each one spans.
    class_ : str, optional
    """

    def cell(kind: str, text: str, column: int, **more: object) -> str:
        kinds = [*(() if column in left else ("number",)), *(("long",) if len(text) > LONG else ())]
        return element(kind, text_of(text), class_=" ".join(kinds) or None, **more)

    head = "".join(cell("th", text, i, scope="col") for i, text in enumerate(headings))
    body = "".join(
        element(
            "tr",
            *(
                cell("td" if i else "th", text, i, **({} if i else {"scope": "row"}))
                for i, text in enumerate(row)
            ),
        )
        for row in rows
    )
    above = "".join(element("th", text_of(text), colspan=span, scope="colgroup") for text, span in groups)
    heads = (element("tr", above) if groups else "") + element("tr", head)
    whole = element("table", element("thead", heads), element("tbody", body))
    return element("div", whole, class_="table" if class_ is None else f"table {class_}")


def name_text(name: str) -> str:
    """Return a metric's name for people.

    >>> name_text("max_drawdown"), name_text("sharpe_ratio"), name_text("composite_score")
    ('max drawdown', 'Sharpe ratio', 'score')
    """
    if name in (SCORE, "score"):
        return "score"
    first, *others = name.split("_")
    return " ".join([first.capitalize() if first in PEOPLE else first, *others])


def number_text(name: str, value: Any) -> str:
    """Return a metric or a score for people; words where there is none.

    >>> number_text("sharpe_ratio", {"not_enough": "not enough trades: found 3, needed 20"})
    'not known'
    """
    if isinstance(value, dict):
        return "not known"
    return score_text(value) if name in (SCORE, "score") else metric_text(name, value)


def share_text(value: Any, digits: int = 1) -> str:
    """Return a share as percent."""
    return f"{value:.{digits}%}" if isinstance(value, (int, float)) else "-"


def lacking_of(value: Any) -> str | None:
    """Return why there is no number, where a value says so."""
    return str(value["not_enough"]) if isinstance(value, dict) and "not_enough" in value else None
