"""Which clips the models find alike: choose some, listen to them, see what is near in the original space."""

import streamlit as st

from dashboard import selection
from dashboard.map import view
from dashboard.reading import runs
from dashboard.reading.clips import read_clip_table
from dashboard.reading.embeddings import read_map

run = runs.current_run()
st.title("Map", anchor=False)
results, clips = runs.results(run), read_clip_table(run)
asked = view.ask(run, results, clips, read_map(run, len(clips)))

left, right = st.columns([3, 2], gap="large")
with left:
    view.the_map(asked)
with right:
    view.chosen_clips(asked)
    view.what_it_can_say(asked)

clip = selection.clip(clips)
if clip is None:
    st.markdown(":material/touch_app: Click a mark, or a row of the list: the clip is then selected on every page.")
else:
    left, right = st.columns(2, gap="large")
    with left:
        view.selected_clip(asked, clip)
    with right:
        view.nearest(asked, clip)
