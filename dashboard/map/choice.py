"""What is chosen on the map: which clips, and what their marks are coloured by."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import pandas as pd
import streamlit as st

from core.artifacts import Run
from core.errors import printable
from core.storage import stored
from dashboard import selection
from dashboard.drawing import theme
from dashboard.sentences import SPLIT_NAMES

COLOURS = {
    "class": "Class",
    "prediction": "Verdict",
    "right": "Right or wrong",
    "score": "Score",
    "source": "Source",
    "split": "Split",
    "native_rate": "Native rate",
    "weight": "Fusion weight",
    "error": "Reconstruction error",
}
UNITS = {
    "score": "{}: probability of AI",
    "weight": "Weight of the autoencoder in the hybrid",
    "error": "Reconstruction error",
}
NUMBERS = {"score": "p_{}", "weight": "weight_autoencoder", "error": "reconstruction_error"}  # columns of the clips
SOURCES = 5  # of each class with a colour of their own
OTHERS = "other sources"
ROW, TALLEST = 35, 320  # pixels
# In the session: paths, paths, a number, and the figure with what it shows
CHOSEN, MARKED, ROUND, FIGURE = "map-chosen", "map-marked", "map-round", "map-figure"
T = TypeVar("T")


# Choosing


def chosen_rows(points: Sequence[Mapping[str, object]]) -> list[int]:
    """Return the row numbers of the points chosen in the map, each once, in the order of clips.csv.

    Points are told apart by their customdata alone: their places count from 0 in every trace.
    """
    rows = set()
    for point in points:
        data = point.get("customdata")
        value = data[0] if isinstance(data, list | tuple) and data else data
        if isinstance(value, int | float) and not isinstance(value, bool):
            rows.add(int(value))
    return sorted(rows)


def view_key(run: Run, changed: float, view: object) -> str:
    """Return the map's key: another view, or a map made again, is another chart."""
    return f"map-{hash((run.name, changed, view, st.session_state.get(ROUND, 0))):x}"


def choose(points: Sequence[Mapping[str, object]], clips: pd.DataFrame) -> None:
    """Keep the clips of the chosen points for every view; a single one becomes the selected clip on every page."""
    paths = tuple(clips["path"].iloc[[row for row in chosen_rows(points) if 0 <= row < len(clips)]])
    st.session_state[CHOSEN] = paths
    if len(paths) == 1:
        selection.select(paths[0])


def clear() -> None:
    """Choose nothing; the map is drawn anew without the marks it was given."""
    st.session_state[CHOSEN] = ()
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1


def chosen(shown: pd.DataFrame) -> pd.DataFrame:
    """Return those of the shown clips that are chosen."""
    return shown[shown["path"].isin(st.session_state.get(CHOSEN, ()))]


def marked(key: str, shown: pd.DataFrame) -> list[int]:
    """Return the rows of the clips that were chosen when this view was opened.

    A chart whose figure changes forgets its lasso, so what is chosen in a view is not drawn into its own figure.
    """
    if key not in st.session_state:
        st.session_state[MARKED] = st.session_state.get(CHOSEN, ())
    return [int(row) for row in shown.index[shown["path"].isin(st.session_state.get(MARKED, ()))]]


def kept(view: object, draw: Callable[[], T]) -> T:
    """Return the figure of a view, drawn once for as long as the reader looks at it: choosing a clip changes none.

    Parameters
    ----------
    view : everything that the figure hangs on.
    """
    held = st.session_state.get(FIGURE)
    if held is None or held[0] != view:
        held = st.session_state[FIGURE] = (view, draw())
    figure: T = held[1]
    return figure


def table_height(n: int) -> int:
    """Return the height in pixels of a table of `n` rows, beyond which it scrolls."""
    return min(ROW * (n + 1) + 3, TALLEST)


def export(chosen: pd.DataFrame, embedding: str) -> bytes:
    """Return clips as CSV: who they are, every score, and where they lie on the map."""
    scores = [name for name in chosen.columns if name.startswith(("p_", "call_"))]
    columns = chosen[["path", "label", "song", "source", "split", "native_rate", *scores, "x", "y"]]
    return stored(columns.assign(map=embedding).to_csv(index=False)).encode("utf-8", "surrogateescape")


# Colours


def values(clips: pd.DataFrame, colour: str, model: str) -> pd.Series:
    """Return what the marks are coloured by: a number per clip for the colours in `NUMBERS`, otherwise a name."""
    if colour in NUMBERS:
        return clips[NUMBERS[colour].format(model)]
    if colour == "right":
        return clips[f"right_{model}"].map({True: "Right", False: "Wrong"})
    if colour == "prediction":
        return clips[f"call_{model}"].map({name: f"Called {title}" for name, title in theme.NAMES.items()})
    if colour == "source":
        return _sources(clips)
    if colour == "split":
        return clips["split"].map(SPLIT_NAMES)
    if colour == "native_rate":
        return clips["native_rate"].map(lambda rate: f"{rate / 1000:g} kHz")
    return clips["label"].map(theme.NAMES)


def source_names(clips: pd.DataFrame) -> dict[str, str]:
    """Return every source with the name it is shown under."""
    return {source: printable(source) for source in sorted(set(clips["source"]))}


def _sources(clips: pd.DataFrame) -> pd.Series:
    """Return the sources, the smaller ones of each class together: nobody tells twenty colours apart."""
    sources = clips["source"].map(printable)
    for label in theme.NAMES:
        of_class = clips["label"] == label
        rest = sources[of_class].value_counts().index[SOURCES:]
        if len(rest) > 1:
            sources[of_class & sources.isin(rest)] = f"{len(rest)} {OTHERS}"
    return sources
