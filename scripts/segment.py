"""Cut whole songs into named clips, so that a folder of songs becomes a data set.

python -m scripts.segment "My Songs" clips/human
python -m scripts.segment song.mp3 clips/human --max-per-song 12

song.mp3 becomes song_seg1.flac, song_seg2.flac, ... at the song's own sample rate and channels, 16 bit: a clip is a
true part of its song. Folders under SRC are kept. A tail shorter than a clip is left out, unless it is the whole song;
silent pieces are left out too, and the others keep their numbers. A song that cannot be read is listed with the reason
in skipped.csv, as is all that was passed over: types that are not read, hidden folders, links to folders; the rest goes
on. Clips already there are kept: run the same command again to go on after an interruption. cuts.csv remembers what
they were cut from: where a song has changed since, or another length is asked for, nothing is cut and a song is named.
"""

import argparse
import glob
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile as sf
from tqdm import tqdm

from core.audio.clips import is_silent
from core.audio.source import Waveform, open_audio
from core.config import AudioConfig, Config, with_settings
from core.data.search import Rest, Search, check_holds_sound, search
from core.errors import AudioError, DataError, DetectorError, printable
from core.storage import read_csv, write_atomic, write_csv

CUT_COLUMNS = ("path", "bytes", "changed_ns", "seconds")  # what a song's clips were cut from


@dataclass(frozen=True)
class Outcome:
    """What became of one song: clips written and found already there, and why it, or its rest, was skipped."""

    written: int = 0
    kept: int = 0
    reason: str = ""


def find_songs(source: Path, out: Path) -> Search:
    """Return a file, or what is in a folder and its subfolders, without `out`."""
    if not source.exists():
        raise DataError(source, "there is no such file or folder", "Name a song, or a folder of songs")
    if not source.is_dir():
        return Search((source,), Rest())
    if source.resolve() == out.resolve():
        raise DataError(out, "the songs and their clips would share one folder", "Name another folder for the clips")
    inside = search(source, apart=out)
    check_holds_sound(source, inside)
    return inside


def clip_stems(songs: Iterable[Path], source: Path) -> dict[Path, Path]:
    """Map each song to its clips' path below the output folder, without number and suffix; no two songs share one.

    A song keeps its suffix in the name where two would otherwise get the same: song.mp3_seg1.flac, song.wav_seg1.flac.
    """
    root = source if source.is_dir() else source.parent
    places = {song: song.relative_to(root) for song in songs}
    bare = {song: place.with_suffix("") for song, place in places.items()}
    taken = Counter(_folded(name) for name in (*places.values(), *bare.values()))
    return {song: places[song] if taken[_folded(name)] > 1 else name for song, name in bare.items()}


def cut_song(song: Path, stem: Path, config: AudioConfig, limit: int | None = None) -> Outcome:
    """Write a song's clips beside `stem`, at most `limit`, keeping those already there, up to where it turns bad."""
    written = kept = 0
    reason = "silence: has no piece that is long enough and not silent"
    try:
        with open_audio(song, config) as source:
            cut = pieces(source.blocks(), source.header.sample_rate, config)
            for number, piece in islice(_sounding(cut, config), limit):
                path = stem.with_name(f"{stem.name}_seg{number}.flac")
                is_new = not path.exists()
                if is_new:
                    write_flac(path, piece, source.header.sample_rate)
                written, kept, reason = written + is_new, kept + (not is_new), ""
    except AudioError as error:
        reason = f"{error.code}: {error.problem}"
    return Outcome(written, kept, reason)


def pieces(blocks: Iterable[Waveform], rate: int, config: AudioConfig) -> Iterator[Waveform]:
    """Regroup blocks, (frames, channels), into pieces of `config.seconds`, with a tail only if it is all there is."""
    length = round(config.seconds * rate)
    held: list[Waveform] = []
    whole = 0
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= length:
            joined = np.concatenate(held)
            cuts = range(length, len(joined) + 1, length)
            yield from (joined[cut - length : cut] for cut in cuts)
            whole += len(cuts)
            held = [joined[len(cuts) * length :]]
    tail = np.concatenate(held)
    if not whole and len(tail) >= config.min_seconds * rate:
        yield tail


