"""The sentences' Markdown as HTML, every character of a foreign name escaped.

`dashboard.sentences` writes four things: code spans (`literal`), bold, and the two class marks. Nothing else is read as
markup, so that nothing a user named can become any.
"""

import re
from html import escape

from core import palette
from dashboard.drawing import theme
from dashboard.drawing.theme import JOINER, NBSP

_CLASSES = {mark: label for label, mark in theme.MARKS.items()}
_TOKEN = re.compile(
    rf"(?P<fence>`+)(?P<code>.+?)(?P=fence)(?!`)|(?P<bold>\*\*)|(?P<mark>{'|'.join(map(re.escape, _CLASSES))})",
    re.DOTALL,
)


def html_of(markdown: str) -> str:
    """Return a sentence as HTML.

    Examples
    --------
    >>> html_of("**3** of `<b>`")
    '<strong>3</strong> of <code>&lt;b&gt;</code>'
    """
    parts, end, bold = [], 0, False
    for token in _TOKEN.finditer(markdown):
        parts.append(escape(markdown[end : token.start()]))
        end = token.end()
        if token["bold"]:
            bold = not bold
            parts.append("<strong>" if bold else "</strong>")
        else:
            parts.append(_element(token))
    return "".join([*parts, escape(markdown[end:]), "</strong>" if bold else ""])


def marked(text: str) -> str:
    """Return plain text as HTML in which the two class marks have their colours and stay with what they mark."""
    said = escape(text)
    for label, sign in palette.SIGNS.items():
        said = said.replace(f"{sign} ", f"{sign}{NBSP}").replace(sign, _mark(label))
    return said


def _mark(label: str) -> str:
    return f'<span class="{label}">{palette.SIGNS[label]}</span>'


def _element(token: re.Match[str]) -> str:
    return f"<code>{escape(_inside(token['code']))}</code>" if token["code"] else _mark(_CLASSES[token["mark"]])


def _inside(code: str) -> str:
    """Return what `literal` was given: without the spaces it adds, and without what it puts into `:material/`."""
    padded = code.startswith(" ") and code.endswith(" ") and len(code) > 1
    return (code[1:-1] if padded else code).replace(JOINER, "")
