"""Still tables, drawn with the page's own elements: rows in, HTML out.

Nothing is loaded for them; Streamlit's own are 1.5 MB of program and the server's import of pandas, which the first
page would wait for.
"""

from collections.abc import Mapping, Sequence
from html import escape

from core import palette
from dashboard.drawing import theme
from dashboard.drawing.theme import NBSP


def table_html(rows: Sequence[Mapping[str, str]], label: str, height: int = 0) -> str:
    """Return a table as HTML; its looks are in page.css.

    Parameters
    ----------
    rows : at least one, all with the same columns; printable text but for the classes' marks.
        The first column names a row.
    label : what the table shows.
    height : pixels beyond which it scrolls; 0: never.
    """
    head = "".join(f'<th scope="col">{_text(title)}</th>' for title in rows[0])
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    kind, tall = ("smd-table smd-list", f' style="max-height: {height}px"') if height else ("smd-table", "")
    return (
        f'<div class="{kind}" role="region" aria-label="{escape(label)}" tabindex="0"{tall}>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(row: Mapping[str, str]) -> str:
    first, *rest = row.values()
    return f'<th scope="row">{_text(first)}</th>' + "".join(f"<td>{_text(text)}</td>" for text in rest)


def _text(text: str) -> str:
    """Return plain text as HTML, the classes' marks in their colours."""
    shown = escape(text)
    for label, mark in theme.MARKS.items():
        sign = palette.SIGNS[label]
        shown = shown.replace(f"{sign} ", f"{sign}{NBSP}")
        shown = shown.replace(mark, f'<span style="color: {theme.COLOURS[label]}">{sign}</span>')
    return shown
