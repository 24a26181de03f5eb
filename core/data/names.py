"""Which song and which source a clip belongs to, told by names: what cutters and data sets write into them.

A song is the name of a file without what a cutter appended. A source is what many songs have before their number, and
else the nearest folder that several songs share: one song's title names no source.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from core.errors import ConfigError, DataError

MANY = 4  # songs that share a prefix before it counts as a source's name
_SEVERAL = 2  # songs that share a folder before it counts as one

# What a cutter appends to a name: `_seg3`, `-segment 3`, `_clip03`; never the end of a word, as in Counterpart 7.
_PIECE = re.compile(r"(?:[\s_.-]+|(?<![^\W\d_]))(?:seg|segment|clip|part|chunk|slice)[\s_-]*\d+$", re.IGNORECASE)
_BARE = re.compile(r"(?:seg|segment|part|chunk|slice)[\s_-]*\d+", re.IGNORECASE)  # `clip_001` is a song of a data set
# What stands before a number and names nothing.
_GENERIC = {
    "audio", "chunk", "clip", "file", "generated", "music", "output", "part", "piece", "recording", "sample", "seg",
    "segment", "slice", "song", "take", "track",
}  # fmt: skip
_NUMBER = re.compile(r"[\s_.-]*\d+$")
_RANDOM = re.compile(r"[0-9a-f]{8,}(?:-[0-9a-f]{4,})*", re.IGNORECASE)  # UUIDs and hashes
# Names whose parts are known: SONICS has fake_<lyric>_<engine>_<version>, and versions of one lyric belong together.
_KNOWN = (re.compile(r"(?P<song>(?:fake|real)_\d{5})_(?P<source>suno|udio)_\d+"),)


@dataclass(frozen=True)
class Told:
    """What a clip's name tells."""

    song: str
    source: str


def tell(clips: Sequence[PurePath], folder: str, pattern: str = "") -> list[Told]:
    """Tell song and source of the clips of one class by their paths inside its folder.

    Parameters
    ----------
    folder : the name of the class folder: the source of what nothing else names.
    pattern : a regular expression whose one group is the song; the source never comes from it.

    Raises
    ------
    ConfigError, DataError : the pattern cannot be used, or does not match a name.
    """
    compiled = _compiled(pattern) if pattern else None
    songs = [_matched(compiled, clip) if compiled else song_of(clip) for clip in clips]
    sources = _sources(clips, folder)
    told = [Told(song, source) for song, source in zip(songs, sources, strict=True)]
    return _apart(told) if compiled else told


def song_of(clip: PurePath) -> str:
    """Return the song a clip was cut from: the file's name without its piece's number, and the folder it lies in.

    A number alone is no piece: `sample_12.wav` is a song of its own. Where a name is nothing but a piece's number, it
    is a piece of what the folder is named for; without a folder, a song of its own.

    Examples
    --------
    >>> song_of(PurePath("fma_001_seg2.wav")), song_of(PurePath("sample_12.wav"))
    ('fma_001', 'sample_12')
    >>> song_of(PurePath("rock/song/seg3.wav")), song_of(PurePath("rock/clip_001_seg1.flac"))
    ('rock/song', 'rock/clip_001')
    """
    stem = _stem(clip)
    known = _known(stem)
    name = known["song"] if known else stem
    folders = clip.parent.parts
    return "/".join(folders if folders and _BARE.fullmatch(name) and clip.stem == name else (*folders, name))


def _stem(clip: PurePath) -> str:
    """Return a file's name without what cutters appended; never nothing."""
    stem = clip.stem
    while (shorter := _PIECE.sub("", stem)) and shorter != stem:
        stem = shorter
    return stem


def _known(stem: str) -> re.Match[str] | None:
    return next((match for known in _KNOWN if (match := known.fullmatch(stem))), None)


def _sources(clips: Sequence[PurePath], folder: str) -> list[str]:
    """Return each clip's source."""
    by_prefix: dict[str, set[str]] = defaultdict(set)
    by_folder: dict[PurePath, set[str]] = defaultdict(set)
    for clip in clips:
        song = song_of(clip)
        by_prefix[_prefix(clip)].add(song)
        for parent in clip.parents:
            by_folder[parent].add(song)
    sources = []
    for clip in clips:
        prefix = _prefix(clip)
        named = (parent for parent in clip.parents if parent.name and not parent.name.isdigit())
        shared = next((parent for parent in named if len(by_folder[parent]) >= _SEVERAL), None)
        is_source = bool(prefix) and len(by_prefix[prefix]) >= MANY
        sources.append(prefix if is_source else shared.as_posix() if shared else folder)
    return sources


def _prefix(clip: PurePath) -> str:
    """Return what stands before a song's number, as data sets name their files; nothing for titles and random names."""
    stem = _stem(clip)
    if known := _known(stem):
        return str(known["source"])
    prefix = _NUMBER.sub("", stem)
    names_nothing = prefix == stem or prefix.lower() in _GENERIC or re.search(r"\s", prefix) or _RANDOM.fullmatch(stem)
    return "" if names_nothing else prefix


def _matched(pattern: re.Pattern[str], clip: PurePath) -> str:
    match = pattern.search(clip.as_posix())
    if match is None or match.group(1) is None:
        raise DataError(clip, f"the group pattern {pattern.pattern!r} does not match it", "Change --group-pattern")
    return match.group(1)


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


def _apart(told: Sequence[Told]) -> list[Told]:
    """Name a song by its source, too, where songs of several sources have one name."""
    sources: dict[str, set[str]] = defaultdict(set)
    for clip in told:
        sources[clip.song].add(clip.source)
    return [replace(t, song=f"{t.source}/{t.song}") if len(sources[t.song]) > 1 else t for t in told]
