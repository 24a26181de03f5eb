"""Whether it is the music or the file, and whether it holds for sources never heard and after re-encoding."""

import streamlit as st

from dashboard import components, selection, sentences
from dashboard.reading import runs
from dashboard.reading.robustness import read_robustness
from dashboard.robustness import view

run = runs.current_run()
st.title("Robustness", anchor=False)
results, robustness = runs.results(run), read_robustness(run)
st.caption(
    f"Run {sentences.literal(run.name)} · [music or file](#file) · [new sources](#sources) · "
    f"[changed sound](#changes) · [seeds](#seeds) · whiskers and brackets: {results.confidence:.0%} intervals by song"
)
if runs.is_outdated(run):
    components.show_outdated(run)
model = selection.detector(results, width=320)

view.music_or_file(run, results, robustness, model)
view.new_sources(run, results, robustness, model)
view.changed_sound(run, results, robustness, model)
view.other_seeds(run, results, robustness, model)
