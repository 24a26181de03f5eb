"""U3: every clip, to filter, hear, see, and compare with what the detectors make of it."""

import streamlit as st

from dashboard import clip_evidence, clip_view, clips, data, selection, sentences, theme
from dashboard.clip_filter import VERDICTS, ClipFilter, shown

run = data.current_run()
st.title("Clips", anchor=False)
results = data.results(run)
every = clips.table(run)
names = {model.key: model.name for model in results.models}

with st.container(horizontal=True, vertical_alignment="bottom"):
    splits = st.pills(
        "Split", sentences.SPLIT_NAMES, selection_mode="multi", default=["test"], key="split", bind="query-params",
        format_func=sentences.SPLIT_NAMES.__getitem__,
    )  # fmt: skip
    label = st.segmented_control(
        "Class", theme.NAMES, format_func=theme.labelled, key="class", bind="query-params", persist_state="session"
    )
    model = st.selectbox(
        "Detector", names, format_func=names.__getitem__, key="model", bind="query-params", width=200,
        persist_state="session",
    )  # fmt: skip
    verdict = st.segmented_control("Its verdict", VERDICTS, default="all", key="verdict", bind="query-params")
    sources = st.multiselect("Sources", sorted(set(every["source"])), key="sources", width=240, placeholder="all")
    text = st.text_input("File name contains", key="text", width=200)

asked = ClipFilter(tuple(splits), label or "", model, verdict or "all", tuple(sources), text)
found = asked.apply(every)
columns = {"path": "Clip", "label": "Class", "source": "Source", "split": "Split", f"right_{model}": "Verdict"}
scores = {f"p_{key}": name for key, name in names.items()}
st.caption(shown(len(found), len(every), asked.splits))
clip_view.table(found, columns | scores, "clips", f"{len(found)} of {len(every)} clips with every detector's score")
st.caption("Scores: probability of AI. Choose a row; a click on a column's title sorts.")

clip = selection.clip(every)
if clip is None:
    st.info("Choose a clip in the table: it is then the selected one on every page.", icon=":material/touch_app:")
    st.stop()
st.subheader("The selected clip", anchor=False)
clip_view.show(run, clip, results, "clips")
clip_evidence.fusion(clip)
clip_evidence.reconstruction(run, clip)
clip_evidence.artefacts(run, clip)
