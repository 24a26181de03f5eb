"""Going through a list of clips, tagging and noting: what the Audit page remembers and its buttons do.

A session remembers which version of a person's words it showed last, so that a save names what it was made from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from core.artifacts import Run
from core.errors import DetectorError
from dashboard import components, selection
from dashboard.reading import annotations
from dashboard.reading.annotations import Annotation, read_annotations

WHO = "who"  # the widget that asks for a name


@dataclass(frozen=True)
class Desk:
    """What is known about a run's clips, and whose words the next ones are."""

    run: Run
    who: str
    said: Mapping[str, Sequence[Annotation]]  # by path, what is current

    def words(self, path: str) -> list[Annotation]:
        """Return what is said about a clip, by anybody; words taken back are none."""
        return [annotation for annotation in self.said.get(path, ()) if not annotation.empty]

    def mine(self, path: str) -> Annotation | None:
        """Return what this session continues: its own last words if they still stand, or the newest of that name."""
        theirs = [annotation for annotation in self.said.get(path, ()) if annotation.who == self.who]
        last = _shown().get((self.run.name, path, self.who))
        return last if last in theirs else next(reversed(theirs), None)

    def others(self, path: str) -> list[Annotation]:
        """Return what else stands beside it."""
        mine = self.mine(path)
        return [annotation for annotation in self.words(path) if annotation != mine]

    def remember(self, path: str) -> None:
        """Note what is on the screen: what the next save is made from."""
        _shown()[self.run.name, path, self.who] = self.mine(path)

    def looked_at(self, path: str) -> set[str]:
        """Note that a clip is on the screen; return all that were in this session."""
        seen: set[str] = st.session_state.setdefault("audit_seen", {}).setdefault(self.run.name, set())
        seen.add(path)
        return seen


def desk(run: Run) -> Desk:
    """Read what was said about a run's clips, and say what went wrong with the last save."""
    hindrance = st.session_state.pop("audit_hindrance", None)
    if hindrance is not None:
        components.show_error(hindrance)
    said: dict[str, list[Annotation]] = {}
    for annotation in read_annotations(run.annotations):
        said.setdefault(annotation.path, []).append(annotation)
    return Desk(run, _who(), said)


def place(selected: str, paths: Sequence[str], question: object) -> str:
    """Return the clip to show and remember the list: the selected one, or the first where the question is a new one.

    A clip that is selected elsewhere, or by a link, is shown although it is not on the list; one that has just dropped
    off the list is not.
    """
    asked, earlier = st.session_state.get("audit_list", (question, ()))
    st.session_state["audit_list"] = question, tuple(paths)
    return clip_to_show(selected, paths, earlier, same=asked == question)


def clip_to_show(selected: str, paths: Sequence[str], earlier: Sequence[str], *, same: bool) -> str:
    """Return the clip to show on a list, or nothing; `earlier`: the list before, `same`: to the same question."""
    dropped = selected in earlier and selected not in paths
    if same and selected and not dropped:
        return selected
    return paths[0] if paths else ""


# What the buttons do. Callbacks: they run before the page is drawn again


def step(paths: Sequence[str], by: int) -> None:
    """Select the clip `by` places on; from a clip that is not on the list, the first."""
    here = selection.path()
    if paths:
        selection.select(paths[min(max(paths.index(here) + by, 0), len(paths) - 1)] if here in paths else paths[0])


def next_untagged(desk: Desk, paths: Sequence[str]) -> None:
    """Select the next clip nobody has said anything about, from the start again after the end."""
    here = paths.index(selection.path()) + 1 if selection.path() in paths else 0
    around = [*paths[here:], *paths[:here]]
    selection.select(next((path for path in around if not desk.words(path)), selection.path()))


def toggle(desk: Desk, path: str, tag: str, paths: Sequence[str]) -> None:
    """Put a tag on a clip or take it off; where asked to, go on after putting one on."""
    tags, note = content(_shown().get((desk.run.name, path, desk.who)))
    added = tag not in tags
    changed = (*tags, tag) if added else tuple(kept for kept in tags if kept != tag)
    if _save(desk, path, changed, note) and added and st.session_state.get("audit_advance"):
        step(paths, 1)


def write(desk: Desk, path: str, widget: str) -> None:
    """Save the note that has been typed."""
    tags, note = content(_shown().get((desk.run.name, path, desk.who)))
    typed = str(st.session_state[widget])
    if typed.strip() != note:
        _save(desk, path, tags, typed)


def merge(desk: Desk, path: str) -> None:
    """Make one of what stands side by side under one name."""
    side_by_side = [annotation for annotation in desk.said.get(path, ()) if annotation.who == desk.who]
    notes = dict.fromkeys(annotation.note for annotation in side_by_side if annotation.note)
    _save(
        desk,
        path,
        tuple({tag for annotation in side_by_side for tag in annotation.tags}),
        "\n".join(notes),
        side_by_side,
    )


def undo(desk: Desk) -> None:
    """Take back this session's last tag or note, and show its clip."""
    done = _undoable(desk.run)
    if done:
        path, who, (tags, note) = done.pop()
        if _save(Desk(desk.run, who, desk.said), path, tags, note):
            done.pop()  # the undoing itself is nothing to undo
            selection.select(path)


def may_undo(run: Run) -> bool:
    """Return whether this session has changed anything."""
    return bool(_undoable(run))


def swap_advance() -> None:
    """Go on after a tag from now on, or stop that."""
    st.session_state["audit_advance"] = not st.session_state.get("audit_advance")


def _save(desk: Desk, path: str, tags: tuple[str, ...], note: str, replaced: Sequence[Annotation] = ()) -> bool:
    """Save and remember; what stands in the way is said on the next drawing."""
    mine = _shown().get((desk.run.name, path, desk.who))
    versions = {annotation.version for annotation in (*replaced, mine) if annotation is not None}
    try:
        saved = annotations.save(desk.run.annotations, path, desk.who, tags, note, tuple(sorted(versions)))
    except DetectorError as error:
        st.session_state["audit_hindrance"] = error
        return False
    _shown()[desk.run.name, path, desk.who] = saved
    _undoable(desk.run).append((path, desk.who, content(mine)))
    return True


def content(annotation: Annotation | None) -> tuple[tuple[str, ...], str]:
    """Return the tags and the note, none where nothing was said."""
    return (annotation.tags, annotation.note) if annotation else ((), "")


def _who() -> str:
    return " ".join(str(st.session_state.get(WHO, "")).split())


def _shown() -> dict[tuple[str, str, str], Annotation | None]:
    """Return, by run, clip and name, the version this session has shown or saved last."""
    shown: dict[tuple[str, str, str], Annotation | None] = st.session_state.setdefault("audit_shown", {})
    return shown


def _undoable(run: Run) -> list[tuple[str, str, tuple[tuple[str, ...], str]]]:
    done: list[tuple[str, str, tuple[tuple[str, ...], str]]] = st.session_state.setdefault(f"audit_undo {run.name}", [])
    return done
