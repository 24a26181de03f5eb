"""P1: every usable clip becomes a log-mel and an AST filterbank, once; songs are dealt out to the splits (SPEC D)."""

import hashlib
import json
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import storage
from core.artifacts import CLIP_COLUMNS, SKIPPED_COLUMNS, SPLITS, Clip, Run
from core.audio import read_clip
from core.config import Config
from core.data import Candidate, Place
from core.errors import AudioError, DataError, printable
from core.features import ast_filterbank, log_mel
from core.phases import Made, command
from core.progress import progress
from core.splits import count_table, join_identical, missing_sources, split_songs
from core.storage import Array, Stream

log = logging.getLogger(__name__)

BLOCK = 128  # clips per file of intermediate results: what a kill can cost, and what is in memory at once
FILTERBANK_DTYPE = (
    np.float16
)  # its step, 5e-4 of a deviation, is a tenth of what bfloat16 arithmetic rounds away after it


class Reading(NamedTuple):
    """What became of one candidate. `code` is empty for a usable clip."""

    code: str
    explanation: str
    native_rate: int
    seconds: float
    format: str
    warnings: str
    sha256: str  # of the decoded waveform


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Read every clip, refuse what is not usable, and write clips.csv, skipped.csv, dataset.npz and the filterbanks."""
    place, _, _ = run.read_description()
    root, candidates = place_of(place).root, place_of(place).candidates(config.split)
    storage.check_free_space(run.folder, bytes_needed(len(candidates), config))
    blocks = [candidates[start : start + BLOCK] for start in range(0, len(candidates), BLOCK)]
    files = [run.work / f"{fingerprint}-{number:05d}.npz" for number in range(len(blocks))]
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        for block, file in progress(zip(blocks, files, strict=True), f"prepare ({BLOCK} clips a step)", len(blocks)):
            if not file.exists():
                _prepare_block(root, block, file, config, pool.map)
    readings = [reading for file in files for reading in _readings(file)]
    readings = _without_contradictions(candidates, readings)
    skipped = _write_skipped(run, candidates, readings)
    clips = _clips(candidates, readings, config)
    _write(run, config, candidates, readings, clips, files)
    notes = _report(candidates, clips, skipped)
    for file in run.work.glob("*.npz"):
        file.unlink()
    return Made([run.clips_table, run.skipped_table, run.dataset, run.filterbank], tuple(notes))


def place_of(data: dict[str, Any]) -> Place:
    """Return the place a run's description names."""
    return Place(**{**data, "root": Path(data["root"])})


def bytes_needed(clips: int, config: Config) -> int:
    """Return what this phase writes at most, intermediate results included, for a number of clips."""
    waveform = np.zeros(config.audio.samples, np.float32)
    waveform[::100] = 1.0
    spectrogram = log_mel(waveform, config.audio, config.spectrogram).nbytes
    filterbank = ast_filterbank(waveform).size * np.dtype(FILTERBANK_DTYPE).itemsize
    return clips * 2 * (spectrogram + filterbank)


# Reading


def _prepare_block(
    root: Path, block: Sequence[Candidate], file: Path, config: Config, spread: Callable[..., Iterator[Any]]
) -> None:
    """Read a block of clips and keep the results, so that a killed run goes on after it."""
    results = list(spread(lambda candidate: prepare_clip(root / candidate.name, config), block))
    features = [result[1] for result in results if result[1] is not None]
    columns = zip(*(result[0] for result in results), strict=True)
    arrays = {name: np.array(column) for name, column in zip(Reading._fields, columns, strict=True)}
    if features:
        arrays |= {"log_mel": np.stack([f[0] for f in features]), "filterbank": np.stack([f[1] for f in features])}
    storage.write_npz(file, arrays, compresslevel=0)


