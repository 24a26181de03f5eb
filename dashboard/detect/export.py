"""A verdict as files to keep: JSON for programs, HTML for people. Neither holds a sound."""

import html
import json
from collections.abc import Sequence

from core.errors import printable
from core.verdict.answer import Verdict
from dashboard.detect.words import NAMES, SIGNS, detector_rows, facts, headline, meaning, share, span, warnings
from dashboard.drawing import theme

COLOURS = theme.COLOURS | {"uncertain": "#444", "out_of_scope": "#444"}
STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: 0.9em; }
th, td { text-align: left; padding: 0.25rem 0.6rem 0.25rem 0; border-bottom: 1px solid #ccc; }
code { overflow-wrap: anywhere; }
"""


def as_json(verdict: Verdict) -> str:
    """Return all there is to a verdict; the same as `python -m scripts.detect --json` gives."""
    return json.dumps(verdict.to_dict(), indent=1, allow_nan=False)


def as_html(verdict: Verdict) -> str:
    """Return the verdict as one page that needs nothing else; foreign names are text in it."""
    title = f"{SIGNS[verdict.call]} {NAMES[verdict.call]}"
    windows = [
        {"Window": span(window), "Left out because": window.note,
         "Probability of AI": share(window.calibrated[verdict.detector]) if window.counts else "–"}
        for window in verdict.windows
    ]  # fmt: skip
    parts = [
        f'<h1 style="color:{COLOURS[verdict.call]}">{title}</h1>',
        f"<p><b>{_text(headline(verdict))}.</b> {_text(meaning(verdict))}</p>",
        f"<p>File: <code>{_text(printable(verdict.file))}</code><br>{_text(facts(verdict))}</p>",
        *(f"<p>Note: {_text(warning)}.</p>" for warning in warnings(verdict)),
        "<h2>What it may not be used for</h2>",
        "<ul>" + "".join(f"<li>{_text(limit)}</li>" for limit in verdict.limits) + "</ul>",
        "<h2>How the call was made</h2>",
        f"<p>{_text(verdict.rule)}</p>",
        _table(detector_rows(verdict)),
        "<h2>Window by window</h2>",
        _table(windows),
        f"<p>Run {_text(printable(verdict.run.name))}, evaluated {_text(printable(verdict.run.evaluated))}, "
        f"fingerprint <code>{_text(verdict.run.fingerprint)}</code>. "
        f"SHA-256 of the file: <code>{verdict.sha256}</code>.</p>",
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{"".join(parts)}</body></html>'
    )


def _table(rows: Sequence[dict[str, str]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row.values()) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(words: str) -> str:
    return html.escape(words)
