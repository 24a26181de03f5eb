"""U6: what a detector gets wrong, clip by clip, to be heard, tagged, noted and exported without a mouse."""

from functools import partial

import streamlit as st

from dashboard import address, selection, sentences
from dashboard.audit import export as audit_export
from dashboard.audit import lists as audit_lists
from dashboard.audit import triage
from dashboard.audit import view as audit_view
from dashboard.clip import view as clip_view
from dashboard.reading import clips, runs
from dashboard.reading.clips import read_clip_table

ANY = "All sources"

run = runs.current_run()
st.title("Audit", anchor=False)
results = runs.results(run)
desk = triage.desk(run)
models = {model.key: model for model in results.models}
names = {key: model.name for key, model in models.items()}
every = read_clip_table(run)

# Which list
with st.container(horizontal=True, vertical_alignment="bottom"):
    key = selection.detector(results, width=180).key
    kind = st.selectbox(audit_view.LIST, width=275, **address.choice("errors", audit_lists.LISTS))
    splits = {split: sentences.SPLIT_NAMES[split] for split in ("test", "val", "train")}
    split = st.selectbox("Split", width=120, **address.choice("audit_split", splits))
    sources = {source: source for source in (ANY, *sorted(set(clips.of_split(every, split)["source"])))}
    source = st.selectbox("Source", width=160, **address.choice("audit_source", sources))

threshold = audit_view.threshold(run, models[key], split)
results = audit_lists.with_threshold(results, key, threshold)
every = audit_lists.judged(every, key, {model.key: model.threshold for model in results.models})
tested = clips.of_split(every, split)
st.markdown(audit_lists.summary(tested, models[key], split, threshold))
among = tested if source == ANY else tested[tested["source"] == source]
chosen = audit_lists.listed(among, kind)
paths = chosen["path"].tolist()
selected = selection.path() if selection.clip(every) is not None else ""
selection.select(triage.place(selected, paths, (run.name, key, kind, split, source)))
clip = selection.clip(every)

# One clip at a time
if clip is None:
    st.info("Nothing on this list.", icon=":material/check:")
else:
    audit_view.where(desk, clip["path"], paths)
    left, right = st.columns([4, 3], gap="medium")
    with left:
        st.markdown(audit_lists.sentence(clip, key, threshold, len(names)))
        clip_view.hear(run, clip, "audit")
    with right:  # on a phone between the player and the verdicts
        audit_view.ways(desk, clip["path"], paths)
        audit_view.tags(desk, clip["path"], paths)
        audit_view.others(desk, clip["path"])
        audit_view.name()
    clip_view.verdicts(clip, results)
    audit_view.listen()

# The whole list, and where it comes from
st.header(audit_lists.LISTS[kind], anchor=False)
with st.container(horizontal=True, vertical_alignment="center"):
    st.caption(f"{len(chosen):,} of {sentences.counted(len(among), 'clip')}", width="stretch")
    st.download_button(
        f"Export {sentences.counted(len(chosen), 'clip')}",
        partial(audit_export.table, chosen, desk.said, key, threshold), f"{run.name}-{key}-{kind}-{split}.csv",
        "text/csv", key="export", on_click="ignore", icon=":material/download:", shortcut="E", disabled=not paths,
    )  # fmt: skip
if paths:
    clip_view.table(
        audit_view.with_words(chosen, desk, len(names)),
        audit_view.CLIP | {f"p_{key}": "Score"} | audit_view.SAID,
        "audit",
        f"{len(chosen)} of {len(among)} clips: {audit_lists.LISTS[kind]}",
    )  # fmt: skip
st.header(f"Errors of {names[key]} by source", anchor=False)
st.caption(f"{tested['wrong'].sum():,} of {sentences.counted(len(tested), 'clip')} wrong")
audit_view.sources(audit_lists.by_source(tested))
