"""Which clips there are, which song each belongs to, and which split each song goes to (SPEC D1, D4)."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from core.artifacts import LABELS, SPLITS
from core.audio import SUFFIXES
from core.config import SplitConfig
from core.errors import ConfigError, DataError, printable
from core.storage import Array

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
    """Return the song a clip was cut from, told by its path inside the class folder (SPEC D4).

    Without a pattern: the file's name without its segment suffix, with the folder it lies in, if any. A number alone is
    not a segment: `sample_12.wav` is a song of its own.

    Examples
    --------
    >>> group_of(Path("fma_001_seg2.wav")), group_of(Path("sample_12.wav")), group_of(Path("rock/song/seg3.wav"))
    ('fma_001', 'sample_12', 'rock/song')
    """
    if pattern:
        match = _compiled(pattern).search(path.as_posix())
        if match is None:
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
    missing = [candidate.name for candidate in found if not (path.parent / candidate.name).exists()]
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


# Splitting


def join_identical(groups: Sequence[str], hashes: Sequence[str]) -> list[str]:
    """Return the groups with those that share identical audio joined under one name (SPEC D4).

    Examples
    --------
    >>> join_identical(["a", "b", "b", "c"], ["1", "1", "2", "3"])
    ['a', 'a', 'a', 'c']
    """
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    first: dict[str, str] = {}
    for group, digest in zip(groups, hashes, strict=True):
        low, high = sorted((root(group), root(first.setdefault(digest, group))))
        parent[high] = low
    return [root(group) for group in groups]


def split_songs(
    labels: Sequence[int], groups: Sequence[str], sources: Sequence[str], config: SplitConfig, seed: int
) -> list[str]:
    """Return a split for every clip, all clips of a song in one (SPEC D4).

    Songs of each label and source are dealt out largest first, each to the split that keeps the shares of its source
    and of
    its label closest to the wanted ones; the seed decides the order of equals. A source with three songs or more is in
    every split.
    """
    check_groups(labels, groups, config)
    shares = np.array([config.train, config.val, config.test])
    songs: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    home = _home_stratum(labels, groups, sources)
    for group in groups:
        songs[home[group]][group] += 1
    random = np.random.default_rng(seed)
    of_label = {label: np.zeros(len(SPLITS)) for label in (0, 1)}
    chosen: dict[str, str] = {}
    for stratum in sorted(songs):
        names = sorted(songs[stratum])
        names = [names[i] for i in random.permutation(len(names))]
        names.sort(key=lambda name: -songs[stratum][name])
        of_source, label = np.zeros(len(SPLITS)), stratum[0]
        for left, name in zip(range(len(names), 0, -1), names, strict=True):
            size = songs[stratum][name]
            cost = _imbalance(of_source, size, shares) + _imbalance(of_label[label], size, shares)
            if left <= (of_source == 0).sum():
                cost[of_source > 0] = np.inf
            index = int(np.argmin(np.round(cost, 6)))
            of_source[index] += size
            of_label[label][index] += size
            chosen[name] = SPLITS[index]
    result = [chosen[group] for group in groups]
    check_split(labels, groups, result)
    return result


def _imbalance(dealt: Array, size: int, shares: Array) -> Array:
    """Return, for each split that a song of `size` clips might go to, how far the shares would then be off."""
    after = dealt + size * np.eye(len(dealt))  # (split it goes to, split)
    return ((after - after.sum(axis=1, keepdims=True) * shares) ** 2 / shares).sum(axis=1)  # type: ignore[no-any-return]


def _home_stratum(labels: Sequence[int], groups: Sequence[str], sources: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return the label and source that most clips of each song have."""
    votes: dict[str, Counter[tuple[int, str]]] = defaultdict(Counter)
    for label, group, source in zip(labels, groups, sources, strict=True):
        votes[group][label, source] += 1
    return {group: min(count.items(), key=lambda item: (-item[1], item[0]))[0] for group, count in votes.items()}


def check_groups(labels: Sequence[int], groups: Sequence[str], config: SplitConfig) -> None:
    """Refuse what cannot be split honestly: a class missing, too few songs, or one song that is half a class."""
    for label, name in enumerate(LABELS):
        sizes = Counter(group for group, other in zip(groups, labels, strict=True) if other == label)
        if not sizes:
            raise DataError("data", f"there is no usable {name} clip", "Give clips of both classes")
        if len(sizes) < len(SPLITS):
            raise DataError(
                "data",
                f"the {sum(sizes.values())} {name} clips come from {len(sizes)} song(s); three splits need three songs",
                "Add songs, or check that the file names tell songs apart (--group-pattern)",
            )
        largest, count = sizes.most_common(1)[0]
        if count > config.max_group_share * sum(sizes.values()):
            raise DataError(
                "data",
                f"the song {printable(largest)!r} holds {count} of {sum(sizes.values())} {name} clips",
                "Check that the file names tell songs apart (--group-pattern), or raise split.max_group_share",
            )


def check_split(labels: Sequence[int], groups: Sequence[str], splits: Sequence[str]) -> None:
    """Refuse a split that leaks or cannot be measured: a song in two splits, or a split without one of the classes."""
    homes: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        homes[group].add(split)
    shared = sorted(group for group, where in homes.items() if len(where) > 1)
    if shared:
        raise DataError("split", f"the song {printable(shared[0])!r} is in {len(homes[shared[0]])} splits", "Mend it")
    present = set(zip(splits, labels, strict=True))
    for split in SPLITS:
        for label, name in enumerate(LABELS):
            if (split, label) not in present:
                raise DataError("split", f"the {split} split has no {name} clip", "Add songs of that class")


def missing_sources(sources: Sequence[str], splits: Sequence[str]) -> list[str]:
    """Return one sentence for each source that a split lacks: what is measured there says nothing about it."""
    homes: dict[str, set[str]] = defaultdict(set)
    for source, split in zip(sources, splits, strict=True):
        homes[source].add(split)
    return [
        f"source {printable(source)} is not in the {split} split"
        for source in sorted(homes)
        for split in SPLITS
        if split not in homes[source]
    ]


def count_table(
    splits: Sequence[str], labels: Sequence[int], sources: Sequence[str], groups: Sequence[str]
) -> list[dict[str, str | int]]:
    """Return clips and songs for each split × label × source that occurs."""
    clips: Counter[tuple[str, int, str]] = Counter(zip(splits, labels, sources, strict=True))
    songs: dict[tuple[str, int, str], set[str]] = defaultdict(set)
    for split, label, source, group in zip(splits, labels, sources, groups, strict=True):
        songs[split, label, source].add(group)
    order = sorted(clips, key=lambda key: (SPLITS.index(key[0]), key[1], key[2]))
    return [
        {"split": key[0], "label": LABELS[key[1]], "source": key[2], "clips": clips[key], "songs": len(songs[key])}
        for key in order
    ]


class SpectrogramDataset(TorchDataset[tuple[torch.Tensor, int]]):
    """Log-mels as PyTorch takes them: (spectrogram (1, 128, 157) float32 in dB, label) (SPEC D7)."""

    def __init__(self, log_mel: Array, labels: Array) -> None:
        self.log_mel = log_mel  # (n, n_mels, frames)
        self.labels = labels  # (n,)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        spectrogram = torch.from_numpy(np.asarray(self.log_mel[index], dtype=np.float32))
        return spectrogram.unsqueeze(0), int(self.labels[index])
