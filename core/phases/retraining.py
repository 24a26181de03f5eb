"""The same trainings again: with other seeds, and without the sources that are then judged.

Each training happens in a run inside the run, on a part of its clips, by the same phases. What is reused is what no
training has touched: log-mels, filterbanks, fine spectra and, where the encoder is a pretrained AST that was never
fine-tuned here, its [CLS] vectors. Each is a function of one clip alone (with `audio.equalise`, of the lowest sample
rate of all, too). Normalisation, encoders, classifiers and thresholds are made anew, because each of them has learned
from the clips that are held out. What still comes from the whole run: whether the encoder is frozen or fine-tuned, and
which detector is called the best; both were chosen on validation clips of all sources.
"""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from core import storage
from core.artifacts import CLIP_COLUMNS, DETECTORS, LABELS, SPLITS, Clip, Run
from core.config import Config, Recipe
from core.data.places import check_sources
from core.errors import ConfigError
from core.phases import autoencoder, baselines, hybrid, transformer
from core.storage import Array

log = logging.getLogger(__name__)

STEPS = (autoencoder, transformer, baselines, hybrid)


@dataclass(frozen=True)
class Fold:
    """Sources that are left out together: at most one of each class, so that each is judged beside known others."""

    sources: tuple[tuple[int, str], ...]  # label, source

    def holds(self, clip: Clip) -> bool:
        """Say whether a clip is left out."""
        return (clip.label, clip.source) in self.sources

    def __str__(self) -> str:
        return " and ".join(source for _, source in self.sources)


# Seeds


def write_seeds(run: Run, config: Config, fingerprint: str) -> Path:
    """Train everything once for each further seed; write every clip's probabilities (seeds, n) by seed."""
    clips = run.read_clips()
    seeds = [config.train.seed + place for place in range(config.train.seeds)]
    by_seed = [known_probabilities(run, clips)]
    for seed in seeds[1:]:
        log.info("audit: seed %d", seed)
        chosen = _plain(replace(config, train=replace(config.train, seed=seed)))
        by_seed.append(_trained(run, f"seed-{seed}", clips, _in_same_mode(run, chosen), fingerprint))
    arrays = {f"probability_{name}": np.stack([part[name] for part in by_seed]) for name in DETECTORS}
    storage.write_npz(run.seeds, {"seeds": np.array(seeds), **arrays})
    return run.seeds


def known_probabilities(run: Run, clips: Sequence[Clip]) -> dict[str, Array]:
    """Return every detector's probabilities (n,) as a run's phases left them."""
    fusions = {name: (run.fusion, "hybrid", f"{name}_probability_") for name in ("hybrid", "three_way")}
    single = {name: (run.baseline_probabilities, "baselines", f"{name}_") for name in DETECTORS if name not in fusions}
    return {name: run.read_splits(*(single | fusions)[name]) for name in DETECTORS}


# Leave one source out


def write_leave_out(run: Run, config: Config, fingerprint: str) -> tuple[Path, list[str]]:
    """Train without each source in turn; write what such models say of it, of validation and of the test split."""
    clips = run.read_clips()
    columns: dict[str, list[Array]] = {}
    notes = []
    possible = [part for fold in folds(clips, config.audit.leave_out) for part in possible_folds(clips, fold)]
    for number, fold in enumerate(possible):
        parts = split_without(clips, fold)
        if lacking := lacking_classes(parts):
            notes.append(f"{fold} cannot be left out: {lacking} would be empty")
            continue
        log.info("audit: training without %s", fold)
        shortened = _in_same_mode(run, _shortened(config, config.audit.leave_out_share))
        probabilities = _trained(run, f"without-{number:02d}", parts, shortened, fingerprint)
        for name, values in judgements(fold, parts, probabilities).items():
            columns.setdefault(name, []).append(values)
    if not columns:
        raise ConfigError("audit.leave_out", "no source can be left out", "; ".join(notes) or "Name a source")
    storage.write_npz(run.leave_out, {name: np.concatenate(values) for name, values in columns.items()})
    return run.leave_out, notes


def folds(clips: Sequence[Clip], asked: str) -> list[Fold]:
    """Pair the sources to be left out: one of each class, the largest of one with the smallest of the other.

    Raises
    ------
    ConfigError : a name is no source of this run.
    """
    counts: dict[tuple[int, str], int] = {}
    for clip in clips:
        counts[clip.label, clip.source] = counts.get((clip.label, clip.source), 0) + 1
    names = check_sources(asked, {source for _, source in counts})
    chosen = [key for key in sorted(counts, key=lambda key: (counts[key], key)) if names & {"all", key[1]}]
    human, ai = ([key for key in chosen if key[0] == label] for label in range(len(LABELS)))
    pairs = zip_longest(reversed(human), ai)
    return [Fold(tuple(key for key in pair if key is not None)) for pair in pairs]


def possible_folds(clips: Sequence[Clip], fold: Fold) -> list[Fold]:
    """Return a fold, or its sources one by one where leaving both out would empty a split."""
    if len(fold.sources) < 2 or not lacking_classes(split_without(clips, fold)):
        return [fold]
    return [Fold((source,)) for source in fold.sources]


