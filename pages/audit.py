"""U6: what a detector gets wrong, clip by clip, to be heard, tagged, noted and exported without a mouse."""

from functools import partial

import streamlit as st

from dashboard import audit_export, clip_view, clips, data, misclassified, selection, sentences, triage, triage_view

ANY = "All sources"

run = data.current_run()
st.title("Audit", anchor=False)
results = data.results(run)
desk = triage.desk(run)
models = {model.key: model for model in results.models}
names = {key: model.name for key, model in models.items()}
every = clips.table(run)

# Which list
with st.container(horizontal=True, vertical_alignment="bottom"):
    key = st.selectbox(
        "Detector", list(names), list(names).index("hybrid") if "hybrid" in names else 0, width=180,
        format_func=names.__getitem__, key="model", bind="query-params", persist_state="session",
    )  # fmt: skip
    kind = st.selectbox(
        triage_view.LIST, list(misclassified.LISTS), format_func=misclassified.LISTS.__getitem__, width=275,
        key="errors", bind="query-params",
    )  # fmt: skip
    split = st.selectbox(
        "Split", ["test", "val", "train"], format_func=sentences.SPLIT_NAMES.__getitem__, width=120,
        key="audit_split", bind="query-params",
    )  # fmt: skip
    source = st.selectbox(
        "Source", [ANY, *sorted(set(clips.of_split(every, split)["source"]))], width=160, key="audit_source",
        bind="query-params",
    )  # fmt: skip

threshold = triage_view.threshold(run, models[key], split)
results = misclassified.with_threshold(results, key, threshold)
every = misclassified.judged(every, key, {model.key: model.threshold for model in results.models})
tested = clips.of_split(every, split)
st.markdown(misclassified.summary(tested, models[key], split, threshold))
among = tested if source == ANY else tested[tested["source"] == source]
chosen = misclassified.listed(among, kind)
paths = chosen["path"].tolist()
on_screen = triage.place(selection.path(), paths, (run.name, key, kind, split, source))
if on_screen != selection.path():
    selection.select(on_screen)
    st.rerun()
clip = selection.clip(every)

# One clip at a time
if clip is None:
    st.info("Nothing on this list.", icon=":material/check:")
else:
    triage_view.ways(desk, clip["path"], paths)
    left, right = st.columns([4, 3], gap="medium")
    with right:
        triage_view.tags(desk, clip["path"], paths)
        triage_view.others(desk, clip["path"])
        st.text_input(
            "Your name (optional)", key=triage.WHO, max_chars=60, persist_state="session",
            help="Kept with your tags and notes; asked once per visit.",
        )  # fmt: skip
    with left:
        st.markdown(misclassified.sentence(clip, key, threshold, len(names)))
        clip_view.show(run, clip, results, "audit")
    triage_view.listen()

# The whole list, and where it comes from
st.subheader(misclassified.LISTS[kind], anchor=False)
with st.container(horizontal=True, vertical_alignment="center"):
    st.caption(f"{len(chosen):,} of {sentences.counted(len(among), 'clip')}", width="stretch")
    st.download_button(
        f"Export {sentences.counted(len(chosen), 'clip')}",
        partial(audit_export.table, chosen, desk.said, key, threshold), f"{run.name}-{key}-{kind}-{split}.csv",
        "text/csv", key="export", on_click="ignore", icon=":material/download:", shortcut="E", disabled=not paths,
    )  # fmt: skip
if paths:
    clip_view.table(
        triage_view.with_words(chosen, desk, len(names)),
        triage_view.CLIP | {f"p_{key}": "Score"} | triage_view.SAID,
        "audit",
        f"{len(chosen)} of {len(among)} clips: {misclassified.LISTS[kind]}",
        triage_view.height(len(chosen)),
    )  # fmt: skip
st.subheader(f"Errors of {names[key]} by source", anchor=False)
st.caption(f"{tested['wrong'].sum():,} of {sentences.counted(len(tested), 'clip')} wrong")
triage_view.sources(misclassified.by_source(tested))
