"""What a detector gets wrong, clip by clip, to be heard, tagged, noted and exported without a mouse."""

import streamlit as st

from dashboard.audit import triage, view
from dashboard.reading import runs
from dashboard.reading.clips import read_clip_table

run = runs.current_run()
st.title("Audit", anchor=False)
results, desk = runs.results(run), triage.desk(run)

listing = view.which_list(run, results, read_clip_table(run))
view.one_clip(run, listing, desk)
view.whole_list(run, listing, desk)
view.errors_by_source(listing)
