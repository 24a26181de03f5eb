"""A detector at a threshold that the reader moves: everything here follows the slider, and nothing else runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.artifacts import Run
from core.metrics.operating_points import OperatingPoint
from dashboard import address, selection
from dashboard.clip import view as clip_view
from dashboard.drawing import theme
from dashboard.models import figures, words
from dashboard.models.figures import Trace
from dashboard.reading.results import Measurement, Model, Results
from dashboard.sentences import auc_interval, counted, percent, span, verdict_from
from dashboard.threshold import (
    CELLS,
    Answers,
    disagreements,
    held_threshold,
    keep_threshold,
    of_cell,
    operating_point,
    shown,
)

ONLY = ("first", "second")  # lists of the clips that only this one of two detectors calls AI
CELL = "fp"  # whose clips are listed until another is pressed
ROWS = {"human": ("tn", "fp"), "ai": ("fn", "tp")}  # of the confusion matrix
MOST = 286  # pixels of the list of clips


@dataclass(frozen=True)
class Asked:
    """What the reader looks at: a detector on a split, beside another one or alone."""

    run: Run
    results: Results
    clips: pd.DataFrame  # of the split
    split: str
    model: Model
    other: Model | None
    area: Measurement  # AUC of the model on the split
    answers: Answers  # of the model
    rival: Answers | None  # of the other
    selected: str  # the clip that the page shows


@st.fragment
def show(asked: Asked, below: DeltaGenerator) -> None:
    """Show what a detector does at the chosen threshold, beside another at its own.

    Parameters
    ----------
    below : takes what does not belong beside the clips: the curves, and every figure.
    """
    if selection.path() != asked.selected:
        st.rerun()
    answers = asked.answers
    now, threshold = _choose(asked)
    point, chosen = (
        operating_point(answers, threshold),
        operating_point(answers, answers.thresholds[answers.chosen]),
    )
    if now == answers.chosen:
        st.caption(f"The threshold chosen on validation. {verdict_from(replace(asked.results, models=(asked.model,)))}")
    else:
        st.warning(caution(asked.split, point.threshold, chosen.threshold), icon=":material/visibility:")
    _cards(asked, point, chosen)
    left, right = st.columns(2, gap="medium")
    with left:
        _scores(asked, point, chosen)
    with right:
        _cells(asked, point)
    with below:
        _curves(asked, now, point)
        _figures(asked, point, chosen)


def caution(split: str, now: float, chosen: float) -> str:
    """Say what a threshold may be used for that is not the one chosen on validation."""
    moved = f"**{shown(now)} is not the threshold chosen on validation ({shown(chosen)}).** "
    if split == "test":
        return moved + (
            "Choosing a threshold by looking at test clips flatters: what stands here is for looking, and the numbers "
            "to report are those at the validation threshold."
        )
    return moved + "Its numbers on these same validation clips flatter it: they are what one would choose it by."


# Choosing


def _choose(asked: Asked) -> tuple[int, float]:
    """Let the reader move the threshold; return its place and itself, and keep it in the address."""
    key, answers = f"threshold-{asked.run.name}-{asked.model.key}", asked.answers
    held = held_threshold(key, answers)
    now = answers.chosen if held is None else answers.place(held)
    _slider(answers, key, now)
    keep_threshold(held)
    return now, answers.thresholds[now] if held is None else held


def _slider(answers: Answers, key: str, now: int) -> None:
    """Draw the slider and the buttons beside it; `key` holds the threshold, or None for that of validation."""

    def hold(threshold: float | None) -> None:
        st.session_state[key] = threshold

    def moved() -> None:
        place = st.session_state["cut"]
        hold(None if place == answers.chosen else answers.thresholds[place])

    st.session_state["cut"] = now
    st.select_slider(
        "Threshold: from this score on, a clip is called AI", range(len(answers.thresholds)), key="cut",
        format_func=lambda place: answers.label(place, st.session_state.get(key)), on_change=moved,
        help="Each step changes at least one verdict: between two neighbouring scores all thresholds do the same. "
        "The arrow keys move it too.",
    )  # fmt: skip
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"Back to the validation threshold ({shown(answers.thresholds[answers.chosen])})", on_click=hold,
            args=(None,), disabled=now == answers.chosen, icon=":material/undo:", type="primary",
        )  # fmt: skip
        st.button("0.5", on_click=hold, args=(0.5,), help="Where no threshold was chosen")
        st.button(
            "Equal errors", on_click=hold, args=(answers.thresholds[answers.equal_errors],),
            help="Where the share of human clips called AI is nearest to the share of AI clips missed",
        )  # fmt: skip


# What it does


def _cards(asked: Asked, point: OperatingPoint, chosen: OperatingPoint) -> None:
    names = {"fpr": ("human", "Human clips called AI"), "fnr": ("ai", "AI clips missed")}
    counts, before = words.parts(point), words.parts(chosen)
    changes = {name: counts[name][0] - before[name][0] for name in counts}
    moved = {name: f"{change:+d} by moving" if change else None for name, change in changes.items()}

    def sure(share: Measurement) -> str:
        return f"{asked.results.confidence:.0%} {span(share)}" if share.supported else span(share)

    cards = st.grid(min_column_width=165)
    for name, (label, title) in names.items():
        (k, n), rate = counts[name], words.errors(point)[name]
        with cards.container(border=True, gap="xsmall", height="stretch"):
            st.metric(f"{theme.MARKS[label]} {title}", f"{k} of {n}", moved[name], delta_color="inverse")
            st.caption(f"{percent(rate.value)}; {sure(rate)}; {counted(asked.answers.songs_of(label), 'song')}")
    with cards.container(border=True, gap="xsmall", height="stretch"):
        right = words.estimate(point, "accuracy")
        st.metric("Accuracy", f"{right.value:.1%}", moved["accuracy"])
        st.caption(f"{sure(right)}; {counted(point.n, 'clip')}, {counted(point.songs, 'song')}")
    with cards.container(border=True, gap="xsmall", height="stretch"):
        st.metric("AUC", f"{asked.area.value:.3f}", help="The same at every threshold")
        st.caption(auc_interval(asked.area, asked.results))


def _scores(asked: Asked, point: OperatingPoint, chosen: OperatingPoint) -> None:
    st.markdown(f"**Scores of {point.n} {words.SPLIT_WORDS[asked.split]}** (hatched: called wrongly)")
    st.plotly_chart(
        figures.histogram(asked.answers.labels, asked.answers.probabilities, point.threshold, chosen.threshold),
        config=theme.CHART_CONFIG, alt=words.curves_alt(asked.model.name, asked.split, point, "Score"),
    )  # fmt: skip
    st.caption("Solid line: the threshold. Dotted: that of validation. The axis is stretched towards 0 and 1.")


def _cells(asked: Asked, point: OperatingPoint) -> None:
    """Draw the confusion matrix as buttons, and the clips of the one that was pressed."""
    st.markdown(f"**What it called {point.n} {words.SPLIT_WORDS[asked.split]}**: press to see the clips")
    rows = {words.row_heading(label, point): cells for label, cells in ROWS.items()}
    if asked.other:
        rows["The two disagree: called AI only by"] = ONLY
    cell = _cell([name for names in rows.values() for name in names])
    with st.container(gap="xsmall"):
        for heading, names in rows.items():
            st.caption(heading)
            row = st.grid(min_column_width=150, row_height="content", gap="small")
            for name in names:
                row.button(
                    _button(asked, point, name), key=f"cell-{name}", on_click=_press, args=(name,), width="stretch",
                    type="primary" if name == cell else "secondary", help=_heading(asked, point, name),
                )  # fmt: skip
    _clips(asked, point, cell)


def _cell(names: Sequence[str]) -> str:
    """Return the list that was pressed or that the address asks for, else the accused; the address keeps what was."""
    pressed = st.session_state.setdefault("cell", st.query_params.get("cell", ""))
    if pressed in names:
        st.query_params["cell"] = pressed
    else:
        st.query_params.pop("cell", None)
    cell: str = pressed if pressed in names else CELL
    for value in address.asked("cell"):
        if value not in names:
            address.miss("cell", value, cell)
    return cell


def _press(cell: str) -> None:
    st.session_state["cell"] = cell


def _button(asked: Asked, point: OperatingPoint, cell: str) -> str:
    if cell in CELLS:
        return words.cell_button(cell, point)
    return f"{_only(asked, cell)}: {len(_behind(asked, point, cell))}"


def _heading(asked: Asked, point: OperatingPoint, cell: str) -> str:
    if cell in CELLS:
        return words.cell_heading(cell, point)
    return f"Called AI by the {_only(asked, cell)} alone: {len(_behind(asked, point, cell))} of {point.n}"


def _only(asked: Asked, cell: str) -> str:
    return asked.model.name if cell == "first" or asked.other is None else asked.other.name


def _behind(asked: Asked, point: OperatingPoint, cell: str) -> pd.DataFrame:
    """Return the clips of a list, the surest first."""
    if cell in CELLS or asked.other is None:
        return of_cell(asked.clips, asked.model.key, point.threshold, cell)
    first, second = (asked.model.key, point.threshold), (asked.other.key, asked.other.threshold)
    return disagreements(asked.clips, first, second, ai_by_first=cell == "first")


def _clips(asked: Asked, point: OperatingPoint, cell: str) -> None:
    clips, title = _behind(asked, point, cell), _heading(asked, point, cell)
    order = "surest first"
    if cell in ONLY and asked.other:
        order = f"widest apart first; {asked.other.name} at its validation threshold"
    st.caption(f"**{title}**, {order}")
    if clips.empty:
        st.markdown("None.")
        return
    columns = {f"p_{asked.model.key}": "Score"} | ({f"p_{asked.other.key}": asked.other.name} if asked.other else {})
    columns |= ({"label": "Class"} if cell in ONLY else {}) | {"source": "Source", "path": "Clip"}
    clip_view.list_clips(clips, columns, "behind", title, MOST)


# The curves, and every figure


def _curves(asked: Asked, now: int, point: OperatingPoint) -> None:
    name, split, other = asked.model.name, asked.split, asked.other
    first = Trace(name, asked.answers.curves, now, asked.answers.chosen)
    second = None
    if other and asked.rival:
        second = Trace(other.name, asked.rival.curves, asked.rival.chosen, asked.rival.chosen)
    both = {"fpr": words.errors(point)["fpr"], "tpr": words.estimate(point, "recall_ai")}
    cross = {name: (rate.low, rate.high) for name, rate in both.items() if rate.supported}
    sizes = [sum(row) for row in point.confusion]
    pictures = {
        "ROC": figures.roc(first, second, cross),
        "Precision and recall": figures.precision_recall(first, second, sizes[1] / point.n),
        "DET": figures.det(first, second, min(sizes)),
    }
    st.header(f"All thresholds, {sizes[0]} human and {sizes[1]} AI {words.SPLIT_WORDS[split]}", anchor=False)
    for column, (title, picture) in zip(st.columns(3, gap="medium"), pictures.items(), strict=True):
        with column:
            st.markdown(f"**{title}**")
            alt = words.curves_alt(name, split, point, title)
            st.plotly_chart(picture, config=theme.CHART_CONFIG, alt=alt)
    st.caption(
        f"Solid: {name}. " + (f"Dashed: {other.name}. " if other else "") + "Dot: the threshold now. Ring: that of "
        "validation. Cross: intervals over songs. Dotted: a coin. DET: both errors on normal-deviate axes, none "
        "drawn as half a clip."
    )


def _figures(asked: Asked, point: OperatingPoint, chosen: OperatingPoint) -> None:
    points = {f"{asked.model.name} from {shown(point.threshold)}": point}
    if point.threshold != chosen.threshold:
        points[f"{asked.model.name} from {shown(chosen.threshold)} (validation)"] = chosen
    if asked.other and asked.rival:
        title = f"{asked.other.name} from {shown(asked.other.threshold)} (validation)"
        points[title] = operating_point(asked.rival, asked.other.threshold)
    st.header("Every figure", anchor=False)
    st.table(
        pd.DataFrame(words.point_rows(points)), hide_index=True, border="horizontal",
        alt=f"Accuracy, precision, recall, F1 and error rates of {asked.model.name}, with intervals",
    )  # fmt: skip
    st.caption(f"In brackets: {asked.results.confidence:.0%} intervals over songs, by the evaluation's own draws.")
