"""Every usable clip becomes what the models read, once; songs are dealt out to the splits."""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import storage
from core.artifacts import CLIP_COLUMNS, SKIPPED_COLUMNS, SPLITS, Clip, Run
from core.audio.augmentation import augment_waveform
from core.audio.clips import inspect, read_clip
from core.config import Config
from core.data.places import Candidate, Listing
from core.data.search import Rest
from core.data.splits import count_table, join_identical, missing_sources, split_songs
from core.errors import AudioError, DataError, printable
from core.features.front_end import FILTERBANK_DTYPE, PICTURES, Pictures, pictures
from core.machine import worker_threads
from core.phases.phase import Made, command
from core.progress import progress
from core.storage import Array, Stream

log = logging.getLogger(__name__)

BLOCK = 128  # clips per file of intermediate results: what a kill can cost, and what is in memory at once
COPY_DTYPES = {"log_mel": np.float16, "filterbank": FILTERBANK_DTYPE, "fine_spectrum": np.float32}
UNHEARD_FROM = 1.5  # times a clip's length: from here on, what of a file is not used is worth a word
BELOW_ROLL_OFF = 0.9  # of the band limit's rate: the resampler's own roll-off at that rate must go, too


class Reading(NamedTuple):
    """What became of one candidate. `code` is empty for a usable clip."""

    code: str
    explanation: str
    native_rate: int
    seconds: float
    format: str
    warnings: str
    sha256: str  # of the decoded waveform


def run(run: Run, config: Config, fingerprint: str, listing: Listing) -> Made:
    """Read every clip, refuse what is not usable, and write clips.csv, skipped.csv, dataset.npz and the filterbanks."""
    root, candidates = listing.root, listing.candidates
    storage.check_free_space(run.folder, bytes_needed(len(candidates), config))
    blocks = [candidates[start : start + BLOCK] for start in range(0, len(candidates), BLOCK)]
    files = [run.work / f"{fingerprint}-{number:05d}.npz" for number in range(len(blocks))]
    with ThreadPoolExecutor(worker_threads()) as pool:
        config = _with_band_limit(root, candidates, config, pool.map)
        for block, file in progress(zip(blocks, files, strict=True), f"prepare ({BLOCK} clips a step)", len(blocks)):
            if not file.exists():
                _prepare_block(root, block, file, config, pool.map)
    readings = [reading for file in files for reading in _readings(file)]
    readings = _without_contradictions(candidates, readings)
    skipped = _write_skipped(run, listing, readings)
    clips = _clips(candidates, readings, config)
    _write(run, config, candidates, readings, clips, files)
    storage.write_json(run.front_end, {"equalise_rate": config.audio.equalise_rate})
    copies = _write_copies(run, root, clips, config)
    notes = [*_report(candidates, clips, skipped), *_passed_over(listing.rest), *_unheard(clips, config)]
    for file in run.work.glob("*.npz"):
        file.unlink()
    tables = [run.clips_table, run.skipped_table, run.front_end]
    return Made([*tables, run.dataset, run.filterbank, run.fine_spectrum, *copies], tuple(notes))


def _with_band_limit(
    root: Path, candidates: Sequence[Candidate], config: Config, spread: Callable[..., Iterator[Any]]
) -> Config:
    """Return the config with the band limit of the common decode chain: the lowest native rate, unless it is set."""
    if not config.audio.equalise or config.audio.equalise_rate:
        return config

    def rate_of(candidate: Candidate) -> int:
        try:
            return inspect(root / candidate.name, config.audio).sample_rate
        except AudioError:  # is refused again, with its reason, when it is read
            return config.audio.sample_rate

    lowest = min(spread(rate_of, candidates), default=config.audio.sample_rate)
    rate = round(BELOW_ROLL_OFF * min(lowest, config.audio.sample_rate))
    return replace(config, audio=replace(config.audio, equalise_rate=rate))


def bytes_needed(clips: int, config: Config) -> int:
    """Return what this phase writes at most, intermediate results included, for a number of clips."""
    waveform = np.zeros(config.audio.samples, np.float32)
    waveform[::100] = 1.0
    per_clip = sum(picture.nbytes for picture in pictures(waveform, config))
    copies = config.train.waveform_copies * config.split.train
    return round(clips * (2 + copies) * per_clip)


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
        arrays |= {name: np.stack(values) for name, values in zip(PICTURES, zip(*features, strict=True), strict=True)}
    storage.write_npz(file, arrays, compresslevel=0)