def check_unchanged(stems: Mapping[Path, Path], out: Path, config: AudioConfig) -> None:
    """Remember in `out`/cuts.csv what the clips are cut from, and compare that with what those there were cut from.

    Raises
    ------
    DataError : a song that has clips there was another file then, or was cut to another length.
    """
    table = out / "cuts.csv"
    known = {row["path"]: row for row in read_csv(table, CUT_COLUMNS, "Delete it")} if table.exists() else {}
    rows = {str(song.absolute()): _cut_from(song, config) for song in stems}
    changed = [
        song
        for song, stem in stems.items()
        if (path := str(song.absolute())) in known and known[path] != rows[path] and _has_clips(out / stem)
    ]
    if changed:
        problem = f"the clips of {len(changed)} songs were cut from other files or to another length, as {changed[0]}"
        raise DataError(out, printable(problem), "Name another folder, or delete these clips to cut them again")
    write_csv(table, CUT_COLUMNS, [list(row.values()) for row in (known | rows).values()])


def _cut_from(song: Path, config: AudioConfig) -> dict[str, str]:
    try:
        facts = song.stat()
        size, changed = str(facts.st_size), str(facts.st_mtime_ns)
    except (OSError, ValueError):
        size = changed = ""
    values = (str(song.absolute()), size, changed, f"{config.seconds:g}")
    return dict(zip(CUT_COLUMNS, values, strict=True))


def _has_clips(stem: Path) -> bool:
    return any(stem.parent.glob(f"{glob.escape(stem.name)}_seg*.flac"))


def write_flac(path: Path, piece: Waveform, rate: int) -> None:
    """Write a piece, (frames, channels) in [-1, 1], as 16-bit FLAC, whole or not at all."""
    encoded = io.BytesIO()
    sf.write(encoded, piece, rate, subtype="PCM_16", format="FLAC")
    write_atomic(path, lambda file: file.write(encoded.getvalue()))


def cut_all(
    inside: Search, source: Path, out: Path, config: AudioConfig, limit: int | None = None
) -> dict[Path, Outcome]:
    """Cut every song found in `source`, list what was skipped in `out`/skipped.csv, and say what became of each."""
    stems = clip_stems(inside.files, source)
    check_unchanged(stems, out, config)
    progress = tqdm(stems.items(), unit="song", disable=None)
    outcomes = {song: cut_song(song, out / stem, config, limit) for song, stem in progress}
    skipped = [(song, outcome.reason) for song, outcome in outcomes.items() if outcome.reason]
    passed = [(row.path, f"{row.code}: {row.problem}. {row.remedy}") for row in inside.rest.passed]
    write_csv(out / "skipped.csv", ("path", "reason"), [*skipped, *passed])
    return outcomes


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(
        prog="python -m scripts.segment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("source", type=Path, metavar="SRC", help="a song, or a folder of songs")
    top.add_argument("out", type=Path, metavar="OUT", help="folder for the clips")
    top.add_argument("--seconds", type=float, default=AudioConfig().seconds, help="length of a clip (%(default)g)")
    top.add_argument("--max-per-song", type=_count, metavar="N", help="take the first N clips of each song only")
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; an error ends it with one sentence and exit code 1."""
    options = parser().parse_args(arguments)
    try:
        config = with_settings(Config(), [f"audio.seconds={options.seconds:g}"]).audio
        inside = find_songs(options.source, options.out)
        outcomes = cut_all(inside, options.source, options.out, config, options.max_per_song).values()
    except DetectorError as error:
        sys.exit(str(error))
    written, kept = sum(outcome.written for outcome in outcomes), sum(outcome.kept for outcome in outcomes)
    skipped = sum(bool(outcome.reason) for outcome in outcomes)
    print(f"{len(outcomes)} songs: {written} clips written, {kept} already there; {skipped} songs in skipped.csv")
    for line in inside.rest.lines():
        print(line, file=sys.stderr)
    if sentence := inside.rest.sentence():
        print(f"{sentence}; their names are in skipped.csv, too" if inside.rest.passed else sentence)
    if not written + kept:
        sys.exit(f"{options.source}: no song gave a clip. See the reasons in {options.out / 'skipped.csv'}.")


def _sounding(cut: Iterable[Waveform], config: AudioConfig) -> Iterator[tuple[int, Waveform]]:
    """Pass over silent pieces; give the others their number in the song, from 1."""
    return ((number, piece) for number, piece in enumerate(cut, start=1) if not is_silent(piece, config))


def _folded(place: Path) -> str:
    return place.as_posix().casefold()  # two names that differ in case only are one file on some systems


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    main()
