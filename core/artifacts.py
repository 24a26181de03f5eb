"""A run: one folder under artifacts/ with everything made from one data set. The only module that knows its file names.

artifacts/<run>/
  run.json                     where the clips are, and every setting
  clips.csv                    one row per usable clip, in the row order of every array: train, then val, then test
  skipped.csv                  one row per refused file, with its reason
  dataset.npz                  log-mels, labels and metadata
  features/*.npz, *.npy        what the phases hand to one another
  checkpoints/*.pth            weights with their whole configuration
  history/*.csv                one row per epoch
  results/                     results.json, predictions.csv, tables and figures
  phases/*.json                what each phase was made from and what it made; *.lock while it is at work
"""

import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core import storage
from core.config import Config, from_dict, to_dict
from core.errors import ArtifactError, ConfigError

# Who made the checkpoint that each name stands for.
CHECKPOINTS = {
    "ae_multitask": "autoencoder",
    "transformer": "transformer",
    "cnn": "baselines",
    "ae_classifier": "baselines",
    "transformer_classifier": "baselines",
    "fine_spectrum": "baselines",
    "hybrid": "hybrid",
    "three_way": "hybrid",
}

ROOT = Path(__file__).resolve().parent.parent
SPLITS = ("train", "val", "test")
LABELS = ("human", "ai")  # by label number: 0 = human, 1 = AI
CLIP_COLUMNS = (
    "row",
    "path",
    "label",
    "group",
    "source",
    "split",
    "native_rate",
    "seconds",
    "format",
    "warnings",
    "sha256",
)
SKIPPED_COLUMNS = ("path", "reason", "explanation")
PREDICTION_COLUMNS = ("path", "song", "source", "split", "label", "model", "probability", "prediction")
# The detectors by name, with the name people see. Which encoder stands behind "Transformer" is in results.json.
DETECTORS = {
    "cnn": "CNN",
    "ae_classifier": "AE classifier",
    "transformer_classifier": "Transformer classifier",
    "hybrid": "Hybrid",
    "fine_spectrum": "Fine spectrum",
    "three_way": "Three-way fusion",
}
# What the fusions put together, with the name people see; and each fusion's branches, in the order of its weights.
BRANCHES = {"autoencoder": "Autoencoder", "transformer": "Transformer", "fine_spectrum": "Fine spectrum"}
FUSIONS = {"hybrid": ("autoencoder", "transformer"), "three_way": ("autoencoder", "transformer", "fine_spectrum")}
# The changes of the robustness audit by kind, with the name people see.
CHANGE_NAMES = {
    "mp3": "MP3 re-encoding",
    "ogg": "Ogg Vorbis re-encoding",
    "resampling": "Resampling and back",
    "low-pass": "Low-pass filter",
    "noise": "White noise",
    "gain": "Gain",
    "pitch": "Pitch shift",
    "tempo": "Tempo change",
    "reverb": "Reverberation",
    "trim": "Cut at the start",
}
ADDITIONS = ("fine_spectrum", "three_way")  # beyond the prescribed four
FORMAT = 1  # of the run folder; a run of another format is refused
RESULTS_FORMAT = 2  # of results.json
SHIPPED_REMEDY = (
    "This run ships with the project: no audio and no training data are here, so nothing in it can be made again. Make "
    "a run of your own with `python -m scripts.pipeline run --human DIR --ai DIR --run NAME`"
)
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def artifacts_folder() -> Path:
    """Return the folder that holds all runs: `SMD_ARTIFACTS`, or artifacts/ in the project."""
    return Path(os.environ.get("SMD_ARTIFACTS", ROOT / "artifacts"))


@dataclass(frozen=True)
class Clip:
    """One row of clips.csv. `path` is relative to the run's data root; `sha256` is of the decoded waveform."""

    row: int
    path: str
    label: int  # 0 = human, 1 = AI
    group: str  # the song
    source: str
    split: str
    native_rate: int  # Hz
    seconds: float  # of the file
    format: str
    warnings: str
    sha256: str


def rows_of(clips: Sequence[Clip], split: str) -> slice:
    """Return the rows of a split, which stand together: clips are in the order train, val, test."""
    before = sum(clip.split in SPLITS[: SPLITS.index(split)] for clip in clips)
    return slice(before, before + sum(clip.split == split for clip in clips))