def split_without(clips: Sequence[Clip], fold: Fold) -> list[Clip]:
    """Return all clips with those left out moved to the test split, in row order; `row` keeps the run's own.

    Whole songs are moved: one that stands in two sources, such as the same recording in two folders, must not teach.
    """
    songs = {clip.group for clip in clips if fold.holds(clip)}
    moved = [replace(clip, split="test") if clip.group in songs else clip for clip in clips]
    return sorted(moved, key=lambda clip: (SPLITS.index(clip.split), clip.row))


def lacking_classes(clips: Sequence[Clip]) -> str:
    """Name a class that a split has none of; empty if every split has both."""
    present = {(clip.split, clip.label) for clip in clips}
    lacking = [f"{split} {LABELS[label]}" for split in SPLITS for label in (0, 1) if (split, label) not in present]
    return ", ".join(lacking)


def judgements(fold: Fold, clips: Sequence[Clip], probabilities: dict[str, Array]) -> dict[str, Array]:
    """Return one line for each source left out and each clip its judgement needs, as columns."""
    lines: dict[str, list[object]] = {name: [] for name in ("source", "source_label", "row", "role")}
    songs = {clip.group for clip in clips if fold.holds(clip)}
    places = []
    for label, source in fold.sources:
        for place, clip in enumerate(clips):
            if clip.split == "train" or (clip.group in songs and (clip.label, clip.source) != (label, source)):
                continue
            role = "held_out" if fold.holds(clip) else clip.split
            for name, value in zip(lines, (source, label, clip.row, role), strict=True):
                lines[name].append(value)
            places.append(place)
    columns = {name: np.array(values) for name, values in lines.items()}
    return columns | {f"probability_{name}": values[places] for name, values in probabilities.items()}


# One training


def _trained(run: Run, name: str, clips: Sequence[Clip], config: Config, fingerprint: str) -> dict[str, Array]:
    """Train everything on the clips as they are split here; return every detector's probabilities in their order.

    A finished training is kept until the phase ends, and an unfinished one goes on where it was.
    """
    file = run.work / f"audit-{fingerprint}-{name}.npz"
    if not file.exists():
        part = run.part(f"{name}-{fingerprint}")
        fill_part(run, part, clips)
        with _quiet():
            for step in STEPS:
                step.run(part, config, storage.fingerprint([fingerprint, name, step.__name__]))
        storage.write_npz(file, known_probabilities(part, clips))
        shutil.rmtree(part.folder)
    return storage.read_npz(file, list(DETECTORS), f"Delete {file} and run the phase again")


def fill_part(run: Run, part: Run, clips: Sequence[Clip]) -> None:
    """Put what no training has touched into a run of its own, arranged as the clips are split here."""
    rows = np.array([clip.row for clip in clips])
    dataset = run.read_dataset()
    of_split = {split: np.array([clip.row for clip in clips if clip.split == split]) for split in SPLITS}
    log_mels = {f"{split}_X": dataset.log_mel[chosen] for split, chosen in of_split.items()}
    storage.write_npz(part.dataset, log_mels, compresslevel=0)
    for name in ("filterbank", "fine_spectrum"):
        storage.write_npy(getattr(part, name), storage.read_npy(getattr(run, name), run.remedy("prepare"))[rows])
    for name in ("log_mel", "filterbank", "fine_spectrum"):
        copies = run.read_copies(name)
        if copies is not None:  # of training clips only; those who are one here were one before
            storage.write_npy(part.copies(name), copies[:, of_split["train"]])
    note = storage.read_json(run.transformer_note, run.remedy("transformer"))
    if note["kind"] == "ast-pretrained" and note["mode"] == "frozen":
        storage.write_npy(part.given_cls, run.read_splits(run.transformer_cls, "transformer")[rows])
    renumbered = (replace(clip, row=row) for row, clip in enumerate(clips))
    storage.write_csv(part.clips_table, CLIP_COLUMNS, (astuple(clip) for clip in renumbered))


def _in_same_mode(run: Run, config: Config) -> Config:
    """Return the config with the encoder and the mode that the run itself ended up with."""
    note = storage.read_json(run.transformer_note, run.remedy("transformer"))
    weights = config.transformer.weights if note["kind"] == "ast-pretrained" else "scratch"
    return replace(config, transformer=replace(config.transformer, mode=note["mode"], weights=weights))


def _shortened(config: Config, share: float) -> Config:
    """Return the config with a share of the schedule of every training that takes long."""

    def cut(recipe: Recipe) -> Recipe:
        return replace(recipe, epochs=max(1, round(recipe.epochs * share)), min_steps=round(recipe.min_steps * share))

    return _plain(
        replace(
            config,
            autoencoder=replace(config.autoencoder, recipe=cut(config.autoencoder.recipe)),
            transformer=replace(config.transformer, recipe=cut(config.transformer.recipe)),
            baselines=replace(config.baselines, cnn=cut(config.baselines.cnn)),
        )
    )


def _plain(config: Config) -> Config:
    """Return the config without the trainings that no detector here comes from."""
    return replace(
        config,
        autoencoder=replace(config.autoencoder, variants=False),
        hybrid=replace(config.hybrid, end_to_end=False),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the epochs of inner trainings out of the log."""
    logger = logging.getLogger("core")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
