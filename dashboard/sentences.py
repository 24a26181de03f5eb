"""What the numbers say, in words: `Results` in, Markdown sentences out. Pages and report share them.

Whatever comes from the user's files (sources, runs, paths) passes through `literal`.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from core import palette
from core.errors import printable
from core.metrics.intervals import TOO_FEW
from core.metrics.registry import METRICS
from dashboard.drawing import theme
from dashboard.drawing.theme import JOINER, NBSP
from dashboard.reading.results import Measurement, Results

SHOWN = 6  # names in a sentence
SPLIT_NAMES = {"train": "Training", "val": "Validation", "test": "Test"}


def literal(name: str) -> str:
    """Return a foreign name as Markdown that shows it letter by letter: a code span nothing inside can close.

    Examples
    --------
    >>> literal("a `b` c")
    '``a `b` c``'
    """
    safe = printable(name) or "(no name)"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", safe)), default=0))
    space = " " if safe.startswith("`") or safe.endswith("`") or safe.strip() != safe else ""
    return f"{fence}{space}{safe}{space}{fence}".replace(":material/", f":{JOINER}material/")


def listed(names: Sequence[str]) -> str:
    """Return foreign names in one line; beyond a few, "and n of N more"."""
    shown = ", ".join(literal(name) for name in names[:SHOWN])
    rest = len(names) - SHOWN
    return f"{shown} and {rest} more of {len(names)}" if rest > 0 else shown


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: `1 song`, `1,200 songs`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def percent(share: float) -> str:
    """Return a share as a whole percentage; what is not all or nothing never reads as 0% or 100%.

    Examples
    --------
    >>> percent(0.123), percent(0.9999), percent(0.0001), percent(0.0)
    ('12%', '>99%', '<1%', '0%')
    """
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def decimals(estimate: Measurement, places: int = 3) -> str:
    """Return an estimate with its interval, which does not break: `0.943 [0.901, 0.970]`."""
    return bracketed(estimate, f".{places}f")


def percents(share: Measurement) -> str:
    """Return an estimate with its interval, which does not break: `90% [81, 97]`."""
    if not share.supported:
        return f"{percent(share.value)} ({TOO_FEW})"
    return f"{percent(share.value)} [{share.low * 100:.0f},{NBSP}{share.high * 100:.0f}]"


def signed(difference: Measurement, places: int = 3) -> str:
    """Return a difference with its interval, which does not break: `+0.074 [+0.013, +0.157]`."""
    return bracketed(difference, f"+.{places}f")


def bracketed(estimate: Measurement, form: str) -> str:
    """Return an estimate with its interval, which does not break, or with the reason why it has none."""
    if not estimate.supported:
        return f"{estimate.value:{form}} ({TOO_FEW})"
    return f"{estimate.value:{form}} [{estimate.low:{form}},{NBSP}{estimate.high:{form}}]"


def span(share: Measurement) -> str:
    """Return a share's interval in words: `interval 3% to 19%`."""
    return f"interval {percent(share.low)} to {percent(share.high)}" if share.supported else TOO_FEW


def auc_interval(area: Measurement, results: Results) -> str:
    """Return an AUC's interval in words."""
    if area.high > area.low:
        return f"{results.confidence:.0%} interval {area.low:.3f} to {area.high:.3f}"
    return f"no pair in the wrong order: {TOO_FEW}" if area.supported else TOO_FEW


def when(made: str) -> str:
    """Return a UTC time as people write it; anything else as it stands."""
    try:
        return f"{datetime.fromisoformat(made):%d %B %Y, %H:%M} UTC".lstrip("0")
    except ValueError:
        return literal(made)


