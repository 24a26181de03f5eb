"""U3: every clip, to filter, hear, see, and compare with what the detectors make of it."""

import streamlit as st

from dashboard import address, selection, sentences
from dashboard.clip import evidence as clip_evidence
from dashboard.clip import view as clip_view
from dashboard.clip.filter import VERDICTS, ClipFilter, shown
from dashboard.drawing import theme
from dashboard.reading import runs
from dashboard.reading.clips import read_clip_table

run = runs.current_run()
st.title("Clips", anchor=False)
results = runs.results(run)
every = read_clip_table(run)
names = {model.key: model.name for model in results.models}

with st.container(horizontal=True, vertical_alignment="bottom"):
    splits = st.pills(
        "Split", selection_mode="multi", default=["test"], **address.choice("split", sentences.SPLIT_NAMES)
    )
    classes = {label: theme.labelled(label) for label in theme.NAMES}
    label = st.segmented_control("Class", persist_state="session", **address.choice("class", classes))
    model = selection.detector(results).key
    verdicts = address.choice("verdict", {verdict: verdict for verdict in VERDICTS})
    verdict = st.segmented_control("Its verdict", default="all", **verdicts)
    sources = st.multiselect("Sources", sorted(set(every["source"])), key="sources", width=240, placeholder="all")
    text = st.text_input("File name contains", key="text", width=200)

asked = ClipFilter(tuple(splits), label or "", model, verdict or "all", tuple(sources), text)
matching = asked.apply(every)
columns = {"path": "Clip", "label": "Class", "source": "Source", "split": "Split", f"right_{model}": "Verdict"}
scores = {f"p_{key}": name for key, name in names.items()}
st.caption(shown(len(matching), len(every), asked.splits))
clip_view.table(
    matching, columns | scores, "clips", f"{len(matching)} of {len(every)} clips with every detector's score"
)
st.caption("Scores: probability of AI. Choose a row; a click on a column's title sorts.")

clip = selection.clip(every)
if clip is None:
    st.info("Choose a clip in the table: it is then the selected one on every page.", icon=":material/touch_app:")
else:
    st.header("The selected clip", anchor=False)
    clip_view.show(run, clip, results, "clips")
    clip_evidence.fusion(clip)
    if not run.shipped:
        clip_evidence.reconstruction(run, clip)
        clip_evidence.artefacts(run, clip)
