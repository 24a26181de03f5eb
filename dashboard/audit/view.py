"""What the Audit page shows beside a clip: the keys, the tags, the note, others' words, the list (SPEC U6)."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core import palette
from core.artifacts import Run
from core.errors import printable
from dashboard import selection, sentences
from dashboard.audit import triage
from dashboard.audit.triage import Desk
from dashboard.drawing import theme
from dashboard.reading import annotations
from dashboard.reading.results import Model
from dashboard.threshold import held_threshold, keep_threshold, read_answers, shown

NOTE, LIST = "Note", "List"  # labels of the widgets that a key puts the cursor into
KEYS = {
    "→": "next clip",
    "←": "previous clip",
    "1 to 8": "put a tag on, or take it off",
    "N": "write a note (Enter saves, Shift+Enter begins a line)",
    "T": "next clip nobody has tagged or noted",
    "A": "go on by itself after a tag, or stop that",
    "U": "undo the last tag or note",
    "V": "back to the validation threshold",
    "F": "choose another list (type or use the arrows, then Enter)",
    "E": "export the list",
    "Space": "play or stop (in the player: its own keys, such as arrows to seek; Esc leaves a field)",
}
_FOCUS = """
export default function ({ data, parentElement }) {
  const listen = (event) => {
    const target = event.composedPath()[0]
    if (target.closest?.("input, textarea, select, [contenteditable]")) {
      const done = event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)
      if (done && target.tagName === "TEXTAREA") {
        event.preventDefault()
        event.stopPropagation()
        target.blur()
      } else if (done) {
        setTimeout(() => target.blur()) // once the widget has taken the choice or the name
      }
    } else if (event.key === " ") {
      const play = target.closest?.("button, summary, a, .smd-player") ? null : document.querySelector(".smd-play")
      if (play) {
        event.preventDefault() // or the page scrolls
        play.click()
      }
    } else if (!event.ctrlKey && !event.metaKey && !event.altKey) {
      const label = data.keys[event.key.toLowerCase()]
      const found = label && document.querySelector(
        `textarea[aria-label="${label}"], [data-testid=stSelectbox] input[aria-label*="${label}"]`)
      if (found) {
        event.preventDefault()
        found.focus()
      }
    }
  }
  document.removeEventListener("keydown", parentElement.listen, true)
  parentElement.listen = listen
  document.addEventListener("keydown", listen, true)
  return () => document.removeEventListener("keydown", parentElement.listen, true)
}
"""
_focus = st.components.v2.component("triage_keys", js=_FOCUS)

CLIP = {"here": "", "path": "Clip", "label": "Class"}  # columns of the list, before the score and after
SAID = {"tags": "Tags", "notes": "Notes", "source": "Source", "away": "Log-odds", "votes": "Say AI"}


def threshold(run: Run, model: Model, split: str) -> float:
    """Let the reader move a detector's threshold, the same one as on the Models page; the address keeps it."""
    found = read_answers(run, model.key, split, model.threshold)
    key = f"threshold-{run.name}-{model.key}"
    held = held_threshold(key, found)
    now = found.chosen if held is None else found.place(held)

    def hold(place: int) -> None:
        st.session_state[key] = None if place == found.chosen else found.thresholds[place]

    st.session_state["audit-cut"] = now
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.select_slider(
            f"{model.name}: from this score on, a clip is called AI", range(len(found.thresholds)), key="audit-cut",
            format_func=lambda place: found.label(place, held), width=480,
            on_change=lambda: hold(st.session_state["audit-cut"]),
        )  # fmt: skip
        st.button(
            f"Validation threshold ({shown(model.threshold)})", icon=":material/undo:", shortcut="V",
            key="validation", disabled=now == found.chosen, on_click=hold, args=(found.chosen,),
        )  # fmt: skip
    keep_threshold(held)
    return found.thresholds[now] if held is None else held


def where(desk: Desk, clip: str, paths: Sequence[str]) -> None:
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


def ways(desk: Desk, clip: str, paths: Sequence[str]) -> None:
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
            keys()


def with_words(clips: pd.DataFrame, desk: Desk, detectors: int) -> pd.DataFrame:
    """Return a list with the columns a table shows beside the clips' own."""
    words = [desk.words(path) for path in clips["path"]]
    return clips.assign(
        here=["▶" if path == selection.path() else "" for path in clips["path"]],
        away=clips["distance"].round(2),
        votes=[f"{votes} of {detectors}" for votes in clips["says_ai"]],
        tags=["; ".join(", ".join(one.tags) for one in said if one.tags) for said in words],
        notes=["; ".join(printable(one.note) for one in said if one.note) for said in words],
    )


def sources(counts: pd.DataFrame) -> None:
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


def listen() -> None:
    """Let N put the cursor into the note, F into the choice of a list, Space play: shortcuts only press st.buttons."""
    _focus(key="triage_keys", data={"keys": {"n": NOTE, "f": LIST}, "note": NOTE}, height=1)


def keys() -> None:
    """Show which key does what."""
    rows = pd.DataFrame({"Key": list(KEYS), "What it does": list(KEYS.values())})
    st.table(rows, hide_index=True, border="horizontal", alt="Keys of this page and what they do")


def tags(desk: Desk, path: str, paths: Sequence[str]) -> None:
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
        NOTE, note, key=widget, max_chars=annotations.NOTE_LIMIT, height=92, on_change=triage.write,
        args=(desk, path, widget),
    )  # fmt: skip
    st.caption(f"N to write, Enter to save; at most {annotations.NOTE_LIMIT:,} characters.")


def name() -> None:
    """Ask whose words these are."""
    st.text_input(
        "Your name (optional)", key=triage.WHO, max_chars=annotations.NAME_LIMIT, persist_state="session",
        help="Kept with your tags and notes; asked once per visit.",
    )  # fmt: skip


def others(desk: Desk, path: str) -> None:
    """Show what stands beside one's own words, as plain text, and offer to join what stands under one name."""
    beside = desk.others(path)
    for one in beside:
        words = "; ".join(filter(None, (", ".join(one.tags), printable(one.note, annotations.NOTE_LIMIT * 2))))
        st.text(f"{printable(one.who) or 'Without a name'}, {sentences.when(one.made)}: {words}")
    if any(one.who == desk.who for one in beside):
        whose = f"under the name {sentences.literal(desk.who)}" if desk.who else "by people who gave no name"
        st.caption(f"Saved at the same time {whose}: both are kept.")
        st.button("Join them", key="join", on_click=triage.merge, args=(desk, path))