def prepare_clip(path: Path, config: Config) -> tuple[Reading, Pictures | None]:
    """Return what became of a file, and its features if it is usable."""
    try:
        clip = read_clip(path, config.audio)
    except AudioError as error:
        return Reading(error.code, f"{error.problem}. {error.remedy}", 0, 0.0, "", "", ""), None
    header = clip.header
    digest = hashlib.sha256(clip.waveform.tobytes()).hexdigest()
    reading = Reading("", "", header.sample_rate, header.seconds, header.format, "; ".join(clip.warnings), digest)
    return reading, pictures(clip.waveform, config)


# Degraded versions of the training clips


def _write_copies(run: Run, root: Path, clips: Sequence[Clip], config: Config) -> list[Path]:
    """Write `train.waveform_copies` degraded versions of every training clip, the same chain for both classes."""
    for name in PICTURES:
        storage.delete(run.copies(name))
    count, train = config.train.waveform_copies, [clip for clip in clips if clip.split == "train"]
    if not count:
        return []
    tasks = [(root / clip.path, (config.split.seed, copy, clip.row)) for copy in range(count) for clip in train]
    first = degraded(tasks[0][0], tasks[0][1], config)
    stores = {name: np.empty((len(tasks), *getattr(first, name).shape), COPY_DTYPES[name]) for name in PICTURES}
    with ThreadPoolExecutor(worker_threads()) as pool:
        made = pool.map(lambda task: degraded(task[0], task[1], config), tasks)
        for place, versions in enumerate(progress(made, "degraded versions", len(tasks))):
            for name, picture in zip(PICTURES, versions, strict=True):
                stores[name][place] = picture
    for name, values in stores.items():
        storage.write_npy(run.copies(name), values.reshape(count, len(train), *values.shape[1:]))
    return [run.copies(name) for name in PICTURES]


def degraded(path: Path, seed: tuple[int, ...], config: Config) -> Pictures:
    """Return the pictures of a clip after a random chain of codec, band limit, noise and the like."""
    waveform = read_clip(path, config.audio).waveform
    return pictures(augment_waveform(waveform, config.audio.sample_rate, np.random.default_rng(seed)), config)


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


def _write_skipped(run: Run, listing: Listing, readings: Sequence[Reading]) -> int:
    """Write and log what is not used, with the reasons, before anything else can fail; return how many were refused."""
    pairs = zip(listing.candidates, readings, strict=True)
    refused = [(c.name, r.code, r.explanation) for c, r in pairs if r.code]
    passed = [(listing.name(row.path), row.code, f"{row.problem}. {row.remedy}") for row in listing.rest.passed]
    storage.write_csv(run.skipped_table, SKIPPED_COLUMNS, [*refused, *passed])
    for name, code, explanation in [*refused, *passed]:
        log.warning("skipped %s: %s (%s)", printable(name), code, explanation)
    return len(refused)


def _write(
    run: Run,
    config: Config,
    candidates: Sequence[Candidate],
    readings: Sequence[Reading],
    clips: Sequence[Clip],
    files: Sequence[Path],
) -> None:
    """Write the clips and what the models read of them, all in row order."""
    arranged = Arranged(run, candidates, readings, clips, files)
    storage.write_npz(run.dataset, {**arranged.log_mels(), **_metadata(clips, config)})
    storage.write_npy(run.filterbank, arranged.all_rows("filterbank", FILTERBANK_DTYPE))
    storage.write_npy(run.fine_spectrum, arranged.all_rows("fine_spectrum", np.float32))
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


def _passed_over(rest: Rest) -> list[str]:
    """Say what else lies in the folders."""
    sentences = [sentence] if (sentence := rest.sentence()) else []
    for sentence in sentences:
        log.info(sentence)
    return sentences


def _unheard(clips: Sequence[Clip], config: Config) -> list[str]:
    """Say how much of long files is not used; in FMA, whose files last 30 seconds, five sixths."""
    longer = [clip.seconds for clip in clips if clip.seconds > UNHEARD_FROM * config.audio.seconds]
    if not longer:
        return []
    whole, unheard = sum(clip.seconds for clip in clips), sum(longer) - len(longer) * config.audio.seconds
    sentence = (
        f"Only the first {config.audio.seconds:g} s of a file are used: {len(longer)} of {len(clips)} files are longer "
        f"and {unheard / 60:.0f} of {whole / 60:.0f} minutes are unheard. To use them, cut the files into clips first: "
        "python -m scripts.segment SOURCE TARGET"
    )
    log.warning(sentence)
    return [sentence]


def _metadata(clips: Sequence[Clip], config: Config) -> dict[str, Array]:
    """Return what dataset.npz holds beside the spectrograms."""
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

    def all_rows(self, name: str, dtype: type) -> Stream:
        """Return one kind of picture of all clips as one array."""
        rows = (block for split in SPLITS for block in self._rows(name, split))
        return Stream((sum(self.counts.values()), *self._shape(name)), dtype, rows)


if __name__ == "__main__":
    command("prepare")
