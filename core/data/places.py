"""Which clips there are, and which song and source each belongs to."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core import storage
from core.artifacts import LABELS
from core.config import SplitConfig
from core.data.names import tell
from core.data.search import Rest, Search, check_holds_sound, search
from core.errors import ConfigError, DataError, printable

MANIFEST_COLUMNS = ("path", "label", "group", "source")
MAX_MANIFEST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Candidate:
    """A file that may become a clip. `name` is its path relative to the data root, with forward slashes."""

    name: str
    label: int  # 0 = human, 1 = AI
    group: str
    source: str


@dataclass(frozen=True)
class Listing:
    """The files that a place names, as they were when it was listed."""

    root: Path
    candidates: tuple[Candidate, ...]  # sorted by name
    fingerprint: dict[str, Any]  # plain values that change with a name, label, group, source, size or time of change
    rest: Rest = field(default_factory=Rest)  # what else lies in the folders

    def name(self, path: Path) -> str:
        """Return a path as candidates are named: relative to the root where it lies there, with forward slashes."""
        return _name(self.root, path)


@dataclass(frozen=True)
class Place:
    """Where the clips are: two folders, or a manifest. Stored in run.json, so that its name alone continues a run."""

    root: Path
    human: str = ""  # folders relative to the root, or absolute
    ai: str = ""
    manifest: str = ""

    def candidates(self, config: SplitConfig) -> list[Candidate]:
        """Return every file the place names, sorted by name."""
        return self._looked_through(config)[0]

    def listing(self, config: SplitConfig) -> Listing:
        """Return every file the place names, with what tells later whether the files are still the same."""
        candidates, rest = self._looked_through(config)
        facts: list[list[object]] = [
            [*asdict(file).values(), *_size_and_change(self.root / file.name)] for file in candidates
        ]
        facts += [[_name(self.root, row.path), row.code, row.problem] for row in rest.passed]
        fingerprint = {"clips": len(candidates), "listing": storage.fingerprint(facts)}
        return Listing(self.root, tuple(candidates), fingerprint, rest)

    def to_dict(self) -> dict[str, str]:
        """Return the place as plain values, as run.json holds it."""
        return {"root": str(self.root), "human": self.human, "ai": self.ai, "manifest": self.manifest}

    def _looked_through(self, config: SplitConfig) -> tuple[list[Candidate], Rest]:
        if self.manifest:
            return read_manifest(self.root / self.manifest), Rest()
        candidates: list[Candidate] = []
        rest = Rest()
        for label, folder in enumerate((self.root / self.human, self.root / self.ai)):
            if not folder.is_dir():
                raise DataError(folder, "there is no such folder", "Name the folder that holds the clips")
            inside = search(folder)
            candidates += clips_in(self.root, folder, inside, label, config)
            rest += inside.rest
        return sorted(_classes_apart(candidates), key=lambda candidate: candidate.name), rest


def place_of(values: Mapping[str, Any]) -> Place:
    """Rebuild a place from `Place.to_dict`'s result."""
    return Place(**{**values, "root": Path(values["root"])})


def _size_and_change(path: Path) -> tuple[int | None, int | None]:
    """Return bytes and time of change in nanoseconds, of a link its target's; both None where there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None, None
    return status.st_size, status.st_mtime_ns


def folders(human: Path, ai: Path) -> Place:
    """Return the place of two folders; neither may hold the other."""
    for folder in (human, ai):
        if not folder.is_dir():
            raise DataError(folder, "there is no such folder", "Name the folder that holds the clips")
    human, ai = human.resolve(), ai.resolve()
    if human == ai or human in ai.parents or ai in human.parents:
        raise DataError(
            human, "the human and the AI folder are one, or one lies in the other", "Name two separate folders"
        )
    root = (
        Path(*(a for a, b in zip(human.parts, ai.parts, strict=False) if a == b))
        if human.anchor == ai.anchor
        else human
    )
    inside = root in human.parents and root in ai.parents
    return Place(root, *(str(folder.relative_to(root)) if inside else str(folder) for folder in (human, ai)))


def manifest(path: Path) -> Place:
    """Return the place a manifest describes; its paths are relative to its own folder."""
    if not path.is_file():
        raise DataError(path, "there is no such manifest", "Name a CSV file with the columns path,label,group,source")
    path = path.resolve()
    return Place(path.parent, manifest=path.name)


def clips_in(root: Path, folder: Path, inside: Search, label: int, config: SplitConfig) -> list[Candidate]:
    """Return the sound files that a search met in a folder, with the song and source their names tell."""
    check_holds_sound(folder, inside)
    told = tell([path.relative_to(folder) for path in inside.files], folder.name, config.group_pattern)
    return [
        Candidate(_name(root, path), label, clip.song, clip.source)
        for path, clip in zip(inside.files, told, strict=True)
    ]


def _name(root: Path, path: Path) -> str:
    return (path.relative_to(root) if root in path.parents else path).as_posix()


def _classes_apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Name a song by its class, too, where files of both classes tell the same name: they are never one song."""
    labels: dict[str, set[int]] = defaultdict(set)
    for clip in candidates:
        labels[clip.group].add(clip.label)
    return [
        replace(clip, group=f"{LABELS[clip.label]}/{clip.group}") if len(labels[clip.group]) > 1 else clip
        for clip in candidates
    ]


