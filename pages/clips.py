"""Every clip, to filter, hear, see, and compare with what the detectors make of it."""

import streamlit as st

from dashboard import selection
from dashboard.clip import evidence, view
from dashboard.clip.filter import ask, shown
from dashboard.reading import runs
from dashboard.reading.clips import read_clip_table

run = runs.current_run()
st.title("Clips", anchor=False)
results, every = runs.results(run), read_clip_table(run)

asked = ask(results, every)
matching = asked.apply(every)
columns = {"path": "Clip", "label": "Class", "source": "Source", "split": "Split", f"right_{asked.model}": "Verdict"}
scores = {f"p_{model.key}": model.name for model in results.models}
st.caption(shown(len(matching), len(every), asked.splits))
view.list_clips(
    matching, columns | scores, "clips", f"{len(matching)} of {len(every)} clips with every detector's score"
)
st.caption("Scores: probability of AI. Choose a row; a click on a column's title sorts.")

clip = selection.clip(every)
if clip is None:
    st.info("Choose a clip in the table: it is then the selected one on every page.", icon=":material/touch_app:")
else:
    st.header("The selected clip", anchor=False)
    view.show(run, clip, results, "clips")
    evidence.fusion(clip)
    if not run.shipped:
        evidence.reconstruction(run, clip)
        evidence.artefacts(run, clip)