def prepare_clip(path: Path, config: Config) -> tuple[Reading, tuple[Array, Array] | None]:
    """Return what became of a file, and its features if it is usable."""
    try:
        clip = read_clip(path, config.audio)
    except AudioError as error:
        return Reading(error.code, f"{error.problem}. {error.remedy}", 0, 0.0, "", "", ""), None
    header = clip.header
    digest = hashlib.sha256(clip.waveform.tobytes()).hexdigest()
    reading = Reading("", "", header.sample_rate, header.seconds, header.format, "; ".join(clip.warnings), digest)
    spectrogram = log_mel(clip.waveform, config.audio, config.spectrogram)
    return reading, (spectrogram, ast_filterbank(clip.waveform).astype(FILTERBANK_DTYPE))


def _readings(file: Path) -> Iterator[Reading]:
    arrays = storage.read_npz(file, Reading._fields, f"Delete {file} and run the phase again")
    for values in zip(*(arrays[name].tolist() for name in Reading._fields), strict=True):
        yield Reading(*values)


def _without_contradictions(candidates: Sequence[Candidate], readings: Sequence[Reading]) -> list[Reading]:
    """Refuse clips whose very audio also stands under the other label: no model can be right about both."""
    labels: dict[str, set[int]] = defaultdict(set)
    first: dict[tuple[str, int], str] = {}
    for candidate, reading in zip(candidates, readings, strict=True):
        labels[reading.sha256].add(candidate.label)
        first.setdefault((reading.sha256, candidate.label), candidate.name)

    def judged(candidate: Candidate, reading: Reading) -> Reading:
        if reading.code or len(labels[reading.sha256]) == 1:
            return reading
        other = printable(first[reading.sha256, 1 - candidate.label])
        explanation = f"the same audio is also labelled the other way, as {other}. Remove the wrong one"
        return reading._replace(code="both_labels", explanation=explanation)

    return [judged(candidate, reading) for candidate, reading in zip(candidates, readings, strict=True)]


# Splitting and writing


def _clips(candidates: Sequence[Candidate], readings: Sequence[Reading], config: Config) -> list[Clip]:
    """Return the usable clips with their songs and splits, in row order: train, val, test, each by name."""
    usable = [pair for pair in zip(candidates, readings, strict=True) if not pair[1].code]
    if not usable:
        raise DataError(
            "data", f"none of the {len(candidates)} files is usable audio", "See the reasons in skipped.csv"
        )
    labels, sources = [c.label for c, _ in usable], [c.source for c, _ in usable]
    groups = join_identical([c.group for c, _ in usable], [r.sha256 for _, r in usable])
    splits = split_songs(labels, groups, sources, config.split, config.split.seed)
    order = sorted(range(len(usable)), key=lambda i: (SPLITS.index(splits[i]), usable[i][0].name))
    return [_clip(row, *usable[i], groups[i], splits[i]) for row, i in enumerate(order)]


def _clip(row: int, candidate: Candidate, reading: Reading, group: str, split: str) -> Clip:
    return Clip(
        row=row,
        path=candidate.name,
        label=candidate.label,
        group=group,
        source=candidate.source,
        split=split,
        native_rate=reading.native_rate,
        seconds=reading.seconds,
        format=reading.format,
        warnings=reading.warnings,
        sha256=reading.sha256,
    )


def _write_skipped(run: Run, candidates: Sequence[Candidate], readings: Sequence[Reading]) -> int:
    """Write and log the refused files with their reasons, before anything else can fail; return how many there are."""
    skipped = [(c.name, r.code, r.explanation) for c, r in zip(candidates, readings, strict=True) if r.code]
    storage.write_csv(run.skipped_table, SKIPPED_COLUMNS, skipped)
    for name, code, explanation in skipped:
        log.warning("skipped %s: %s (%s)", printable(name), code, explanation)
    return len(skipped)


def _write(
    run: Run,
    config: Config,
    candidates: Sequence[Candidate],
    readings: Sequence[Reading],
    clips: Sequence[Clip],
    files: Sequence[Path],
) -> None:
    """Write the clips, their log-mels and their filterbanks, all in row order."""
    arranged = Arranged(run, candidates, readings, clips, files)
    storage.write_npz(run.dataset, {**arranged.log_mels(), **_metadata(clips, config)})
    storage.write_npy(run.filterbank, arranged.filterbanks())
    storage.write_csv(run.clips_table, CLIP_COLUMNS, (astuple(clip) for clip in clips))


