"""The one selected clip and detector, the same on every page; the address opens them again.

A clip's id is its path.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import address
from dashboard.reading.results import Model, Results

if TYPE_CHECKING:  # every page needs this module, the first one no pandas: it takes a third of a second to load
    import pandas as pd

KEY, MODEL = "clip", "model"


def keep() -> None:
    """Carry the selection from page to page: into the session from the address, and back (before a page and after)."""
    asked = st.query_params.get(KEY, "")
    if KEY not in st.session_state:
        st.session_state[KEY] = asked
    if st.session_state[KEY]:
        st.query_params[KEY] = st.session_state[KEY]
    elif asked:
        del st.query_params[KEY]


def select(path: str) -> None:
    """Select a clip; pages show it from the next script run on (call from a callback)."""
    st.session_state[KEY] = path


def forget() -> None:
    """Select nothing."""
    st.session_state[KEY] = ""


def path() -> str:
    """Return the selected clip's path, or nothing."""
    return str(st.session_state.get(KEY, ""))


def clip(clips: "pd.DataFrame") -> "pd.Series | None":
    """Return the selected clip's row of `clips`, or None when nothing is selected or the clip is not among them."""
    rows = clips.index[clips["path"] == path()]
    return clips.loc[rows[0]] if len(rows) else None


def detector(results: Results, label: str = "Detector", width: int = 200) -> Model:
    """Let the reader choose a detector for every page; before that it is the one of the headline."""
    models = {model.key: model for model in results.models}
    names = {key: model.name for key, model in models.items()}
    key: str = st.selectbox(label, width=width, persist_state="session", **address.choice(MODEL, names))
    return models[key]


def detector_chosen(results: Results) -> Model:
    """Return the detector chosen on another page or by the address, on pages where none can be chosen."""
    key, names = st.session_state.get(MODEL), address.asked(MODEL)
    return next((model for model in results.models if model.key == key or model.name in names), results.headline)


def chosen(rows: Sequence[int], paths: Sequence[str]) -> str:
    """Return the path that the first chosen row of a table stands for, or nothing when none is chosen."""
    return next((paths[row] for row in rows if 0 <= row < len(paths)), "")
