"""Still charts of the audit: values in, chart out. A detector that was chosen is filled, the others are open marks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core import palette
from core.artifacts import CHANGE_NAMES
from core.errors import printable
from dashboard.drawing import theme
from dashboard.drawing.row_charts import Chart, Line, Mark, Row, class_mark, mark, start
from dashboard.reading.results import Measurement, Model
from dashboard.reading.robustness import ChangedSound, ChangeScores, Fact, HeldOutSource, Seeds
from dashboard.robustness.words import AREA

NAME = 24  # letters of a source beside its row
DENSE = 24  # pixels per row of a long chart
CHANCE = 0.5
DASHED = "dashed"
OTHERS: Mapping[str, Any] = {"symbol": "circle", "filled": False, "size": 7}


def shortcut_chart(models: Sequence[Model], chosen: Model, without_music: Mapping[str, Measurement]) -> Chart:
    """Draw every detector's AUC and, below, that of classifiers that hear no music.

    Parameters
    ----------
    without_music : by title, at most a few words.
    """
    looks: list[dict[str, Any]] = [
        {"colour": palette.ACCENT} if model is chosen else {"filled": False, "size": 10} for model in models
    ]
    rows = [
        Row(model.name, (mark(model.scores["roc_auc"], model.name, **look),))
        for model, look in zip(models, looks, strict=True)
    ]
    rows += [Row(title, (mark(area, title, symbol="x"),)) for title, area in without_music.items()]
    return Chart(rows=tuple(rows), low=start(rows, CHANCE), lines=(Line(CHANCE),), height=DENSE + 8)


def fact_chart(files: Sequence[Fact], heard: Sequence[Fact]) -> Chart:
    """Draw how far each fact goes by itself: about the files as stored, and about the sound the detectors are given."""
    given = {fact.name: fact for fact in heard}
    rows = []
    for fact in files:
        marks = [_fact(fact, "files as stored", "square")]
        marks += [_fact(given[fact.name], "sound as given", "x")] if fact.name in given else []
        rows.append(Row(fact.title, tuple(marks)))
    return Chart(rows=tuple(rows), low=start(rows, 0.45), lines=(Line(CHANCE),), height=DENSE)


def _fact(fact: Fact, of: str, symbol: str) -> Mark:
    says = f"{fact.title}, {of}: {fact.test_auc:.2f} (validation {fact.val_auc:.2f})"
    return Mark(at=fact.test_auc, says=says, symbol=symbol, size=9)


def source_chart(sources: Sequence[HeldOutSource], models: Sequence[Model], chosen: Model, measure: str) -> Chart:
    """Draw what becomes of sources of one class that were never heard, one row each; the chosen detector has whiskers.

    The dashed line is the same figure on sources that it knows.
    """
    label = sources[0].label
    look = {"symbol": theme.SYMBOLS[label], "colour": theme.COLOURS[label], "size": 11}
    rows = tuple(
        Row(
            printable(source.name, NAME),
            _compared({model.name: _measured(source, model, measure) for model in models}, chosen, measure, look),
            f"{source.n} clips, {source.songs} songs",
        )
        for source in sources
    )
    known = Line(_known(chosen, label, measure).value, theme.COLOURS[label], DASHED)
    return _on_axis(rows, measure, (known,), 40)


def _compared(
    estimates: Mapping[str, Measurement], chosen: Model, measure: str, look: Mapping[str, Any]
) -> tuple[Mark, ...]:
    """Return every detector's figure, by its name, as a small mark, and over them the chosen one's with whiskers."""
    form = ".2f" if measure == AREA else ".0%"
    others = [
        Mark(at=estimate.value, says=f"{name}: {estimate.value:{form}}", **OTHERS)
        for name, estimate in estimates.items()
        if name != chosen.name
    ]
    return *others, mark(estimates[chosen.name], chosen.name, form=form, **look)


def _on_axis(rows: tuple[Row, ...], measure: str, lines: tuple[Line, ...], height: int, low: float = 1.0) -> Chart:
    """Return rows of AUCs, or of shares: those begin at 0."""
    if measure == AREA:
        return Chart(rows=rows, low=start(rows, min(CHANCE, low)), lines=(*lines, Line(CHANCE)), height=height)
    return Chart(rows=rows, low=-0.02, lines=lines, height=height, percent=True)


def _measured(source: HeldOutSource, model: Model, measure: str) -> Measurement:
    scores = source.models[model.key]
    return scores.area if measure == AREA else scores.called_ai(source.label)


def _known(model: Model, label: str, measure: str) -> Measurement:
    if measure == AREA:
        return model.scores["roc_auc"]
    right = model.scores[f"recall_{label}"]
    return right if label == "ai" else right.complement


def halves(changes: ChangedSound) -> list[list[int]]:
    """Return the lines of all changes in two lists of about the same length, kinds kept together."""
    changed = range(1, len(changes.names))
    first = [n for n in changed if changes.kinds.index(changes.kinds[n]) <= len(changes.names) // 2]
    return [half for half in (first, [n for n in changed if n not in first]) if half]


def change_chart(
    changes: ChangedSound, lines: Sequence[int], models: Sequence[Model], chosen: Model, measure: str
) -> Chart:
    """Draw what changes to the sound do to a detector, one row per strength under the kind's name.

    Parameters
    ----------
    lines : which of the changes.
    """
    clean = changes.models[chosen.key][0]
    if measure != AREA:
        rows = _by_kind(changes, lines, lambda n: _errors(changes.models[chosen.key][n], changes.names[n]))
        unchanged = (("human", clean.called_ai), ("ai", clean.missed))
        dashed = tuple(Line(share.value, theme.COLOURS[label], DASHED) for label, share in unchanged)
        return _on_axis(rows, measure, dashed, DENSE)
    look = {"colour": palette.ACCENT}
    rows = _by_kind(
        changes,
        lines,
        lambda n: _compared({model.name: changes.models[model.key][n].area for model in models}, chosen, measure, look),
    )
    lowest = min(  # the same axis for both halves
        line.area.low if line.area.supported else line.area.value
        for scores in changes.models.values()
        for line in scores
    )
    return _on_axis(rows, measure, (Line(clean.area.value, palette.ACCENT, DASHED),), DENSE, lowest)


def _errors(scores: ChangeScores, name: str) -> tuple[Mark, ...]:
    """Return both error rates of a detector after a change."""
    shown = (("human", scores.called_ai, "human called AI"), ("ai", scores.missed, "AI missed"))
    return tuple(class_mark(share, label, f"{name}, {said}", 9) for label, share, said in shown)


def _by_kind(changes: ChangedSound, lines: Sequence[int], marks: Callable[[int], tuple[Mark, ...]]) -> tuple[Row, ...]:
    """Return a row per change, kinds as headings over their strengths."""
    rows: list[Row] = []
    for n in lines:
        kind = changes.kinds[n]
        if not rows or kind != changes.kinds[n - 1]:
            rows.append(Row(CHANGE_NAMES.get(kind, kind), heading=True))
        rows.append(Row(changes.names[n].removeprefix(kind).strip(), marks(n)))
    return tuple(rows)


def seed_chart(seeds: Seeds, models: Sequence[Model], chosen: Model) -> Chart:
    """Draw each detector's AUC after every training, and their mean."""
    rows = []
    for model in models:
        spread = seeds.models[model.key]["roc_auc"]
        colour = palette.ACCENT if model is chosen else palette.NEUTRAL
        each = [
            Mark(at=value, says=f"{model.name}, one training: {value:.3f}", symbol="bar", size=14, colour=colour)
            for value in spread.values
        ]
        says = f"{model.name}, mean: {spread.mean:.3f}"
        rows.append(
            Row(model.name, (*each, Mark(at=spread.mean, says=says, colour=colour, size=10, filled=model is chosen)))
        )
    return Chart(rows=tuple(rows), low=start(rows), height=DENSE + 8)