def duration(seconds: float) -> str:
    """Return a length of time: `12 s`, `3 min 20 s`, `1 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 1 else "<1 s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


# The headline


def accusation(results: Results) -> str:
    """Say how often a person would be accused wrongly, and how often AI goes unnoticed."""
    scores = results.headline.scores
    human, ai = (_per_hundred(scores[f"recall_{label}"].complement) for label in theme.NAMES)
    return (
        f"Of 100 human clips, the {results.headline.name} would wrongly call {human} AI. Of 100 AI clips, it would let "
        f"{ai} pass as human."
    )


def verdict_from(results: Results) -> str:
    """Say from which score the headline detector calls a clip AI, and why from there."""
    reasons = {
        "fpr": f"on the validation clips, at most {percent(results.max_fpr)} of the human ones reach it",
        "balanced": "on the validation clips, it is right most often there, both classes counting alike",
    }
    reason = reasons.get(results.rule, "set by hand")
    return f"The {results.headline.name} calls a clip AI from a score of {results.headline.threshold:.3g} ({reason})."


def _per_hundred(rate: Measurement) -> str:
    if not rate.supported:
        return f"about **{rate.value * 100:.0f}** ({TOO_FEW})"
    low, value, high = (f"{share * 100:.0f}" for share in (rate.low, rate.value, rate.high))
    return f"about **{value}** ({low} to {high})"


def meaning_of_auc(value: float) -> str:
    """Say what an AUC means to someone who has never met one."""
    return f"In {value * 100:.0f} of 100 pairs, the AI clip scores higher than the human clip. A coin would manage 50."


def tested_on(results: Results) -> str:
    """Say on how much the detectors were tested."""
    human, ai = (
        f"{results.count('clips', split='test', label=label):,} {name} clips "
        f"({counted(results.count('songs', split='test', label=label), 'song')})"
        for label, name in (("human", "human"), ("ai", "AI"))
    )
    return f"tested on {human} and {ai} no detector had met"


def tested(results: Results, label: str) -> str:
    """Say what the test clips of one class are."""
    sources = results.sources_in(label, "test")
    clips, songs = (results.count(unit, split="test", label=label) for unit in ("clips", "songs"))
    return (
        f"{theme.labelled(label)}: **{counted(clips, 'clip')}** from {counted(songs, 'song')}, "
        f"{counted(len(sources), 'source')}: {listed(sources)}"
    )


def trained(results: Results) -> str:
    """Say how much the detectors learned from."""
    n = {
        unit: [results.count(unit, split="train", label=label) for label in theme.NAMES] for unit in ("clips", "songs")
    }
    return (
        f"Trained on {counted(sum(n['clips']), 'other clip')} ({n['clips'][0]:,} human, {n['clips'][1]:,} AI) "
        f"from {counted(sum(n['songs']), 'other song')}"
    )


def embeddings_by(results: Results) -> str:
    """Say who made the transformer embeddings, as plain text: the reason may name the user's files."""
    encoder = results.encoder
    said = f"Transformer embeddings by: {encoder.name} ({encoder.description}), {encoder.mode}."
    return f"{said} Not what was asked for: {encoder.reason.rstrip('.')}." if encoder.reason else said


# Tables: one dictionary per row. Sources stand in cells that show plain text


def detector_rows(results: Results) -> list[dict[str, str]]:
    """Return every detector's figures with their intervals."""
    columns = {"Accuracy": "accuracy", "F1 (macro)": "f1_macro", "AUC": "roc_auc"}
    columns |= {
        metric.column: name for name, metric in METRICS.items() if metric.column and name in results.headline.scores
    }
    return [
        {"Detector": model.name + (" (+)" if model.addition else "")}
        | {title: decimals(model.scores[field]) for title, field in columns.items()}
        | {f"Recall {mark}": percents(model.scores[f"recall_{label}"]) for label, mark in theme.MARKS.items()}
        | {f"Precision {mark}": percents(model.scores[f"precision_{label}"]) for label, mark in theme.MARKS.items()}
        | {"AI from": f"{model.threshold:.3g}", "Clips": f"{model.n:,}"}
        for model in results.models
    ]


def source_rows(results: Results) -> list[dict[str, str]]:
    """Return, per source of the test, how many of its clips each detector calls rightly."""
    return [
        {
            "Class": f"{palette.SIGNS[source.label]} {theme.NAMES[source.label]}",
            "Source": printable(source.source),
            "Songs": f"{source.songs:,}",
        }
        | {model.name: f"{source.right[model.key]} of {source.clips}" for model in results.models}
        for source in results.sources
    ]


def count_rows(results: Results) -> list[dict[str, str]]:
    """Return clips and songs per class and source, one column per split."""
    kinds = sorted({(cell.label, cell.source) for cell in results.cells}, key=lambda kind: (kind[0] == "ai", kind[1]))
    return [
        {"Class": f"{palette.SIGNS[label]} {theme.NAMES[label]}", "Source": printable(source)}
        | {title: _cell(results, split, label, source) for split, title in SPLIT_NAMES.items()}
        for label, source in kinds
    ]


def _cell(results: Results, split: str, label: str, source: str) -> str:
    clips, songs = (results.count(unit, split=split, label=label, source=source) for unit in ("clips", "songs"))
    return f"{counted(clips, 'clip')}, {counted(songs, 'song')}" if clips else "–"


# Text alternatives: plain text, without Markdown


def chart_alt(results: Results, field: str, what: str) -> str:
    """Say what a chart of one figure shows, for those who cannot see it."""
    values = ", ".join(f"{model.name} {decimals(model.scores[field])}" for model in results.models)
    return f"{what} on {counted(results.headline.n, 'test clip')}, with intervals: {values}"


def figure_alt(name: str) -> str:
    """Say what a printed figure is, told by its file's name."""
    return f"Printed figure: {printable(name).replace('_', ' ')}"
