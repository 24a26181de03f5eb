"""What several pages show the same way."""

import re
from collections.abc import Sequence

import streamlit as st

from core.artifacts import Run
from core.errors import DetectorError, printable
from dashboard import address, selection
from dashboard.drawing import theme
from dashboard.reading import runs
from dashboard.reading.runs import PhaseState
from dashboard.sentences import duration

NAME_SHOWN = 80  # characters of a file's name in the sidebar


def choose_run() -> None:
    """Let the reader choose a run in the sidebar; the address always names it, so that a link opens the same one."""
    st.sidebar.markdown(f"{''.join(theme.MARKS.values())} **Synthetic Music Detector**")
    names = [run.name for run in runs.runs()]
    asked = st.query_params.get("run", names[0])
    if st.session_state.get("run") not in names:
        st.session_state["run"] = asked if asked in names else names[0]
    address.offer("run", {name: name for name in names})
    st.sidebar.selectbox("Run", names, key="run", help="A folder under artifacts/: one data set, one configuration.")
    st.query_params["run"] = st.session_state["run"]


def selected_clip() -> None:
    """Show which clip is selected, on every page in the sidebar, with the way to it."""
    path, run = selection.path(), runs.current_run()
    is_here, name = runs.has_clip(run, path), printable(path.rsplit("/", 1)[-1], NAME_SHOWN)
    for asked in address.asked(selection.KEY):
        if not runs.has_clip(run, asked):
            address.miss(selection.KEY, asked, name if path and is_here else "no clip")
    if not path:
        return
    with st.container(border=True, gap="xsmall"):
        st.caption("Selected clip" if is_here else "This run has no clip of the name the address asks for")
        st.text(name)
        with st.container(horizontal=True, vertical_alignment="center"):
            if is_here:
                st.page_link("../pages/clips.py", label="Open", icon=":material/library_music:")
            st.button("Forget", on_click=selection.forget, type="tertiary")


def demo_notice() -> None:
    """Say that demo numbers say nothing about real music."""
    st.info(
        "**Demo.** These clips are made by code: the numbers say nothing about real music.", icon=":material/science:"
    )


def shipped_notice() -> None:
    """Say what is not in the run that ships, so that nobody looks for it or tries to go on with it."""
    st.info(
        "**Shipped run:** no audio, no training data here. Detect and every result work; clips cannot be played, and "
        "commands that a page names are for a run of your own.",
        icon=":material/package_2:",
    )


def show_error(error: DetectorError) -> None:
    """Say what is wrong and what to do. Paths and problems are shown as plain text, commands ready to copy."""
    with st.container(border=True):
        st.markdown(":material/info: **This cannot be shown**")
        st.text(f"{printable(error.path)}: {error.problem}.")
        _show_remedy(error.remedy)


def _show_remedy(remedy: str) -> None:
    """Show an instruction, its commands apart and ready to copy."""
    for place, part in enumerate(re.split(r"`([^`]+)`", remedy)):
        if place % 2:
            st.code(part, language=None, wrap_lines=True)
        elif part.strip(" ,."):
            st.text(part.strip())


def show_phases(phases: Sequence[PhaseState]) -> None:
    """Show what is done and what it took."""
    rows = [
        {
            "Phase": phase.name,
            "What it does": phase.title,
            "State": "✓ done" if phase.done else "○ to do",
            "Time": duration(phase.seconds) if phase.done else "",
            "Memory": f"{phase.peak_mb / 1000:.1f} GB" if phase.done else "",
            "Device": printable(phase.device),
        }
        for phase in phases
    ]
    st.dataframe(rows, hide_index=True, alt="The phases of this run, their state, time, memory and device")


def show_outdated(run: Run) -> None:
    """Say that the shown results are older than what has been trained since."""
    st.warning("Something was made again since this evaluation. To see it here, evaluate again:")
    _show_remedy(run.remedy("evaluate"))


def show_skipped(rows: Sequence[dict[str, str]], limit: int) -> None:
    """List refused files with their reasons."""
    if not rows:
        st.markdown("None: every file could be used.")
        return
    columns = {"path": "File", "reason": "Reason", "explanation": "Explanation"}
    shown = [{title: printable(row[name]) for name, title in columns.items()} for row in rows[:limit]]
    st.caption(f"{len(shown):,} of {len(rows):,} files, in full in skipped.csv")
    st.dataframe(shown, hide_index=True, alt="Files that were left out, and why")