def _report(candidates: Sequence[Candidate], clips: Sequence[Clip], skipped: int) -> list[str]:
    """Log split × label × source; return the counts and what a split lacks as sentences."""
    splits, sources = [clip.split for clip in clips], [clip.source for clip in clips]
    table = count_table(splits, [clip.label for clip in clips], sources, [clip.group for clip in clips])
    for line in table:
        log.info("%(split)-5s %(label)-5s %(source)-30s %(clips)5d clips %(songs)5d songs", line)
    songs, missing = len({clip.group for clip in clips}), missing_sources(sources, splits)
    for sentence in missing:
        log.warning(sentence)
    return [f"{len(candidates)} files: {len(clips)} clips of {songs} songs, {skipped} skipped", *missing]


def _metadata(clips: Sequence[Clip], config: Config) -> dict[str, Array]:
    """Return what dataset.npz holds beside the spectrograms (SPEC D5)."""
    labels = {f"{s}_y": np.array([c.label for c in clips if c.split == s], dtype=np.int64) for s in SPLITS}
    texts = {"paths": [c.path for c in clips], "groups": [c.group for c in clips], "sources": [c.source for c in clips]}
    settings = json.dumps(config.sections(["audio", "spectrogram", "split"]))
    return {
        **labels,
        **{name: np.array(values) for name, values in texts.items()},
        "splits": np.array([c.split for c in clips]),
        "settings": np.array(settings),
    }


class Arranged:
    """The features of all blocks in row order, one block in memory at a time.

    Blocks are in the order of names and rows in the order of splits and then names, so each split is one pass.
    """

    def __init__(
        self,
        run: Run,
        candidates: Sequence[Candidate],
        readings: Sequence[Reading],
        clips: Sequence[Clip],
        files: Sequence[Path],
    ) -> None:
        self.files = files
        split_of = {clip.path: clip.split for clip in clips}
        # For each file: the split of every row of features it holds; None for a clip that was refused afterwards.
        self.splits: list[Array] = []
        for start in range(0, len(candidates), BLOCK):
            pairs = zip(candidates[start : start + BLOCK], readings[start : start + BLOCK], strict=True)
            kept = [split_of.get(c.name, "") for c, r in pairs if r.code in ("", "both_labels")]
            self.splits.append(np.array(kept))
        self.counts = {split: sum(clip.split == split for clip in clips) for split in SPLITS}
        self.remedy = run.remedy("prepare")

    def _rows(self, name: str, split: str) -> Iterator[Array]:
        for file, splits in zip(self.files, self.splits, strict=True):
            if (splits == split).any():
                yield storage.read_npz(file, [name], self.remedy)[name][splits == split]

    def _shape(self, name: str) -> tuple[int, ...]:
        return next(block.shape[1:] for split in SPLITS for block in self._rows(name, split))

    def log_mels(self) -> dict[str, Stream]:
        """Return train_X, val_X and test_X."""
        shape = self._shape("log_mel")
        return {
            f"{split}_X": Stream((self.counts[split], *shape), np.float32, self._rows("log_mel", split))
            for split in SPLITS
        }

    def filterbanks(self) -> Stream:
        """Return all filterbanks as one array."""
        rows = (block for split in SPLITS for block in self._rows("filterbank", split))
        return Stream((sum(self.counts.values()), *self._shape("filterbank")), FILTERBANK_DTYPE, rows)


def input_fingerprint(place: Place, config: Config) -> dict[str, Any]:
    """Return what tells whether the clips are still those a run was prepared from: names, sizes and times of change."""
    listing = []
    for candidate in place.candidates(config.split):
        try:
            status = (place.root / candidate.name).lstat()
            listing.append([*asdict(candidate).values(), status.st_size, status.st_mtime_ns])
        except OSError:
            listing.append([*asdict(candidate).values(), None, None])
    return {"clips": len(listing), "listing": storage.fingerprint(listing)}


if __name__ == "__main__":
    command("prepare")
