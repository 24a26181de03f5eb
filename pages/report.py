"""The report for people without the dashboard: what is in it, how large it gets, and its first page."""

from datetime import UTC, datetime

import streamlit as st

from dashboard.reading import runs
from dashboard.report import document

PREVIEW_HEIGHT = 720  # pixels

run, today = runs.current_run(), datetime.now(UTC)
st.title("Report", anchor=False)
first_page = document.preview(run, today)
st.markdown(
    "One HTML file for people who do not have this dashboard: it opens in any browser without a network, prints on A4 "
    "paper, and holds the same numbers as these pages. The summary, what was tested and the limits are always in it."
)

chosen = st.pills(
    "Sections", list(document.SECTIONS), format_func=lambda name: document.SECTIONS[name],
    selection_mode="multi", default=list(document.SECTIONS), key="report_sections", wrap=True,
)  # fmt: skip
sound = st.toggle(
    "Sound of the listening examples", value=True, key="report_sound", disabled="examples" not in chosen,
    help="The clips belong to their owners: leave the sound out where their licences do not let you pass it on.",
)  # fmt: skip
options = document.Options(tuple(chosen), sound)
st.download_button(
    "Download the report", lambda: document.build(run, options, today), document.file_name(run, today), "text/html",
    on_click="ignore", type="primary", icon=":material/download:",
)  # fmt: skip
st.caption(
    f"{document.contents(run, options)}. It is made when you ask for it, which takes a few seconds. For a PDF, print "
    "it from the browser."
)

st.header("Its first page", anchor=False)
with st.container(border=True):
    st.iframe(first_page, height=PREVIEW_HEIGHT, alt="The report's first page: its summary")
