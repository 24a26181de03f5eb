"""U7: where fusions and transformer looked, beside what removing a branch does."""

import streamlit as st

from dashboard import address, selection, sentences
from dashboard.attention import view as attention_view
from dashboard.clip import view as clip_view
from dashboard.reading import attention, clips, runs
from dashboard.reading.attention import read_attention, with_branches
from dashboard.reading.clips import read_clip_table

VIEWS = ["Hybrid", "Three-way fusion", "Transformer", "In words"]

run = runs.current_run()
st.title("Attention", anchor=False)
results = runs.results(run)
found, every = read_attention(run), read_clip_table(run)
tables = {key: with_branches(run, every, key) for key in found.fusions}
tests = {key: clips.of_split(table, "test") for key, table in tables.items()}
hybrid, three_way = found.fusions["hybrid"], found.fusions["three_way"]
row, why = attention.shown_row(selection.path(), every)
clip = every.iloc[row]

st.caption(
    f"Run {sentences.literal(run.name)} · {sentences.counted(results.headline.n, 'test clip')} from "
    f"{sentences.counted(results.headline.songs, 'song')} that no detector was trained on"
)
address.offer("view", {view: view for view in VIEWS})
both, three, encoder, words = st.tabs(VIEWS, key="view", on_change="rerun", bind="query-params")
if both.open:
    with both:
        attention_view.weight_and_effect(hybrid, tests["hybrid"])
        left, right = st.columns(2, gap="large")
        with left:
            attention_view.weights(found, "hybrid", tests["hybrid"])
        with right:
            attention_view.removal(hybrid)
        attention_view.removal_table(hybrid)
        left, right = st.columns(2, gap="large")
        with left:
            attention_view.effect(hybrid, tests["hybrid"], results.confidence)
        with right:
            attention_view.undecided(found, every, tests["hybrid"])
            attention_view.against(hybrid)
if three.open:
    with three:
        attention_view.weight_and_effect(three_way, tests["three_way"])
        left, right = st.columns(2, gap="large")
        with left:
            attention_view.weights(found, "three_way", tests["three_way"])
        with right:
            attention_view.removal(three_way)
            attention_view.against(three_way)
        attention_view.removal_table(three_way)
if encoder.open:
    with encoder:
        attention_view.transformer(run, row, every, results)
if words.open:
    with words:
        for sentence in found.sentences:
            st.text(sentence)

st.header("One clip", anchor=False)
st.caption(f"{why}: {sentences.literal(clip['path'])}")
st.text(clips.sentence(clip, selection.detector_chosen(results)))
left, right = st.columns(2, gap="large")
with left:
    attention_view.removed_from(tables["hybrid"].iloc[row], hybrid)
with right:
    attention_view.removed_from(tables["three_way"].iloc[row], three_way)
clip_view.show(run, clip, results, "attention-clip")
if not run.shipped:  # which has no player
    st.caption("The player's overlay is the transformer's attention; the view *Transformer* shows it with its numbers.")