def _sources_apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Name a song by its source, too, where several sources have one of its name: a group is a song in its source."""
    sources: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for clip in candidates:
        sources[clip.group].add((clip.label, clip.source))
    named = [
        replace(clip, group=f"{clip.source}/{clip.group}") if len(sources[clip.group]) > 1 else clip
        for clip in candidates
    ]
    return _classes_apart(named)


def source_table(candidates: Sequence[Candidate], examples: int = 3) -> list[dict[str, object]]:
    """Return a row for each class and source as read: how many clips and songs, and some songs with their clips."""
    rows: list[dict[str, object]] = []
    for label, source in sorted({(clip.label, clip.source) for clip in candidates}):
        clips = Counter(clip.group for clip in candidates if (clip.label, clip.source) == (label, source))
        some = "; ".join(f"{printable(song, 40)} ({clips[song]})" for song in sorted(clips)[:examples])
        rows.append(
            {
                "label": LABELS[label],
                "source": printable(source, 40),
                "clips": clips.total(),
                "songs": len(clips),
                "for example (clips)": some,
            }
        )
    return rows


def check_sources(asked: str, sources: Collection[str]) -> set[str]:
    """Return the names in `audit.leave_out`: of sources, or `all`.

    Raises
    ------
    ConfigError : a name is no source of this run.
    """
    names = {name.strip() for name in asked.split(",")} - {""}
    if unknown := names - {"all", *sources}:
        known = printable(", ".join(sorted(sources)))
        problem = f"no source {printable(min(unknown))}"
        raise ConfigError(f"audit.leave_out={printable(asked)}", problem, f"Choose all, or from: {known}")
    return names


def read_manifest(path: Path) -> list[Candidate]:
    """Read a manifest: CSV with the columns path, label (human or ai, 0 or 1), group, source; others are ignored.

    Raises
    ------
    DataError : not UTF-8 text, a column or value is missing, a label is unknown, a path stands twice, leaves the
        manifest's folder or does not exist. The message names the line.
    """
    lines = list(_manifest_rows(path))
    if not lines:
        raise DataError(path, "it lists no clip", "Add one line per clip")
    candidates = [_candidate(path, number, row) for number, row in lines]
    names = Counter(candidate.name for candidate in candidates)
    for (number, _), candidate in zip(lines, candidates, strict=True):
        if names[candidate.name] > 1:
            raise DataError(
                path, f"line {number}: {printable(candidate.name)} is listed twice", "Keep one of the lines"
            )
    missing = [candidate.name for candidate in candidates if not os.path.lexists(path.parent / candidate.name)]
    if missing:
        some = ", ".join(printable(name) for name in missing[:5])
        raise DataError(path, f"{len(missing)} of {len(candidates)} files do not exist: {some}", "Correct the paths")
    return sorted(_sources_apart(candidates), key=lambda candidate: candidate.name)


def _manifest_rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise DataError(path, "it is too large for a manifest", f"Keep it below {MAX_MANIFEST_BYTES >> 20} MB")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in MANIFEST_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                needed = ",".join(MANIFEST_COLUMNS)
                raise DataError(path, f"it has no column {missing[0]}", f"Its first line must name {needed}")
            for row in reader:
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise DataError(path, "it is not UTF-8 text", "Save it as CSV in UTF-8") from error
    except OSError as error:
        raise DataError(path, f"it cannot be read ({error.strerror})", "Check its permissions") from error
    except csv.Error as error:
        raise DataError(path, f"it is not a CSV table ({error})", "Save it as comma-separated values") from error


def _candidate(path: Path, number: int, row: dict[str, str]) -> Candidate:
    values = {name: (row.get(name) or "").strip() for name in MANIFEST_COLUMNS}
    for name in ("path", "label", "group"):
        if not values[name]:
            raise DataError(path, f"line {number}: no {name}", "Fill it in")
    label = {"human": 0, "0": 0, "ai": 1, "1": 1}.get(values["label"].lower())
    if label is None:
        raise DataError(path, f"line {number}: {values['label']!r} is not a label", "Write human or ai")
    inside = Path(values["path"])
    if inside.is_absolute() or ".." in inside.parts:
        raise DataError(
            path, f"line {number}: {printable(str(inside))} leaves the manifest's folder", "Use paths relative to it"
        )
    return Candidate(inside.as_posix(), label, values["group"], values["source"] or LABELS[label])