def labels_of(clips: Sequence[Clip]) -> storage.Array:
    """Return the labels of clips, (n,) int64: 0 = human, 1 = AI."""
    return np.array([clip.label for clip in clips], dtype=np.int64)


@dataclass(frozen=True)
class Dataset:
    """The log-mels of a run with the clips they belong to; rows in the order train, val, test."""

    clips: tuple[Clip, ...]
    log_mel: storage.Array  # (n, n_mels, frames) float32, dB
    copies: storage.Array | None = None  # degraded versions of the training clips, (copies, n_train, n_mels, frames)

    def rows(self, split: str) -> slice:
        """Return the rows of a split, which stand together."""
        return rows_of(self.clips, split)

    @property
    def labels(self) -> storage.Array:
        """Labels (n,) int64: 0 = human, 1 = AI."""
        return labels_of(self.clips)

    @property
    def groups(self) -> storage.Array:
        """Song of each clip (n,) str."""
        return np.array([clip.group for clip in self.clips])


@dataclass(frozen=True)
class PhaseRecord:
    """What a phase was made from and what it made; the reason it need not run again."""

    phase: str
    settings: dict[str, Any]
    inputs: dict[str, str]  # file of an earlier phase → sha256
    outputs: dict[str, str]  # file → sha256
    seconds: float
    peak_mb: float  # largest resident memory of the process so far
    device: str
    finished: str  # UTC, ISO 8601
    notes: tuple[str, ...] = field(default=())


