"""The one selected clip, the same on every page; its address opens it again (SPEC U10). A clip's id is its path."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

KEY = "clip"


def keep() -> None:
    """Carry the selection from page to page: into the session from the address, and back. Call once per script run."""
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


def clip(clips: pd.DataFrame) -> pd.Series | None:
    """Return the selected clip's row of `clips`, or None when nothing is selected or the clip is not among them."""
    found = clips.index[clips["path"] == path()]
    return clips.loc[found[0]] if len(found) else None


def chosen(rows: Sequence[int], paths: Sequence[str]) -> str:
    """Return the path that the first chosen row of a table stands for, or nothing when none is chosen."""
    return next((paths[row] for row in rows if 0 <= row < len(paths)), "")
