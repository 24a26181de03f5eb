"""U4: which clips the models find alike: choose some, listen to them, see what is near in the original space."""

import streamlit as st

from dashboard import address, selection, sentences
from dashboard.clip import filter as clip_filter
from dashboard.clip import view as clip_view
from dashboard.drawing import theme
from dashboard.map import choice
from dashboard.map import figures as map_figures
from dashboard.map import words as map_words
from dashboard.reading import clips, embeddings, runs
from dashboard.reading.clips import read_clip_table
from dashboard.reading.embeddings import read_map

AMONG = {"train": "Training", "val": "Validation", "test": "Test", "all": "All"}

run = runs.current_run()
st.title("Map", anchor=False)
results = runs.results(run)
every = read_clip_table(run)
found = read_map(run, len(every))
names = {model.key: model.name for model in results.models}
maps = {name: embeddings.TITLES[name] for name in found.positions}
sources = choice.source_names(every)

# What to show
with st.container(horizontal=True, vertical_alignment="bottom"):
    embedding = st.selectbox("Map of", width=190, persist_state="session", **address.choice("map", maps))
    colours = address.choice("colour", choice.COLOURS)
    colour = st.selectbox("Colour by", width=220, persist_state="session", **colours)
    model = selection.detector(results, width=190).key
    with st.popover("Filter", icon=":material/filter_alt:"):
        splits = st.pills(
            "Split", selection_mode="multi", persist_state="session",
            **address.choice("map_split", sentences.SPLIT_NAMES),
        )  # fmt: skip
        label = st.pills("Class", persist_state="session", **address.choice("map_class", theme.NAMES))
        wanted = st.multiselect(
            "Sources", placeholder="all", persist_state="session", **address.choice("map_sources", sources)
        )
asked = clip_filter.ClipFilter(tuple(splits), label or "", sources=tuple(wanted))
points = asked.apply(embeddings.placed(every, found, embedding))

# The map. Its figure hangs on the view alone: what is chosen in it stays chosen while clips are selected
key = choice.view_key(run, found.made, (embedding, colour, model, asked))
marked = choice.marked(key, points)
agreed = map_words.about_agreement(embeddings.agreement(run, embedding, points, len(every)), points)
figure = choice.kept(
    (key, tuple(marked), runs.stamp(run.results_file), runs.stamp(run.predictions)),
    lambda: map_figures.map_figure(points, colour, model, names[model], marked),
)
left, right = st.columns([3, 2], gap="large")
with left:
    st.header(f"{maps[embedding]}, by {choice.COLOURS[colour].lower()}", anchor=False)
    st.caption(clip_filter.shown(len(points), len(every), asked.splits))
    st.plotly_chart(
        figure, key=key, on_select=lambda: choice.choose(st.session_state[key].selection.points, every),
        config=map_figures.MAP_CONFIG, alt=map_words.map_alt(points, embedding, colour, agreed),
    )  # fmt: skip

# What is chosen in it
chosen = choice.chosen(points)
score = {f"p_{model}": "Score", f"right_{model}": "Verdict"}
columns = {"label": "Class", **score, "source": "Source", "split": "Split", "path": "Clip"}
with right:
    st.header("Chosen clips", anchor=False)
    if chosen.empty:
        st.markdown(map_words.HOW)
    else:
        st.text(map_words.about_chosen(chosen, len(points), model, names[model]))
        clip_view.table(
            chosen, columns, "map-table", f"{len(chosen)} of {len(points)} clips on the map",
            height=choice.table_height(len(chosen)),
        )  # fmt: skip
        with st.container(horizontal=True):
            st.download_button(
                "Export as CSV", lambda: choice.export(chosen, embedding), f"{run.name}-{embedding}.csv",
                on_click="ignore", icon=":material/download:", key="map-export",
            )  # fmt: skip
            st.button("Choose none", on_click=choice.clear, icon=":material/close:", key="map-clear")
    st.header("What the map can say", anchor=False)
    st.text(agreed)
    st.caption(map_words.about_map(found, embedding, len(every)))
    st.text(map_words.about_encoder(results, embedding))


# The selected clip and what is near it in the original space
clip = selection.clip(every)
if clip is None:
    st.markdown(":material/touch_app: Click a mark, or a row of the list: the clip is then selected on every page.")
else:
    row = every["path"].tolist().index(clip["path"])
    left, right = st.columns(2, gap="large")
    with left:
        st.header("The selected clip", anchor=False)
        clip_view.show(run, clip, results, "map")
    with right:
        st.header("Nearest in the original space", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            split = st.segmented_control(
                "Among", default="train", required=True, persist_state="session",
                help="Training: what the detectors learned from.", **address.choice("map_among", AMONG),
            )  # fmt: skip
            address.offer("map_k", {k: str(k) for k in range(1, embeddings.MOST_NEIGHBOURS + 1)})
            k = st.slider(
                "Neighbours", 1, embeddings.MOST_NEIGHBOURS, embeddings.NEIGHBOURS, width=200,
                key="map_k", bind="query-params", persist_state="session",
            )  # fmt: skip
        among = every if split == "all" else clips.of_split(every, split)
        near = embeddings.near_clips(run, embedding, every, row, among.index, k)
        st.text(map_words.about_neighbours(near, among, split))
        clip_view.table(
            near, {"similarity": "Cosine", **columns, "same_song": "Song"}, "map-near",
            f"The {len(near)} clips nearest to the selected one in the original space",
        )  # fmt: skip
        there = near.index.isin(points.index).sum()
        st.markdown(f"**Where they lie on the map** ({maps[embedding]}): {there} of {len(near)}")
        st.html(map_figures.locator(points, row, near.index, map_words.locator_alt(points, row, near)))
        st.caption(map_words.locator_key(points, row, near))
