"""One row per clip with everything the evaluation said about it: what tables, maps and lists are cut from.

All of it comes from one evaluation: probabilities and fusion weights from its own tables, thresholds from results.json.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from core import storage
from core.artifacts import CLIP_COLUMNS, DETECTORS, LABELS, Run
from core.errors import ArtifactError, printable
from dashboard.reading import runs
from dashboard.reading.kept import kept
from dashboard.reading.results import Model

FACTS = ("song", "source", "split", "native_rate", "seconds", "format", "warnings")


def read_clip_table(run: Run) -> pd.DataFrame:
    """Return the clips in the row order of clips.csv, which is that of every array.

    Columns: row (its number), path, label (`human` or `ai`), song, source, split, native_rate (Hz), seconds, format,
    warnings; per detector p_NAME (probability of AI), call_NAME (`human` or `ai`, at its threshold), right_NAME (bool);
    weight_autoencoder and weight_transformer (of the fusion, adding up to 1), reconstruction_error.

    Raises
    ------
    ArtifactError : the run is not evaluated, or its tables are damaged or of different evaluations.
    """
    return _clip_table(run).copy(deep=False)  # whoever writes to it copies what it writes to


def clip_table_files(run: Run) -> tuple[Path, ...]:
    """Return the files that `read_clip_table` reads."""
    return run.clips_table, run.predictions, run.attention_weights, run.ae_losses, run.results_file


@kept(clip_table_files)
def _clip_table(run: Run) -> pd.DataFrame:
    models, clips = runs.results(run).models, _clips(run)
    try:
        for name, probability in _probabilities(run, clips["path"]).items():
            clips[f"p_{name}"] = probability
        for model in models:
            called = clips[f"p_{model.key}"].ge(model.threshold)
            clips[f"call_{model.key}"] = called.map({False: LABELS[0], True: LABELS[1]})
            clips[f"right_{model.key}"] = clips[f"call_{model.key}"].eq(clips["label"])
        weights = _read(run, run.attention_weights).set_index("path").loc[clips["path"]]
        for branch in ("autoencoder", "transformer"):
            clips[f"weight_{branch}"] = weights[branch].to_numpy(float)
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactError(
            run.predictions, "damaged, or of another evaluation than the rest", run.remedy("evaluate")
        ) from error
    clips["reconstruction_error"] = run.read_splits(run.ae_losses, "autoencoder")
    return clips


def _clips(run: Run) -> pd.DataFrame:
    rows = [[getattr(clip, name) for name in CLIP_COLUMNS] for clip in runs.clips_by_path(run).values()]
    clips = pd.DataFrame(rows, columns=list(CLIP_COLUMNS))
    clips["label"] = clips["label"].map(dict(enumerate(LABELS)))
    return clips.rename(columns={"group": "song"})[["row", "path", "label", *FACTS]]


def _probabilities(run: Run, paths: pd.Series) -> pd.DataFrame:
    """Return one column per detector, in the order of `paths`; what is not there raises KeyError."""
    long = _read(run, run.predictions)
    wide = long.pivot_table(index="path", columns="model", values="probability", sort=False, observed=True)
    wide = wide.loc[paths, list(DETECTORS)].reset_index(drop=True)
    wide = wide.astype(np.float32).astype(np.float64)  # as the models gave them: a threshold is one of these numbers
    if wide.isna().any(axis=None):
        raise ValueError("a clip without an answer")
    return wide


def _read(run: Run, path: Path) -> pd.DataFrame:
    """Return a table of the evaluation; names that look like numbers or gaps stay names."""
    if not path.exists():
        raise ArtifactError(path, "missing", run.remedy("evaluate"))
    try:
        text = dict.fromkeys(("path", "song", "source", "split", "label", "model", "prediction"), str)
        return pd.read_csv(
            path,
            dtype=text,
            keep_default_na=False,
            na_values={"probability": [""]},
            encoding_errors="backslashreplace",  # as `core.storage.readable`
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise ArtifactError(path, f"damaged ({printable(str(error))})", run.remedy("evaluate")) from error


def of_split(clips: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the clips of one split, row numbers kept."""
    return clips[clips["split"] == split]


def sentence(clip: pd.Series, model: Model) -> str:
    """Say what a detector made of a clip, as plain text."""
    truth = {"human": "Human", "ai": "AI"}[clip["label"]]
    called = {"human": "human", "ai": "AI"}[clip[f"call_{model.key}"]]
    return f"{truth}; {model.name} calls it {called} ({clip[f'p_{model.key}']:.3f}, AI from {model.threshold:.3g})"


def read_row(run: Run, path: Path, row: int, phase: str) -> storage.Array:
    """Return one clip's row of an array that has one row per clip; only this row is read."""
    values = storage.read_npy(path, run.remedy(phase))
    if not 0 <= row < len(values):
        raise ArtifactError(path, "it does not hold the clips of clips.csv", run.remedy(phase))
    return np.asarray(values[row])


def artefact_reference(run: Run) -> storage.Array:
    """Return the fine spectrum of the mean human training clip, (values,)."""
    return storage.read_npy(run.artefact_reference, run.remedy("explain"))
