"""Which clips a list shows: the widgets, and the rows that their choices ask for."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboard import address, selection
from dashboard.drawing import theme
from dashboard.reading.results import Results
from dashboard.sentences import SPLIT_NAMES

VERDICTS = ("all", "right", "wrong")


@dataclass(frozen=True)
class ClipFilter:
    """What is asked for; an empty choice asks for nothing in particular."""

    splits: tuple[str, ...] = ()
    label: str = ""  # `human`, `ai`
    model: str = ""  # whose verdict
    verdict: str = "all"
    sources: tuple[str, ...] = ()
    text: str = ""  # part of the file's name, letter by letter

    def apply(self, clips: pd.DataFrame) -> pd.DataFrame:
        """Return the clips asked for, row numbers kept."""
        keep = pd.Series(True, index=clips.index)
        if self.splits:
            keep &= clips["split"].isin(self.splits)
        if self.label:
            keep &= clips["label"] == self.label
        if self.sources:
            keep &= clips["source"].isin(self.sources)
        if self.verdict != "all":
            keep &= clips[f"right_{self.model}"] == (self.verdict == "right")
        if self.text:
            keep &= clips["path"].str.contains(self.text, case=False, regex=False)
        return clips[keep]


def ask(results: Results, clips: pd.DataFrame) -> ClipFilter:
    """Show the widgets in a row; return what they ask for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        splits = st.pills("Split", selection_mode="multi", default=["test"], **address.choice("split", SPLIT_NAMES))
        classes = {label: theme.labelled(label) for label in theme.NAMES}
        label = st.segmented_control("Class", persist_state="session", **address.choice("class", classes))
        model = selection.detector(results).key
        verdicts = address.choice("verdict", {verdict: verdict for verdict in VERDICTS})
        verdict = st.segmented_control("Its verdict", default="all", **verdicts)
        sources = st.multiselect("Sources", sorted(set(clips["source"])), key="sources", width=240, placeholder="all")
        text = st.text_input("File name contains", key="text", width=200)
    return ClipFilter(tuple(splits), label or "", model, verdict or "all", tuple(sources), text)


def shown(n: int, of: int, splits: tuple[str, ...]) -> str:
    """Say how many clips are shown, and what training clips are not evidence of."""
    said = f"{n:,} of {of:,} clips"
    if not splits or "train" in splits:
        said += f". {SPLIT_NAMES['train']} clips were learned from: being right on them proves nothing."
    return said