class Run:
    """The folder of one run and the names of the files in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.description = folder / "run.json"
        self.clips_table = folder / "clips.csv"
        self.skipped_table = folder / "skipped.csv"
        self.dataset = folder / "dataset.npz"
        self.results = folder / "results"
        self.results_file = self.results / "results.json"
        self.predictions = self.results / "predictions.csv"
        self.comparison_table = self.results / "model_comparison_table.csv"
        self.comparison_json = self.results / "model_comparison_table.json"
        self.attention_weights = self.results / "attention_weights.csv"
        self.tsne = self.results / "tsne.npz"
        self.filterbank = self.features("filterbank.npy")
        self.fine_spectrum = self.features("fine_spectrum.npy")
        self.front_end = self.features("front_end.json")
        self.shortcuts = self.features("shortcuts.npz")
        self.robustness = self.features("robustness.npz")
        self.leave_out = self.features("leave_out.npz")
        self.seeds = self.features("seeds.npz")
        self.ae_latents = self.features("ae_latents.npz")
        self.ae_losses = self.features("ae_losses.npz")
        self.ae_variants = self.features("ae_variants.npz")
        self.transformer_note = self.features("transformer.json")
        self.transformer_cls = self.features("transformer_cls.npz")
        self.given_cls = self.features("given_cls.npy")  # [CLS] vectors computed elsewhere, for a run inside a run
        self.transformer_embeddings = self.features("transformer_embeddings.npz")
        self.fusion = self.features("fusion.npz")
        self.baseline_probabilities = self.features("baseline_probabilities.npz")
        # What the dashboard shows of each clip, made once (phase explain); rows as in clips.csv
        self.log_mel = self.features("log_mel.npy")
        self.reconstructions = self.features("reconstructions.npy")
        self.attention_maps = self.features("attention_maps.npz")
        self.artefact_contributions = self.features("artefact_contributions.npy")
        self.artefact_reference = self.features("artefact_reference.npy")
        self.map = self.features("map.npz")
        self.scope = self.features("scope.npz")  # what is the run's kind of sound (core.verdict.scope)
        self.card = folder / "MODEL_CARD.md"  # of a run that ships: weights and results, no audio, no training data
        self.annotations = folder / "annotations.sqlite"
        self.work = folder / "work"

    @property
    def name(self) -> str:
        """The run's name, as `--run` takes it."""
        return self.folder.name

    @property
    def shipped(self) -> bool:
        """Whether this is a run as it ships: it answers and shows its results, and cannot be gone on with."""
        return self.card.exists()

    def features(self, name: str) -> Path:
        """Path of an array file that phases hand to one another."""
        return self.folder / "features" / name

    def copies(self, name: str) -> Path:
        """Path of the degraded versions of the training clips, as `log_mel`, `filterbank` or `fine_spectrum`."""
        return self.features(f"copies_{name}.npy")

    def part(self, name: str) -> "Run":
        """Return a run inside this one, for a training on part of its clips."""
        return Run(self.work / name)

    def checkpoint(self, name: str) -> Path:
        """Path of a checkpoint, such as `cnn_best`."""
        return self.folder / "checkpoints" / f"{name}.pth"

    def history(self, name: str) -> Path:
        """Path of a training's history."""
        return self.folder / "history" / f"{name}.csv"

    def figure(self, name: str) -> Path:
        """Path of a printed figure."""
        return self.results / f"{name}.png"

    def record(self, phase: str) -> Path:
        """Path of a phase's record."""
        return self.folder / "phases" / f"{phase}.json"

    def lock(self, phase: str) -> Path:
        """Path of the lock a phase holds while it is at work."""
        return self.folder / "phases" / f"{phase}.lock"

    def remedy(self, phase: str) -> str:
        """Return the command that makes a phase's files; of a run that ships, that there is none."""
        if self.shipped:
            return SHIPPED_REMEDY
        return f"Run `{self.command(f'--only {phase}')}`"

    def command(self, options: str = "") -> str:
        """Return what to type to go on with a run; nobody can with one that ships, but with one of their own."""
        return f"python -m scripts.pipeline run --run {'NAME' if self.shipped else self.name} {options}".rstrip()

    def relative(self, path: Path) -> str:
        """Return a file's name inside the run, as records hold it."""
        return path.relative_to(self.folder).as_posix()

    # What a run was asked to do

    def write_description(self, data: dict[str, Any], config: Config, *, demo: bool) -> None:
        """Remember where the clips are and every setting, so that `--run NAME` alone continues the work."""
        storage.write_json(
            self.description,
            {"format": FORMAT, "name": self.name, "demo": demo, "data": data, "config": to_dict(config)},
        )

    def read_description(self) -> tuple[dict[str, Any], Config, bool]:
        """Return the data's place, the settings and whether this is the demo."""
        try:
            status = self.description.stat()
        except OSError:
            status = None  # reading it says what is missing
        data, config, demo = _described(self.folder, status and (status.st_mtime_ns, status.st_size))
        return dict(data), config, demo

    # Records of phases

    def write_record(self, record: PhaseRecord) -> None:
        """Note that a phase has ended, as the last thing it does."""
        storage.write_json(self.record(record.phase), asdict(record))

    def read_record(self, phase: str) -> PhaseRecord | None:
        """Return a phase's record, or None when it has not ended or its record cannot be read.

        A record that names files outside the run is none of ours: files that a record names may be deleted.
        """
        try:
            value = storage.read_json(self.record(phase), "")
            files = {name: dict(value[name]) for name in ("inputs", "outputs")}
            record = PhaseRecord(**{**value, **files, "notes": tuple(value["notes"])})
            inside = [not Path(name).is_absolute() and ".." not in Path(name).parts for name in record.outputs]
            return record if all(inside) else None
        except (ArtifactError, TypeError, KeyError, ValueError):
            return None

    # Typed readers

    def read_clips(self) -> tuple[Clip, ...]:
        """Return the usable clips in row order."""
        rows = storage.read_csv(self.clips_table, CLIP_COLUMNS, self.remedy("prepare"))
        try:
            return tuple(_clip(row) for row in rows)
        except (TypeError, ValueError) as error:
            raise ArtifactError(self.clips_table, f"damaged ({error})", self.remedy("prepare")) from error

    def read_dataset(self) -> Dataset:
        """Return the log-mels with their clips, checked against each other."""
        clips, remedy = self.read_clips(), self.remedy("prepare")
        arrays = storage.read_npz(self.dataset, [f"{split}_X" for split in SPLITS], remedy)
        counts = [sum(clip.split == split for clip in clips) for split in SPLITS]
        if counts != [len(arrays[f"{split}_X"]) for split in SPLITS]:
            raise ArtifactError(self.dataset, f"it does not hold the clips of {self.clips_table.name}", remedy)
        return Dataset(clips, np.concatenate([arrays[f"{split}_X"] for split in SPLITS]), self.read_copies("log_mel"))

    def read_copies(self, name: str) -> storage.Array | None:
        """Return the degraded versions of the training clips (copies, n_train, ...), if there are any; on disk."""
        path = self.copies(name)
        return storage.read_npy(path, self.remedy("prepare")) if path.exists() else None

    def read_training_copies(self, path: Path, phase: str) -> storage.Array | None:
        """Return the embeddings of the degraded versions (copies, n_train, size) from a phase's file, if any."""
        if not self.copies("log_mel").exists():
            return None
        return storage.read_npz(path, ["copies"], self.remedy(phase))["copies"]

    def read_splits(self, path: Path, phase: str, prefix: str = "") -> storage.Array:
        """Return an array that a file holds as train, val and test, in row order; float16 comes as float32."""
        names = [f"{prefix}{split}" for split in SPLITS]
        arrays = storage.read_npz(path, names, self.remedy(phase))
        joined = np.concatenate([arrays[name] for name in names])
        if not np.isfinite(joined).all():
            raise ArtifactError(path, "damaged: it holds numbers that are not finite", self.remedy(phase))
        return joined.astype(np.float32) if joined.dtype == np.float16 else joined

    def split_arrays(self, clips: Sequence[Clip], values: storage.Array, prefix: str = "") -> dict[str, storage.Array]:
        """Return an array in row order as train, val and test: the form `read_splits` reads."""
        of_clip = np.array([clip.split for clip in clips])
        return {f"{prefix}{split}": values[of_clip == split] for split in SPLITS}

    def clip_ids(self, clips: Sequence[Clip]) -> dict[str, storage.Array]:
        """Return the clips' paths as train_paths, val_paths and test_paths: which clip each row of an array is."""
        return {
            f"{name}_paths": paths
            for name, paths in self.split_arrays(clips, np.array([c.path for c in clips])).items()
        }

    def read_results(self) -> dict[str, Any]:
        """Return the one results file, which every shown number comes from."""
        value = storage.read_json(self.results_file, self.remedy("evaluate"))
        if not isinstance(value, dict) or value.get("format") != RESULTS_FORMAT:
            raise ArtifactError(self.results_file, "made by another version", self.remedy("evaluate"))
        return value


