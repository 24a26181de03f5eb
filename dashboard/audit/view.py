"""The sections of the Audit page: a list of what is wrong, one clip of it at a time, all of it, and its sources."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from core import palette
from core.artifacts import Run
from core.errors import printable
from dashboard import address, selection, sentences
from dashboard.audit import keys, lists, triage
from dashboard.audit.export import as_csv
from dashboard.audit.lists import ClipList
from dashboard.audit.triage import Desk
from dashboard.clip import view as clip_view
from dashboard.drawing import theme
from dashboard.reading import annotations
from dashboard.reading.clips import of_split
from dashboard.reading.results import Model, Results
from dashboard.threshold import held_threshold, keep_threshold, read_answers, shown

ANY = "All sources"
CLIP = {"here": "", "path": "Clip", "label": "Class"}  # columns of the list, before the score and after
SAID = {"tags": "Tags", "notes": "Notes", "source": "Source", "away": "Log-odds", "votes": "Say AI"}


# The page's sections


def which_list(run: Run, results: Results, clips: pd.DataFrame) -> ClipList:
    """Let the reader choose a list and a threshold, and say how many clips the detector gets wrong."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = selection.detector(results, width=180)
        kind = st.selectbox(keys.LIST, width=275, **address.choice("errors", lists.LISTS))
        splits = {split: sentences.SPLIT_NAMES[split] for split in ("test", "val", "train")}
        split = st.selectbox("Split", width=120, **address.choice("audit_split", splits))
        sources = {source: source for source in (ANY, *sorted(set(of_split(clips, split)["source"])))}
        source = st.selectbox("Source", width=160, **address.choice("audit_source", sources))
    threshold = _choose_threshold(run, model, split)
    listing = lists.listing(results, clips, model, kind, split, "" if source == ANY else source, threshold)
    st.markdown(lists.summary(listing.tested, model, split, threshold))
    return listing


def one_clip(run: Run, listing: ClipList, desk: Desk) -> None:
    """Show one clip of the list at a time: to hear, to tag, and to go on from."""
    selected = selection.path() if selection.clip(listing.clips) is not None else ""
    selection.select(triage.place(selected, listing.paths, (run.name, *listing.question)))
    clip = selection.clip(listing.clips)
    if clip is None:
        st.info("Nothing on this list.", icon=":material/check:")
        return
    _where(desk, clip["path"], listing.paths)
    left, right = st.columns([4, 3], gap="medium")
    with left:
        st.markdown(lists.sentence(clip, listing.model.key, listing.threshold, len(listing.results.models)))
        clip_view.hear(run, clip, "audit")
    with right:  # on a phone between the player and the verdicts
        _ways(desk, clip["path"], listing.paths)
        _tags(desk, clip["path"], listing.paths)
        _others(desk, clip["path"])
        _name()
    clip_view.verdicts(clip, listing.results)
    keys.listen()


def whole_list(run: Run, listing: ClipList, desk: Desk) -> None:
    """Show the list as a table and as a file."""
    key, title, chosen = listing.model.key, lists.LISTS[listing.kind], listing.chosen
    st.header(title, anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(chosen):,} of {sentences.counted(len(listing.among), 'clip')}", width="stretch")
        st.download_button(
            f"Export {sentences.counted(len(chosen), 'clip')}",
            partial(as_csv, chosen, desk.said, key, listing.threshold),
            f"{run.name}-{key}-{listing.kind}-{listing.split}.csv", "text/csv", key="export", on_click="ignore",
            icon=":material/download:", shortcut="E", disabled=not listing.paths,
        )  # fmt: skip
    if listing.paths:
        clip_view.list_clips(
            _with_words(chosen, desk, len(listing.results.models)), CLIP | {f"p_{key}": "Score"} | SAID, "audit",
            f"{len(chosen)} of {len(listing.among)} clips: {title}",
        )  # fmt: skip


def errors_by_source(listing: ClipList) -> None:
    """Show how many clips of each source are called wrongly."""
    tested = listing.tested
    st.header(f"Errors of {listing.model.name} by source", anchor=False)
    st.caption(f"{tested['wrong'].sum():,} of {sentences.counted(len(tested), 'clip')} wrong")
    _sources(lists.by_source(tested))


# Which list


def _choose_threshold(run: Run, model: Model, split: str) -> float:
    """Let the reader move a detector's threshold, the same one as on the Models page; the address keeps it."""
    scored = read_answers(run, model.key, split, model.threshold)
    key = f"threshold-{run.name}-{model.key}"
    by_hand = held_threshold(key, scored)
    now = scored.chosen if by_hand is None else scored.place(by_hand)

    def hold(place: int) -> None:
        st.session_state[key] = None if place == scored.chosen else scored.thresholds[place]

    st.session_state["audit-cut"] = now
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.select_slider(
            f"{model.name}: from this score on, a clip is called AI", range(len(scored.thresholds)), key="audit-cut",
            format_func=lambda place: scored.label(place, by_hand), width=480,
            on_change=lambda: hold(st.session_state["audit-cut"]),
        )  # fmt: skip
        st.button(
            f"Validation threshold ({shown(model.threshold)})", icon=":material/undo:", shortcut="V",
            key="validation", disabled=now == scored.chosen, on_click=hold, args=(scored.chosen,),
        )  # fmt: skip
    keep_threshold(by_hand)
    return scored.thresholds[now] if by_hand is None else by_hand


# Beside a clip


