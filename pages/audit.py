"""U6: what a detector gets wrong, clip by clip, to be heard, tagged, noted and exported without a mouse."""

from functools import partial

import streamlit as st

from dashboard import audit_export, audit_lists, audit_triage, audit_view, clip_view, clips, data, selection, sentences

ANY = "All sources"

run = data.current_run()
st.title("Audit", anchor=False)
results = data.results(run)
desk = audit_triage.desk(run)
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
        audit_view.LIST, list(audit_lists.LISTS), format_func=audit_lists.LISTS.__getitem__, width=275,
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

threshold = audit_view.threshold(run, models[key], split)
results = audit_lists.with_threshold(results, key, threshold)
every = audit_lists.judged(every, key, {model.key: model.threshold for model in results.models})
tested = clips.of_split(every, split)
st.markdown(audit_lists.summary(tested, models[key], split, threshold))
among = tested if source == ANY else tested[tested["source"] == source]
chosen = audit_lists.listed(among, kind)
paths = chosen["path"].tolist()
on_screen = audit_triage.place(selection.path(), paths, (run.name, key, kind, split, source))
if on_screen != selection.path():
    selection.select(on_screen)
    st.rerun()
clip = selection.clip(every)

# One clip at a time
if clip is None:
    st.info("Nothing on this list.", icon=":material/check:")
else:
    audit_view.ways(desk, clip["path"], paths)
    left, right = st.columns([4, 3], gap="medium")
    with right:
        audit_view.tags(desk, clip["path"], paths)
        audit_view.others(desk, clip["path"])
        st.text_input(
            "Your name (optional)", key=audit_triage.WHO, max_chars=60, persist_state="session",
            help="Kept with your tags and notes; asked once per visit.",
        )  # fmt: skip
    with left:
        st.markdown(audit_lists.sentence(clip, key, threshold, len(names)))
        clip_view.show(run, clip, results, "audit")
    audit_view.listen()

# The whole list, and where it comes from
st.subheader(audit_lists.LISTS[kind], anchor=False)
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
        audit_view.height(len(chosen)),
    )  # fmt: skip
st.subheader(f"Errors of {names[key]} by source", anchor=False)
st.caption(f"{tested['wrong'].sum():,} of {sentences.counted(len(tested), 'clip')} wrong")
audit_view.sources(audit_lists.by_source(tested))
