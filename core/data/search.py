"""Find the sound files in a folder, and say of everything else in it why it was not taken.

The one search: training, judging and cutting all ask it, so that what one of them takes none of them passes over.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from core.audio.containers import ACCEPTED, SUFFIXES, UNREAD_SUFFIXES, convert
from core.errors import DataError, printable

PASSED_OVER: Final = {  # what a code of `PassedOver` stands for: one, and several
    "hidden_folder": ("hidden folder", "hidden folders"),
    "hidden_file": ("hidden file", "hidden files"),
    "folder_link": ("link to a folder", "links to folders"),
    "unreadable_folder": ("folder that cannot be read", "folders that cannot be read"),
    "type_not_accepted": ("file", "files"),  # with its type before it
}
SOUND: Final = UNREAD_SUFFIXES.union(SUFFIXES)
ON_PURPOSE: Final = frozenset({"hidden_folder", "hidden_file", "folder_link"})  # told, but nothing that went wrong


class PassedOver(NamedTuple):
    """A file or folder that was not taken, and why."""

    path: Path
    code: str  # key of `PASSED_OVER`
    problem: str
    remedy: str


@dataclass(frozen=True)
class Rest:
    """All that searches did not take."""

    passed: tuple[PassedOver, ...] = ()  # sorted by path within a search
    others: tuple[Path, ...] = ()  # files of other kinds, such as covers and playlists

    def __add__(self, other: "Rest") -> "Rest":
        """Return what neither of two searches took."""
        return Rest(self.passed + other.passed, self.others + other.others)

    def failures(self) -> list[PassedOver]:
        """Return what may hold sound that somebody misses."""
        return [row for row in self.passed if row.code not in ON_PURPOSE]

    def lines(self) -> list[str]:
        """Return a line for each that was passed over, with its reason and what to do about it."""
        return [f"passed over {printable(str(row.path))}: {row.problem}. {row.remedy}" for row in self.passed]

    def sentence(self) -> str:
        """Return what was passed over in one sentence, without a full stop; empty where nothing was."""
        kinds = Counter((row.code, _type_of(row)) for row in self.passed)
        told = [_counted(kinds[kind], *kind) for kind in sorted(kinds, key=lambda kind: (-kinds[kind], kind))]
        if self.others:
            types = Counter(map(_type, self.others))
            counted = (f"{types[name]} {name}" for name in sorted(types, key=lambda name: (-types[name], name)))
            told.append(f"{len(self.others)} of other kinds ({', '.join(counted)})")
        return f"Passed over: {', '.join(told)}" if told else ""


@dataclass(frozen=True)
class Search:
    """What is in a folder: the sound files, sorted, and the rest."""

    files: tuple[Path, ...]
    rest: Rest


def search(folder: Path, apart: Path | None = None) -> Search:
    """Look through a folder and its subfolders; a suffix counts in capitals, too.

    Hidden folders are not searched: trash, versions and annexes lie there, which their owner believes gone. Links to
    folders are not followed, so that a loop of links cannot trap the search and no file is met twice.

    Parameters
    ----------
    apart : folder below it that is left out without a word.
    """
    left_out = os.path.realpath(apart) if apart else ""
    files: list[Path] = []
    passed: list[PassedOver] = []
    others: list[Path] = []
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(inside) as listed:
                entries = list(listed)
        except OSError as error:
            problem = f"cannot be read ({error.strerror or error})"
            passed.append(PassedOver(inside, "unreadable_folder", problem, "Check its permissions"))
            continue
        for entry in entries:
            path = inside / entry.name
            is_folder = _is_folder(entry)
            if is_folder and left_out and os.path.realpath(path) == left_out:
                continue
            if not is_folder and path.suffix.lower() not in SOUND:
                others.append(path)
            elif reason := _folder_reason(entry, path) if is_folder else _file_reason(path):
                passed.append(reason)
            else:
                (waiting if is_folder else files).append(path)
    return Search(tuple(sorted(files)), Rest(tuple(sorted(passed)), tuple(sorted(others))))


def check_holds_sound(folder: Path, search: Search) -> None:
    """Refuse a folder in which no sound file was found, and say what was.

    Raises
    ------
    DataError : with the system's word where the folder itself cannot be read.
    """
    if search.files:
        return
    for row in search.rest.passed:
        if row.path == folder:
            raise DataError(folder, row.problem, row.remedy)
    told = search.rest.sentence()
    problem = f"it holds no audio file ({told[0].lower()}{told[1:]})" if told else "it holds no audio file"
    raise DataError(folder, problem, f"Put {ACCEPTED} files into it")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link whose target may not be looked at
        return False


def _folder_reason(entry: "os.DirEntry[str]", path: Path) -> PassedOver | None:
    if entry.is_symlink():
        problem = f"is a link to the folder {printable(_target(path))}, which is not followed"
        return PassedOver(path, "folder_link", problem, "Name that folder itself")
    if entry.name.startswith("."):
        problem = "is a hidden folder, which is not searched"
        return PassedOver(path, "hidden_folder", problem, "Rename it without the dot")
    return None


def _file_reason(path: Path) -> PassedOver | None:
    if path.name.startswith("."):
        return PassedOver(path, "hidden_file", "is a hidden file", "Rename it without the dot")
    if path.suffix.lower() not in SUFFIXES:
        problem = f"is of type {_type(path)}, which is not read"
        return PassedOver(path, "type_not_accepted", problem, convert(path.suffix))
    return None


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return "that it names"


def _type(path: Path) -> str:
    return printable(path.suffix[1:].upper(), 10) or "without a suffix"


def _type_of(row: PassedOver) -> str:
    return _type(row.path) if row.code == "type_not_accepted" else ""


def _counted(number: int, code: str, kind: str) -> str:
    return " ".join(filter(None, (str(number), kind, PASSED_OVER[code][number > 1])))
