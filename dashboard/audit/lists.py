"""Which clips a detector gets wrong, and in which order to listen to them: frames in, frames out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.artifacts import ADDITIONS, DETECTORS, LABELS
from core.metrics.operating_points import log_odds
from dashboard import sentences
from dashboard.drawing import theme
from dashboard.reading.clips import of_split
from dashboard.reading.results import Model, Results
from dashboard.threshold import shown

LISTS = {
    "confident": "Wrong, most confident first",
    "disagreement": "Wrong, most disputed among detectors first",
    "all_wrong": "All four prescribed detectors wrong",
    "near": "Nearest to the threshold, right or wrong",
    "missed": "AI called human",
    "accused": "Human called AI",
}
NEAREST = 30  # clips in the list `near`
PRESCRIBED = tuple(name for name in DETECTORS if name not in ADDITIONS)
SURE = 1e-7  # float32 cannot tell a score closer to 0 or 1 from 0 or 1
ABOUT_SPLIT = {
    "test": "No detector has learned from these clips.",
    "val": "The thresholds were chosen on these clips.",
    "train": "The detectors have learned from these clips: few errors here say nothing about other music.",
}


@dataclass(frozen=True)
class ClipList:
    """The clips that are asked for, and what was asked."""

    model: Model  # with the threshold chosen on validation
    kind: str  # of `LISTS`
    split: str
    source: str  # empty: all of them
    threshold: float  # the one that counts here
    results: Results  # with that threshold
    clips: pd.DataFrame  # all of the run, as `judged` returns them
    tested: pd.DataFrame  # those of the split
    among: pd.DataFrame  # those of the source, too
    chosen: pd.DataFrame  # the list itself, worst first

    @property
    def paths(self) -> list[str]:
        """The list's clips by their ids."""
        return [str(path) for path in self.chosen["path"]]

    @property
    def question(self) -> tuple[str, str, str, str]:
        """What makes it another list; a threshold that moves does not."""
        return self.model.key, self.kind, self.split, self.source


def listing(
    results: Results, clips: pd.DataFrame, model: Model, kind: str, split: str, source: str, threshold: float
) -> ClipList:
    """Return the clips of a run that a question asks for; parameters as the fields of `ClipList`."""
    results = with_threshold(results, model.key, threshold)
    clips = judged(clips, model.key, {model.key: model.threshold for model in results.models})
    tested = of_split(clips, split)
    among = tested[tested["source"] == source] if source else tested
    return ClipList(model, kind, split, source, threshold, results, clips, tested, among, listed(among, kind))


def with_threshold(results: Results, key: str, threshold: float) -> Results:
    """Return the results with another threshold for one detector; the figures stay those of the evaluation."""
    models = tuple(replace(model, threshold=threshold) if model.key == key else model for model in results.models)
    return replace(results, models=models)


def judged(clips: pd.DataFrame, key: str, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Return clips with the verdicts at the given thresholds, and how far they are from them.

    Added or renewed: call_NAME and right_NAME of every detector; wrong (bool, the detector `key`); distance (its
    log-odds minus those of the threshold: positive says AI); says_ai (detectors that call the clip AI); minority
    (detectors on the smaller side); spread (standard deviation of all detectors' distances).
    """
    judged_clips = clips.copy()
    is_ai = judged_clips["label"].eq(LABELS[1])
    distances = {
        name: log_odds(judged_clips[f"p_{name}"], SURE) - log_odds(level, SURE) for name, level in thresholds.items()
    }
    called = {name: judged_clips[f"p_{name}"].ge(level) for name, level in thresholds.items()}
    for name, says in called.items():
        judged_clips[f"call_{name}"] = says.map({False: LABELS[0], True: LABELS[1]})
        judged_clips[f"right_{name}"] = says.eq(is_ai)
    votes = np.sum(list(called.values()), axis=0)
    judged_clips["wrong"] = ~judged_clips[f"right_{key}"]
    judged_clips["distance"] = distances[key]
    judged_clips["says_ai"] = votes
    judged_clips["minority"] = np.minimum(votes, len(called) - votes)
    judged_clips["spread"] = np.std(list(distances.values()), axis=0)
    return judged_clips


def listed(clips: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the clips of a list of LISTS, worst first; `clips` as `judged` returns them. Ties keep their order."""
    sure = clips["distance"].abs()
    if kind == "near":
        return clips.loc[sure.sort_values(kind="stable").index[:NEAREST]]
    chosen = clips[_among(clips, kind)]
    if kind == "disagreement":
        order = np.lexsort((-chosen["spread"], -chosen["minority"]))
    else:
        order = np.argsort(-sure[chosen.index], kind="stable")
    return chosen.iloc[order]


def _among(clips: pd.DataFrame, kind: str) -> pd.Series:
    """Return which clips a list of wrong verdicts holds."""
    if kind == "all_wrong":
        right: pd.Series = clips[[f"right_{name}" for name in PRESCRIBED]].any(axis=1)
        return ~right
    label = {"missed": "ai", "accused": "human"}.get(kind)
    wrong: pd.Series = clips["wrong"]
    return wrong & clips["label"].eq(label) if label else wrong


def by_source(clips: pd.DataFrame) -> pd.DataFrame:
    """Return label, source, clips, wrong (counts) and share per source, the largest share first."""
    grouped = clips.groupby(["label", "source"], as_index=False).agg(clips=("wrong", "size"), wrong=("wrong", "sum"))
    grouped["share"] = grouped["wrong"] / grouped["clips"]
    return grouped.sort_values(["share", "clips", "source"], ascending=[False, False, True], ignore_index=True)


def summary(clips: pd.DataFrame, model: Model, split: str, threshold: float) -> str:
    """Say how many clips of a split a detector gets wrong, and what that says, as Markdown.

    Parameters
    ----------
    model : with the threshold chosen on validation.
    threshold : the one `clips` are judged at.
    """
    parts = []
    for label, said in (("human", "human called AI"), ("ai", "AI called human")):
        of_class = clips[clips["label"] == label]
        parts.append(f"{theme.MARKS[label]} **{of_class['wrong'].sum():,}** of {len(of_class):,} {said}")
    level = "the validation threshold" if threshold == model.threshold else "set by hand"
    evaluated = split == "test" and threshold == model.threshold
    sure = f" (accuracy {sentences.percents(model.scores['accuracy'])})" if evaluated else ""
    return (
        f"{model.name}, {sentences.SPLIT_NAMES[split].lower()} clips, AI from {shown(threshold)} ({level}): "
        f"**{clips['wrong'].sum():,} of {len(clips):,} wrong**{sure} · {' · '.join(parts)}. {ABOUT_SPLIT[split]}"
    )


def sentence(clip: pd.Series, key: str, threshold: float, detectors: int) -> str:
    """Say what a detector made of a clip, how sure it was and what the others say, as Markdown."""
    truth, called = clip["label"], clip[f"call_{key}"]
    verdict = "✗ wrong" if clip["wrong"] else "✓ right"
    return (
        f"{theme.labelled(truth)}, called {theme.labelled(called)} **{verdict}** · score **{clip[f'p_{key}']:.3f}**, "
        f"AI from {shown(threshold)}: {abs(clip['distance']):.1f} log-odds away · "
        f"{clip['says_ai']} of {detectors} detectors say AI"
    )
