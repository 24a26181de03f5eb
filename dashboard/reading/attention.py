"""How the fusions weigh their branches, and what removing one does: over the test clips and clip by clip.

Figures over all test clips come from results.json; per clip, the scores with a branch removed come from the fusion's
own arrays, which must be those the evaluation looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core import artifacts, storage
from core.artifacts import FUSIONS, LABELS, SPLITS, Run
from core.config import EvaluationConfig
from core.errors import ArtifactError
from core.metrics.operating_points import log_odds
from dashboard.reading import runs
from dashboard.reading.clips import clip_table_files, of_split, read_clip_table
from dashboard.reading.kept import kept
from dashboard.reading.results import (
    DetectorDifference,
    Measurement,
    Model,
    difference,
    estimate,
    number,
    read_part,
    text,
)

BRANCHES = {name: title.lower() for name, title in artifacts.BRANCHES.items()}  # as inside a sentence
OTHERS = {"concatenation": "Concatenation", "hybrid": "Hybrid", "fine_spectrum": "Fine spectrum"}  # compared with
SAME = 1e-4  # within this, two files hold the same score of a clip
DRAWS = 500  # of songs, for the interval of a rank correlation


@dataclass(frozen=True)
class Weight:
    """A branch's mean fusion weight over the test clips of one class, with its interval over songs."""

    mean: Measurement
    n: int  # clips
    songs: int


@dataclass(frozen=True)
class Removal:
    """What a fusion does on the test clips when one branch says the same of every clip, its threshold as it is."""

    auc: Measurement
    recall: Mapping[str, Measurement]  # by label
    wrong: Mapping[str, int]  # clips of a label that are called the other
    clips: Mapping[str, int]
    verdicts_changed: int


@dataclass(frozen=True)
class Fusion:
    """One fusion: its branches' weights per class, what it does without each, and what it gains over others."""

    model: Model
    branches: tuple[str, ...]
    weights: Mapping[str, Mapping[str, Weight]]  # by branch, then label
    removals: Mapping[str, Removal]  # by branch
    against: Mapping[str, Mapping[str, DetectorDifference]]  # by detector, then figure: `roc_auc`, `accuracy`


@dataclass(frozen=True)
class Attention:
    """Everything the evaluation says about attention, checked."""

    fusions: Mapping[str, Fusion]  # hybrid, three_way
    undecided: tuple[str, ...]  # paths
    within: float  # of one half: the weights of an undecided clip
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of n clips, with its interval over songs."""

    rho: Measurement
    n: int
    songs: int


# What the evaluation says


@kept(lambda run: (run.results_file, run.description))
def read_attention(run: Run) -> Attention:
    """Return what results.json says about attention.

    Raises
    ------
    ArtifactError : it is damaged, or of another version.
    """
    models = {model.key: model for model in runs.results(run).models}  # says what is missing
    return read_part(run, lambda value: parse(value, models))


def parse(value: Mapping[str, Any], models: Mapping[str, Model]) -> Attention:
    """Return what results.json says about attention; `models` are those of the run, by detector.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError : something is missing or is not what it should be.
    """
    hybrid = value["attention"]
    against = {"concatenation": hybrid["against_concatenation"]}
    fusions = {"hybrid": hybrid | {"against": against}, "three_way": value["three_way"]}
    return Attention(
        fusions={key: _fusion(fusions[key], models[key], names) for key, names in FUSIONS.items()},
        undecided=tuple(text(path) for path in hybrid["undecided"]),
        within=number(hybrid["undecided_within"]),
        sentences=tuple(text(sentence) for sentence in hybrid["sentences"]),
    )


def _fusion(value: Mapping[str, Any], model: Model, branches: tuple[str, ...]) -> Fusion:
    weights = {name: {label: _weight(value["mean_weights"][name][label]) for label in LABELS} for name in branches}
    removals = {name: _removal(value["without"][name]) for name in branches}
    against = {
        other: {figure: difference(differences[figure]) for figure in ("roc_auc", "accuracy")}
        for other, differences in value["against"].items()
        if other in OTHERS
    }
    return Fusion(model, branches, weights, removals, against)


def _weight(value: Mapping[str, Any]) -> Weight:
    mean = estimate(value["mean"], (value["low"], value["high"]))
    return Weight(mean, int(number(value["n"])), int(number(value["songs"])))


def _removal(value: Mapping[str, Any]) -> Removal:
    (tn, fp), (fn, tp) = ((int(number(n)) for n in row) for row in value["confusion"])
    estimates = {
        name: estimate(value[name], value["intervals"][name]) for name in ("roc_auc", "recall_human", "recall_ai")
    }
    return Removal(
        auc=estimates["roc_auc"],
        recall={label: estimates[f"recall_{label}"] for label in LABELS},
        wrong={"human": fp, "ai": fn},
        clips={"human": tn + fp, "ai": fn + tp},
        verdicts_changed=int(number(value["verdicts_changed"])),
    )


# Clip by clip


def with_branches(run: Run, clips: pd.DataFrame, fusion: str) -> pd.DataFrame:
    """Return the clips with what a fusion made of their branches; `clips` as `read_clip_table` makes it.

    For each branch: weight_NAME; p_without_NAME, the score when the training clips' mean takes its place; change_NAME,
    by how much that moves the log-odds of AI; furthest, the branch that moves them furthest; and most, that with the
    largest weight.

    Raises
    ------
    ArtifactError : the arrays are missing, damaged, or of another training than the evaluation.
    """
    branched, scores = clips.copy(), _branch_scores(run, fusion)
    if len(scores) != len(clips) or not np.allclose(scores["p"], clips[f"p_{fusion}"], atol=SAME):
        raise ArtifactError(run.fusion, "not what the evaluation looked at", run.remedy("evaluate"))
    for name in scores.columns.drop("p"):
        branched[name] = scores[name].to_numpy()
    return branched


@kept(lambda run, fusion: (run.fusion,), most=8)
def _branch_scores(run: Run, fusion: str) -> pd.DataFrame:
    branches = FUSIONS[fusion]
    names = {"p": "probability", "weights": "weights"} | {f"p_without_{name}": f"without_{name}" for name in branches}
    wanted = {column: f"{fusion}_{name}" for column, name in names.items()}
    arrays = _joined(run, wanted)
    weights = arrays.pop("weights")
    scores = pd.DataFrame(arrays)
    for place, name in enumerate(branches):
        scores[f"weight_{name}"] = weights[:, place]
        scores[f"change_{name}"] = log_odds(scores[f"p_without_{name}"]) - log_odds(scores["p"])
    changes = np.abs(scores[[f"change_{name}" for name in branches]].to_numpy())
    scores["most"] = np.array(branches)[weights.argmax(axis=1)]
    scores["furthest"] = np.array(branches)[changes.argmax(axis=1)]
    return scores


def _joined(run: Run, wanted: Mapping[str, str]) -> dict[str, storage.Array]:
    """Return arrays of the fusion's file in row order, opening it once."""
    remedy = run.remedy("hybrid")
    names = [f"{name}_{split}" for name in wanted.values() for split in SPLITS]
    parts = storage.read_npz(run.fusion, names, remedy)
    joined = {
        column: np.concatenate([parts[f"{name}_{split}"] for split in SPLITS]).astype(float)
        for column, name in wanted.items()
    }
    if not all(np.isfinite(values).all() for values in joined.values()):
        raise ArtifactError(run.fusion, "damaged: it holds numbers that are not finite", remedy)
    return joined