def _where(desk: Desk, clip: str, paths: Sequence[str]) -> None:
    """Say where on the list one is, and how much of it is done."""
    said = _said(desk, paths)
    seen = desk.looked_at(clip) & set(paths) | said
    place = (
        f"**Clip {_number(clip, paths)} of {len(paths)}**" if clip in paths else f"**Not on this list** of {len(paths)}"
    )
    st.markdown(f"{place} · {len(seen)} of {len(paths)} looked at · {len(said)} tagged or noted")


def _said(desk: Desk, paths: Sequence[str]) -> set[str]:
    return {path for path in paths if desk.words(path)}


def _number(clip: str, paths: Sequence[str]) -> int:
    return paths.index(clip) + 1 if clip in paths else 0


def _ways(desk: Desk, clip: str, paths: Sequence[str]) -> None:
    """Show the buttons that lead on."""
    number, all_said = _number(clip, paths), len(_said(desk, paths)) == len(paths)
    advancing = bool(st.session_state.get("audit_advance"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Previous", key="previous", shortcut="Left", icon=":material/arrow_back:",
            disabled=number == 1 or not paths, on_click=triage.step, args=(paths, -1),
        )  # fmt: skip
        st.button(
            "Next", key="next", shortcut="Right", icon=":material/arrow_forward:",
            disabled=number == len(paths), on_click=triage.step, args=(paths, 1),
        )  # fmt: skip
        st.button(
            "Next untagged", key="untagged", shortcut="T", on_click=triage.next_untagged, args=(desk, paths),
            disabled=all_said,
        )  # fmt: skip
        st.button(
            f"Go on after a tag: {'on' if advancing else 'off'}", key="advance", shortcut="A",
            type="primary" if advancing else "secondary", on_click=triage.swap_advance,
        )  # fmt: skip
        st.button(
            "Undo", key="undo", shortcut="U", icon=":material/undo:", disabled=not triage.may_undo(desk.run),
            on_click=triage.undo, args=(desk,),
        )  # fmt: skip
        with st.popover("Keys", icon=":material/keyboard:"):
            keys.explain()


def _tags(desk: Desk, path: str, paths: Sequence[str]) -> None:
    """Show the tags as buttons, and the note."""
    mine = desk.mine(path)
    desk.remember(path)
    on_it, note = triage.content(mine)
    cells = st.grid(min_column_width=140, row_height="content", gap="xsmall")
    for number, tag in enumerate(annotations.TAGS, start=1):
        on = tag in on_it
        cells.button(
            f"✓ {tag}" if on else tag, key=f"tag-{number}", type="primary" if on else "secondary", width="stretch",
            shortcut=str(number), on_click=triage.toggle, args=(desk, path, tag, paths),
        )  # fmt: skip
    widget = f"note-{mine.version if mine else 0}-{path}"
    st.text_area(
        keys.NOTE, note, key=widget, max_chars=annotations.NOTE_LIMIT, height=92, on_change=triage.write,
        args=(desk, path, widget),
    )  # fmt: skip
    st.caption(f"N to write, Enter to save; at most {annotations.NOTE_LIMIT:,} characters.")


def _name() -> None:
    """Ask whose words these are."""
    st.text_input(
        "Your name (optional)", key=triage.WHO, max_chars=annotations.NAME_LIMIT, persist_state="session",
        help="Kept with your tags and notes; asked once per visit.",
    )  # fmt: skip


def _others(desk: Desk, path: str) -> None:
    """Show what stands beside one's own words, as plain text, and offer to join what stands under one name."""
    beside = desk.others(path)
    for annotation in beside:
        words = "; ".join(
            filter(None, (", ".join(annotation.tags), printable(annotation.note, annotations.NOTE_LIMIT * 2)))
        )
        st.text(f"{printable(annotation.who) or 'Without a name'}, {sentences.when(annotation.made)}: {words}")
    if any(annotation.who == desk.who for annotation in beside):
        whose = f"under the name {sentences.literal(desk.who)}" if desk.who else "by people who gave no name"
        st.caption(f"Saved at the same time {whose}: both are kept.")
        st.button("Join them", key="join", on_click=triage.merge, args=(desk, path))


# The whole list


def _with_words(clips: pd.DataFrame, desk: Desk, detectors: int) -> pd.DataFrame:
    """Return a list with the columns a table shows beside the clips' own."""
    words = [desk.words(path) for path in clips["path"]]
    return clips.assign(
        here=["▶" if path == selection.path() else "" for path in clips["path"]],
        away=clips["distance"].round(2),
        votes=[f"{votes} of {detectors}" for votes in clips["says_ai"]],
        tags=["; ".join(", ".join(annotation.tags) for annotation in said if annotation.tags) for said in words],
        notes=["; ".join(printable(annotation.note) for annotation in said if annotation.note) for said in words],
    )


def _sources(counts: pd.DataFrame) -> None:
    """Show how many clips of each source are called wrongly."""
    rows = pd.DataFrame(
        {
            "Class": counts["label"].map(lambda label: f"{palette.SIGNS[label]} {theme.NAMES[label]}"),
            "Source": counts["source"].map(printable),
            "Wrong": [f"{wrong} of {n}" for wrong, n in zip(counts["wrong"], counts["clips"], strict=True)],
            "Share": counts["share"] * 100,
        }
    )
    said = "; ".join(f"{row['Source']} {row['Wrong']}" for _, row in rows.head(5).iterrows())
    share = st.column_config.ProgressColumn("Share", format="%.0f%%", min_value=0, max_value=100)
    st.dataframe(
        rows, hide_index=True, column_config={"Share": share}, lazy=False, alt=f"Clips called wrongly by source: {said}"
    )
