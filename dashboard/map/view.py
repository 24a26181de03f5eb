"""The sections of the page Map: what to show, the map, what is chosen in it, and what is near the selected clip."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.artifacts import Run
from dashboard import address, selection, sentences
from dashboard.clip import view as clip_view
from dashboard.clip.filter import ClipFilter, shown
from dashboard.drawing import theme
from dashboard.map import choice, figures, words
from dashboard.reading import embeddings
from dashboard.reading.clips import of_split
from dashboard.reading.embeddings import MOST_NEIGHBOURS, NEIGHBOURS, TITLES, EmbeddingMap
from dashboard.reading.kept import stamp
from dashboard.reading.results import Model, Results

AMONG = {"train": "Training", "val": "Validation", "test": "Test", "all": "All"}


@dataclass(frozen=True)
class MapView:
    """What the reader looks at."""

    run: Run
    results: Results
    clips: pd.DataFrame  # all of them
    map: EmbeddingMap
    embedding: str
    colour: str  # of `choice.COLOURS`
    model: Model
    filter: ClipFilter
    points: pd.DataFrame  # those clips on the map that pass the filter, with `x` and `y`
    agreed: str  # how often near clips are of one class

    @property
    def columns(self) -> dict[str, str]:
        """What lists of clips show, by column."""
        score = {f"p_{self.model.key}": "Score", f"right_{self.model.key}": "Verdict"}
        return {"label": "Class", **score, "source": "Source", "split": "Split", "path": "Clip"}


def ask(run: Run, results: Results, clips: pd.DataFrame, embedding_map: EmbeddingMap) -> MapView:
    """Let the reader choose an embedding, a colour, a detector, and which clips."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        maps = {name: TITLES[name] for name in embedding_map.positions}
        embedding = st.selectbox("Map of", width=190, persist_state="session", **address.choice("map", maps))
        colours = address.choice("colour", choice.COLOURS)
        colour = st.selectbox("Colour by", width=220, persist_state="session", **colours)
        model = selection.detector(results, width=190)
        with st.popover("Filter", icon=":material/filter_alt:"):
            wanted = _filter(clips)
    points = wanted.apply(embeddings.placed(clips, embedding_map, embedding))
    agreed = words.about_agreement(embeddings.agreement(run, embedding, points, len(clips)), points)
    return MapView(run, results, clips, embedding_map, embedding, colour, model, wanted, points, agreed)


def the_map(asked: MapView) -> None:
    """Draw the map. Its figure hangs on the view alone: what is chosen in it stays chosen while clips are selected."""
    run, points, model = asked.run, asked.points, asked.model
    key = choice.view_key(run, asked.map.made, (asked.embedding, asked.colour, model.key, asked.filter))
    marked = choice.marked(key, points)
    figure = choice.kept(
        (key, tuple(marked), stamp(run.results_file), stamp(run.predictions)),
        lambda: figures.map_figure(points, asked.colour, model.key, model.name, marked),
    )
    st.header(f"{TITLES[asked.embedding]}, by {choice.COLOURS[asked.colour].lower()}", anchor=False)
    st.caption(shown(len(points), len(asked.clips), asked.filter.splits))
    st.plotly_chart(
        figure, key=key, on_select=lambda: choice.choose(st.session_state[key].selection.points, asked.clips),
        config=figures.MAP_CONFIG, alt=words.map_alt(points, asked.embedding, asked.colour, asked.agreed),
    )  # fmt: skip


def chosen_clips(asked: MapView) -> None:
    """List what is chosen on the map."""
    st.header("Chosen clips", anchor=False)
    points, model = asked.points, asked.model
    chosen = choice.chosen(points)
    if chosen.empty:
        st.markdown(words.HOW)
        return
    st.text(words.about_chosen(chosen, len(points), model.key, model.name))
    clip_view.list_clips(
        chosen, asked.columns, "map-table", f"{len(chosen)} of {len(points)} clips on the map",
        height=choice.table_height(len(chosen)),
    )  # fmt: skip
    with st.container(horizontal=True):
        st.download_button(
            "Export as CSV", lambda: choice.export(chosen, asked.embedding), f"{asked.run.name}-{asked.embedding}.csv",
            on_click="ignore", icon=":material/download:", key="map-export",
        )  # fmt: skip
        st.button("Choose none", on_click=choice.clear, icon=":material/close:", key="map-clear")


def what_it_can_say(asked: MapView) -> None:
    """Say what may be read from the map, and what not."""
    st.header("What the map can say", anchor=False)
    st.text(asked.agreed)
    st.caption(words.about_map(asked.map, asked.embedding, len(asked.clips)))
    st.text(words.about_encoder(asked.results, asked.embedding))


def selected_clip(asked: MapView, clip: pd.Series) -> None:
    """Show the selected clip."""
    st.header("The selected clip", anchor=False)
    clip_view.show(asked.run, clip, asked.results, "map")


def nearest(asked: MapView, clip: pd.Series) -> None:
    """Show the clips nearest to one in the original space, and where they lie on the map."""
    st.header("Nearest in the original space", anchor=False)
    split, k = _among()
    among = asked.clips if split == "all" else of_split(asked.clips, split)
    row = asked.clips["path"].tolist().index(clip["path"])
    near = embeddings.near_clips(asked.run, asked.embedding, asked.clips, row, among.index, k)
    st.text(words.about_neighbours(near, among, split))
    clip_view.list_clips(
        near, {"similarity": "Cosine", **asked.columns, "same_song": "Song"}, "map-near",
        f"The {len(near)} clips nearest to the selected one in the original space",
    )  # fmt: skip
    there = near.index.isin(asked.points.index).sum()
    st.markdown(f"**Where they lie on the map** ({TITLES[asked.embedding]}): {there} of {len(near)}")
    st.html(figures.locator(asked.points, row, near.index, words.locator_alt(asked.points, row, near)))
    st.caption(words.locator_key(asked.points, row, near))


def _filter(clips: pd.DataFrame) -> ClipFilter:
    splits = st.pills(
        "Split", selection_mode="multi", persist_state="session", **address.choice("map_split", sentences.SPLIT_NAMES)
    )
    label = st.pills("Class", persist_state="session", **address.choice("map_class", theme.NAMES))
    sources = st.multiselect(
        "Sources", placeholder="all", persist_state="session",
        **address.choice("map_sources", choice.source_names(clips)),
    )  # fmt: skip
    return ClipFilter(tuple(splits), label or "", sources=tuple(sources))


def _among() -> tuple[str, int]:
    """Let the reader choose among which clips to look, and for how many."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        split = st.segmented_control(
            "Among", default="train", required=True, persist_state="session",
            help="Training: what the detectors learned from.", **address.choice("map_among", AMONG),
        )  # fmt: skip
        address.offer("map_k", {k: str(k) for k in range(1, MOST_NEIGHBOURS + 1)})
        k = st.slider(
            "Neighbours", 1, MOST_NEIGHBOURS, NEIGHBOURS, width=200,
            key="map_k", bind="query-params", persist_state="session",
        )  # fmt: skip
    return split, k
