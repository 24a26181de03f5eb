"""Plotly figures of the audit: values in, figure out. A detector that was chosen is filled, the others are open marks.

Sources are the user's own words: plotly reads a little HTML, so they are escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from core.artifacts import CHANGE_NAMES
from core.errors import printable
from dashboard import theme
from dashboard.figures import places, reference, rows, whiskers
from dashboard.results import Estimate, Model
from dashboard.robustness_results import Fact, Line, Robustness, Seeds, Source
from dashboard.robustness_words import AREA

NAME = 24  # letters of a source on an axis
DENSE = 24  # pixels per row of a long chart
CHANCE = 0.5
CHOSEN = {"symbol": "square", "color": theme.ACCENT, "size": 11}
OTHERS = {"symbol": "circle-open", "color": theme.NEUTRAL, "size": 7, "line": {"width": 1.5}}
NO_MUSIC = {"symbol": "x", "color": theme.NEUTRAL, "size": 10}


def shortcut_chart(models: Sequence[Model], chosen: Model, without_music: Mapping[str, Estimate]) -> go.Figure:
    """Draw every detector's AUC and, below, that of classifiers that hear no music.

    Parameters
    ----------
    without_music : by title, at most a few words.
    """
    found = [model.scores["roc_auc"] for model in models]
    titles = [model.name for model in models] + [f"<b>{title}</b>" for title in without_music]
    figure = rows(titles, min(CHANCE, *(area.low for area in (*found, *without_music.values()))), DENSE + 8)
    reference(figure, CHANCE)
    at = places(titles)
    marks = [CHOSEN if model is chosen else {**OTHERS, "symbol": "square-open", "size": 10} for model in models]
    for place, area, model, mark in zip(at, found, models, marks, strict=False):
        figure.add_trace(whiskers([place], [area], [model.name], mark, "AUC", "%{x:.3f}"))
    areas, below = list(without_music.values()), at[len(models) :]
    return figure.add_trace(whiskers(below, areas, list(without_music), NO_MUSIC, "AUC", "%{x:.3f}"))


def fact_chart(files: Sequence[Fact], heard: Sequence[Fact]) -> go.Figure:
    """Draw how far each fact goes by itself: about the files as stored, and about the sound the detectors are given."""
    titles = [escape(printable(fact.title)) for fact in files]
    figure = rows(titles, 0.45, DENSE)
    reference(figure, CHANCE)
    place = dict(zip((fact.name for fact in files), places(files), strict=True))
    kinds = (("Files as stored", files, "square", theme.NEUTRAL), ("Sound as given", heard, "x", theme.NEUTRAL))
    for name, facts, symbol, colour in kinds:
        shown = [fact for fact in facts if fact.name in place]
        figure.add_trace(
            go.Scatter(
                x=[fact.test_auc for fact in shown],
                y=[place[fact.name] for fact in shown],
                mode="markers",
                marker={"symbol": symbol, "color": colour, "size": 9},
                name=name,
                customdata=[(escape(printable(fact.title)), fact.val_auc) for fact in shown],
                hovertemplate="%{customdata[0]}: %{x:.2f} (validation %{customdata[1]:.2f})<extra>" + name + "</extra>",
            )
        )
    return figure


def source_chart(sources: Sequence[Source], models: Sequence[Model], chosen: Model, measure: str) -> go.Figure:
    """Draw what becomes of sources of one class that were never heard, one row each; the chosen detector has whiskers.

    The dashed line is the same figure on sources that it knows.
    """
    label, names = sources[0].label, [_shown(source.name) for source in sources]
    sizes = [f"{name}<br>{source.n} clips, {source.songs} songs" for name, source in zip(names, sources, strict=True)]
    found = {model.name: [_measured(source, model, measure) for source in sources] for model in models}
    figure = rows(sizes, _lowest(found) if measure == AREA else 0.0, 40)
    reference(figure, _known(chosen, label, measure).value, theme.COLOURS[label], "dash")
    mark = {"symbol": theme.SYMBOLS[label], "color": theme.COLOURS[label], "size": 11}
    return _compare(figure, found, chosen, places(sources), names, mark, measure)


def _compare(
    figure: go.Figure, found: Mapping[str, Sequence[Estimate]], chosen: Model, at: Sequence[float],
    names: Sequence[str], mark: Mapping[str, object], measure: str,
) -> go.Figure:  # fmt: skip
    """Draw every detector's figures, by its name, as small marks, and over them the chosen one's with whiskers."""
    hover = "%{x:.2f}" if measure == AREA else "%{x:.0%}"
    for name, estimates in found.items():
        if name != chosen.name:
            figure.add_trace(_marks([estimate.value for estimate in estimates], at, names, name, hover))
    figure.add_trace(whiskers(at, found[chosen.name], names, mark, chosen.name, hover))
    return reference(figure, CHANCE) if measure == AREA else figure.update_xaxes(tickformat=".0%")


def _lowest(found: Mapping[str, Sequence[Estimate]]) -> float:
    """Return where an axis of AUCs begins so that no mark and no whisker is cut off."""
    return min([CHANCE, *(estimate.low for estimates in found.values() for estimate in estimates)])


def _measured(source: Source, model: Model, measure: str) -> Estimate:
    own = source.models[model.key]
    return own.area if measure == AREA else own.called_ai(source.label)


def _known(model: Model, label: str, measure: str) -> Estimate:
    if measure == AREA:
        return model.scores["roc_auc"]
    right = model.scores[f"recall_{label}"]
    return right if label == "ai" else right.complement


def halves(found: Robustness) -> list[list[int]]:
    """Return the lines of all changes in two lists of about the same length, kinds kept together."""
    changed = range(1, len(found.names))
    first = [n for n in changed if found.kinds.index(found.kinds[n]) <= len(found.names) // 2]
    return [half for half in (first, [n for n in changed if n not in first]) if half]


def change_chart(
    found: Robustness, lines: Sequence[int], models: Sequence[Model], chosen: Model, measure: str
) -> go.Figure:
    """Draw what changes to the sound do to a detector, one row per strength under the kind's name.

    Parameters
    ----------
    lines : which of the changes.
    """
    titles, at = _by_kind(found, lines)
    names, clean = [escape(printable(found.names[n])) for n in lines], found.models[chosen.key][0]
    if measure != AREA:
        own = [found.models[chosen.key][n] for n in lines]
        return _errors(rows(titles, 0.0, DENSE), own, at, names, clean)
    areas = {model.name: [found.models[model.key][n].area for n in lines] for model in models}
    every = {key: [line.area for line in own] for key, own in found.models.items()}  # the same axis for both halves
    figure = reference(rows(titles, _lowest(every), DENSE), clean.area.value, theme.ACCENT, "dash")
    return _compare(figure, areas, chosen, at, names, CHOSEN, measure)


def _errors(figure: go.Figure, own: Sequence[Line], at: Sequence[int], names: Sequence[str], clean: Line) -> go.Figure:
    """Draw both error rates of a detector on one axis, and as dashed lines those on unchanged clips."""
    for label, field, shift in (("human", "called_ai", 0.16), ("ai", "missed", -0.16)):
        reference(figure, getattr(clean, field).value, theme.COLOURS[label], "dash")
        mark = {"symbol": theme.SYMBOLS[label], "color": theme.COLOURS[label], "size": 9}
        title = {"human": "Human called AI", "ai": "AI missed"}[label]
        shifted = [place + shift for place in at]
        figure.add_trace(whiskers(shifted, [getattr(line, field) for line in own], names, mark, title, "%{x:.0%}"))
    return figure.update_xaxes(tickformat=".0%")


def _by_kind(found: Robustness, lines: Sequence[int]) -> tuple[list[str], list[int]]:
    """Return what stands on the axis, kinds in bold above their strengths, and the rows of the changes."""
    titles: list[str] = []
    at: list[int] = []
    for n in lines:
        kind, title = found.kinds[n], CHANGE_NAMES.get(found.kinds[n], printable(found.kinds[n]))
        if not at or kind != found.kinds[n - 1]:
            titles.append(f"<b>{escape(title)}</b>")
        at.append(len(titles))
        titles.append(escape(printable(found.names[n].removeprefix(kind).strip())))
    return titles, [places(titles)[row] for row in at]


def seed_chart(found: Seeds, models: Sequence[Model], chosen: Model) -> go.Figure:
    """Draw each detector's AUC after every training, and their mean."""
    spreads = [found.models[model.key]["roc_auc"] for model in models]
    figure = rows([model.name for model in models], min(min(spread.values) for spread in spreads), DENSE + 8)
    for place, (model, spread) in enumerate(zip(reversed(models), reversed(spreads), strict=True)):
        colour = theme.ACCENT if model is chosen else theme.NEUTRAL
        strip = {"symbol": "line-ns-open", "size": 14, "color": colour, "line": {"width": 2}}
        mean = {"symbol": "square" if model is chosen else "square-open", "size": 10, "color": colour}
        for name, values, marker in (("One training", spread.values, strip), ("Mean", [spread.mean], mean)):
            names, at = [model.name] * len(values), [place] * len(values)
            figure.add_trace(_marks(values, at, names, name, "%{x:.3f}").update(marker=marker))
    return figure


def _marks(values: Sequence[float], at: Sequence[float], names: Sequence[str], trace: str, shown: str) -> go.Scatter:
    """Return small open marks without whiskers."""
    return go.Scatter(
        x=values,
        y=at,
        mode="markers",
        marker=OTHERS,
        name=trace,
        customdata=[(name,) for name in names],
        hovertemplate=f"%{{customdata[0]}}: {shown}<extra>{trace}</extra>",
    )


def _shown(name: str) -> str:
    return escape(printable(name, NAME))
