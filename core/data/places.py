"""Which clips there are, and which song and source each belongs to."""

import csv
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import storage
from core.artifacts import LABELS
from core.audio.containers import SUFFIXES
from core.config import SplitConfig
from core.errors import ConfigError, DataError, printable

MANIFEST_COLUMNS = ("path", "label", "group", "source")
MAX_MANIFEST_BYTES = 256 * 2**20
# What a cutter appends to a song's name: `_seg3`, `-segment 3`, `_clip03`, `_part3`, `_chunk3`; also twice.
_SEGMENT = re.compile(r"(?:[\s_-]*(?:seg|segment|clip|part|chunk|slice)[\s_-]*\d+)+$", re.IGNORECASE)
_NUMBER = re.compile(r"[\s_-]*\d+$")


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


@dataclass(frozen=True)
class Place:
    """Where the clips are: two folders, or a manifest. Stored in run.json, so that its name alone continues a run."""

    root: Path
    human: str = ""  # folders relative to the root, or absolute
    ai: str = ""
    manifest: str = ""

    def candidates(self, config: SplitConfig) -> list[Candidate]:
        """Return every file the place names, sorted by name."""
        if self.manifest:
            return read_manifest(self.root / self.manifest)
        found = [
            *find_clips(self.root, self.root / self.human, 0, config),
            *find_clips(self.root, self.root / self.ai, 1, config),
        ]
        return sorted(found, key=lambda candidate: candidate.name)

    def listing(self, config: SplitConfig) -> Listing:
        """Return every file the place names, with what tells later whether the files are still the same."""
        candidates = tuple(self.candidates(config))
        facts = [[*asdict(file).values(), *_size_and_change(self.root / file.name)] for file in candidates]
        return Listing(self.root, candidates, {"clips": len(facts), "listing": storage.fingerprint(facts)})

    def to_dict(self) -> dict[str, str]:
        """Return the place as plain values, as run.json holds it."""
        return {"root": str(self.root), "human": self.human, "ai": self.ai, "manifest": self.manifest}


def place_of(values: Mapping[str, Any]) -> Place:
    """Rebuild a place from `Place.to_dict`'s result."""
    return Place(**{**values, "root": Path(values["root"])})


def _size_and_change(path: Path) -> tuple[int | None, int | None]:
    """Return bytes and time of change in nanoseconds; of a file that cannot be asked, that neither is known."""
    try:
        status = path.lstat()
    except OSError:
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


def find_clips(root: Path, folder: Path, label: int, config: SplitConfig) -> list[Candidate]:
    """Return the audio files of a folder and its subfolders, with the song and source their names tell.

    Hidden files are passed over; links to folders are not followed, so that a loop of links cannot trap the search.
    """
    if not folder.is_dir():
        raise DataError(folder, "there is no such folder", "Name the folder that holds the clips")
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir():
            inside = path.relative_to(folder)
            group = group_of(inside, config.group_pattern)
            name = path.relative_to(root) if root in path.parents else path
            found.append(Candidate(name.as_posix(), label, group, source_of(group, folder.name)))
    if not found:
        accepted = ", ".join(sorted(suffix[1:].upper() for suffix in SUFFIXES))
        raise DataError(folder, "it holds no audio file", f"Put {accepted} files into it")
    return found


def group_of(path: Path, pattern: str = "") -> str:
    """Return the song a clip was cut from, told by its path inside the class folder.

    Without a pattern: the file's name without its segment suffix, with the folder it lies in, if any. A number alone is
    not a segment: `sample_12.wav` is a song of its own.

    Examples
    --------
    >>> group_of(Path("fma_001_seg2.wav")), group_of(Path("sample_12.wav")), group_of(Path("rock/song/seg3.wav"))
    ('fma_001', 'sample_12', 'rock/song')
    """
    if pattern:
        match = _compiled(pattern).search(path.as_posix())
        if match is None or match.group(1) is None:
            raise DataError(path, f"the group pattern {pattern!r} does not match it", "Change --group-pattern")
        return match.group(1)
    stem = _SEGMENT.sub("", path.stem)
    parts = [*path.parent.parts, *([stem] if stem else [])]
    return "/".join(parts) or path.stem


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError("split.group_pattern", f"not a regular expression ({error})", "Correct it") from error
    if compiled.groups != 1:
        raise ConfigError(
            "split.group_pattern",
            f"it has {compiled.groups} capture groups",
            "Put one pair of parentheses round the song",
        )
    return compiled


def source_of(group: str, folder: str) -> str:
    """Return the source a song's name tells: what stands before its number, else the class folder's name.

    Examples
    --------
    >>> source_of("fma_001", "Human Music"), source_of("sample_12", "musicgen"), source_of("Yesterday", "Beatles")
    ('fma', 'sample', 'Beatles')
    """
    name = group.rpartition("/")[2]
    source = _NUMBER.sub("", name)
    return source if source and source != name else folder


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
    found = [_candidate(path, number, row) for number, row in lines]
    names = Counter(candidate.name for candidate in found)
    for (number, _), candidate in zip(lines, found, strict=True):
        if names[candidate.name] > 1:
            raise DataError(
                path, f"line {number}: {printable(candidate.name)} is listed twice", "Keep one of the lines"
            )
    missing = [candidate.name for candidate in found if not os.path.lexists(path.parent / candidate.name)]
    if missing:
        some = ", ".join(printable(name) for name in missing[:5])
        raise DataError(path, f"{len(missing)} of {len(found)} files do not exist: {some}", "Correct the paths")
    return sorted(found, key=lambda candidate: candidate.name)


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
