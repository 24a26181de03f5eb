"""Where fusions and transformer looked, beside what removing a branch does."""

import streamlit as st

from dashboard import address, selection, sentences
from dashboard.attention import view
from dashboard.reading import runs
from dashboard.reading.attention import read_attention, shown_row, with_branches
from dashboard.reading.clips import read_clip_table

VIEWS = ["Hybrid", "Three-way fusion", "Transformer", "In words"]

run = runs.current_run()
st.title("Attention", anchor=False)
results, attention, clips = runs.results(run), read_attention(run), read_clip_table(run)
by_fusion = {name: with_branches(run, clips, name) for name in attention.fusions}
row, why = shown_row(selection.path(), clips)
st.caption(
    f"Run {sentences.literal(run.name)} · {sentences.counted(results.headline.n, 'test clip')} from "
    f"{sentences.counted(results.headline.songs, 'song')} that no detector was trained on"
)

address.offer("view", {name: name for name in VIEWS})
hybrid, three_way, transformer, in_words = st.tabs(VIEWS, key="view", on_change="rerun", bind="query-params")
if hybrid.open:
    with hybrid:
        view.hybrid(run, attention, clips, by_fusion["hybrid"], results.confidence)
if three_way.open:
    with three_way:
        view.three_way(attention, by_fusion["three_way"])
if transformer.open:
    with transformer:
        view.transformer(run, row, clips, results)
if in_words.open:
    with in_words:
        view.in_words(attention)
view.one_clip(run, results, attention, by_fusion, row, why)
