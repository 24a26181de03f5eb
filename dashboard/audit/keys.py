"""The keys of the Audit page: which does what, and the listener for those that Streamlit's shortcuts cannot have."""

import pandas as pd
import streamlit as st

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


def listen() -> None:
    """Let N put the cursor into the note, F into the choice of a list, Space play: shortcuts only press st.buttons."""
    _focus(key="triage_keys", data={"keys": {"n": NOTE, "f": LIST}, "note": NOTE}, height=1)


def explain() -> None:
    """Show which key does what."""
    rows = pd.DataFrame({"Key": list(KEYS), "What it does": list(KEYS.values())})
    st.table(rows, hide_index=True, border="horizontal", alt="Keys of this page and what they do")