def shown_row(chosen: str, clips: pd.DataFrame) -> tuple[int, str]:
    """Return the row of the clip to show, and why it is shown: the selected one, else the least decided test clip."""
    rows = np.flatnonzero(clips["path"] == chosen)
    if len(rows):
        return int(rows[0]), "The selected clip"
    undecided = (clips["weight_autoencoder"] - 0.5).abs().where(clips["split"] == "test", np.inf)
    return int(undecided.to_numpy().argmin()), (
        "No clip is selected: this is the test clip whose two weights are nearest to one half"
    )


def chosen_path(points: Sequence[Mapping[str, Any]], clips: pd.DataFrame) -> str:
    """Return the path that a chart's chosen point stands for, or nothing; its customdata is the clip's row number."""
    for point in points:
        row = np.atleast_1d(point.get("customdata", -1))[0]
        if row in clips.index:
            return str(clips.loc[row, "path"])
    return ""


# Weight against effect


def disagreeing(test: pd.DataFrame) -> int:
    """Count the clips whose largest weight is not on the branch whose removal moves the score furthest."""
    return int((test["most"] != test["furthest"]).sum())


def effects(test: pd.DataFrame, branches: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return, by label and branch, by how much its removal moves the log-odds on average, whichever way."""
    return {
        label: {name: float(test.loc[test["label"] == label, f"change_{name}"].abs().mean()) for name in branches}
        for label in LABELS
    }


@kept(lambda run, fusion, branch: (run.fusion, *clip_table_files(run)), most=16)
def read_correlation(run: Run, fusion: str, branch: str) -> Correlation:
    """Return the correlation of a fusion's branch on the test clips; see `correlation`."""
    test = of_split(with_branches(run, read_clip_table(run), fusion), "test")
    return correlation(test, branch, runs.results(run).confidence)


def correlation(test: pd.DataFrame, branch: str, confidence: float) -> Correlation:
    """Return the rank correlation of a branch's weight with how far its removal moves the log-odds, either way."""
    weights, moved = test[f"weight_{branch}"].to_numpy(), test[f"change_{branch}"].abs().to_numpy()
    names, song = np.unique(test["song"].to_numpy(), return_inverse=True)
    if len(names) < EvaluationConfig.least_songs:  # of both classes together, as they are drawn
        return Correlation(Measurement(spearman(weights, moved), np.nan, np.nan), len(weights), len(names))
    rows = [np.flatnonzero(song == number) for number in range(len(names))]
    rng, draws = np.random.default_rng(0), []
    for _ in range(DRAWS):  # of songs, never of clips: those of one song resemble each other
        chosen = np.concatenate([rows[number] for number in rng.integers(0, len(rows), len(rows))])
        draws.append(spearman(weights[chosen], moved[chosen]))
    low, high = np.nanquantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Correlation(Measurement(spearman(weights, moved), float(low), float(high)), len(weights), len(rows))


def spearman(a: storage.Array, b: storage.Array) -> float:
    """Return Spearman's rank correlation; 0 where one of them does not vary."""
    ranks = [_ranks(a), _ranks(b)]
    if min(np.ptp(ranks[0]), np.ptp(ranks[1])) == 0:
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: storage.Array) -> storage.Array:
    """Return ranks, equal values sharing the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places])