@lru_cache(maxsize=16)
def _described(folder: Path, changed: tuple[int, int] | None) -> tuple[dict[str, str], Config, bool]:
    """Read a run's description; a page asks for it many times."""
    run = Run(folder)
    remedy = f"Start it with `{run.command('--human DIR --ai DIR')}`"
    value = storage.read_json(run.description, remedy)
    try:
        if value["format"] != FORMAT:
            raise ArtifactError(run.description, f"made by another version (format {value['format']})", remedy)
        data = {name: str(value["data"][name]) for name in ("root", "human", "ai", "manifest")}
        return data, from_dict(value["config"]), bool(value["demo"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(run.description, "damaged: it does not describe a run", remedy) from error
    except ConfigError as error:
        raise ArtifactError(run.description, f"made by another version ({error})", remedy) from error


def _clip(row: dict[str, str]) -> Clip:
    """Return a row of clips.csv with its numbers as numbers."""
    kinds = {"row": int, "label": int, "native_rate": int, "seconds": float}
    values: dict[str, Any] = {name: kinds.get(name, str)(row[name]) for name in CLIP_COLUMNS}
    return Clip(**values)


def open_run(name: str) -> Run:
    """Return the run of a name; the name must be usable as a folder's.

    Raises
    ------
    ConfigError : the name is empty, too long, or holds separators or other characters a folder should not have.
    """
    if not _RUN_NAME.fullmatch(name):
        raise ConfigError(f"--run {name}", "it is not a run's name", "Use up to 64 letters, digits, '.', '_' and '-'")
    return Run(artifacts_folder() / name)


def list_runs() -> list[Run]:
    """Return every run that was ever started, newest first, and after them one that ships."""
    described = sorted(artifacts_folder().glob("*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return sorted((Run(path.parent) for path in described), key=lambda run: run.shipped)
