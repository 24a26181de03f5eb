"""What was tested on how much, how good with which interval, and what may not be claimed."""

import streamlit as st

from dashboard import components, sentences
from dashboard.overview import view
from dashboard.reading import runs
from dashboard.reading.robustness import read_robustness

run = runs.current_run()
st.title("Overview", anchor=False)
if not runs.is_evaluated(run):
    components.show_phases(runs.phases(run))
results, robustness = runs.results(run), read_robustness(run)
st.caption(f"Run {sentences.literal(run.name)} · {sentences.when(results.made)} · {sentences.tested_on(results)}")
if runs.is_outdated(run):
    components.show_outdated(run)

view.how_good(run, results, robustness)
left, right = st.columns(2, gap="large")
with left:
    view.what_was_tested(results)
with right:
    view.what_may_not_be_claimed(run, results, robustness)
view.in_full(robustness)
view.all_detectors(run, results)
view.source_by_source(run, results)
view.how_it_was_made(run, results)
