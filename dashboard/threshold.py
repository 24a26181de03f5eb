"""The door from the Models page to `core.metrics.operating_points`: which clips, which threshold, what then.

Between two neighbouring scores every threshold calls the same clips, so a split has as many different thresholds as
scores, and one more. The slider goes through these: each step changes a verdict, wherever the scores crowd.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import streamlit as st

from core.artifacts import LABELS, Run
from core.config import EvaluationConfig
from core.metrics import intervals, operating_points
from core.metrics.intervals import Floats, Ints
from core.metrics.operating_points import OUT_OF_REACH, Curves, OperatingPoint
from dashboard import address
from dashboard.reading.clips import clip_table_files, of_split, read_clip_table
from dashboard.reading.kept import kept

CELLS = {  # by the name an address has for it: label, and what it is called
    "tn": ("human", "human"),
    "fp": ("human", "ai"),
    "fn": ("ai", "human"),
    "tp": ("ai", "ai"),
}
DIGITS = 17  # tell any two numbers apart


@dataclass(frozen=True)
class Answers:
    """A detector's answers to one split, and everything about them that no threshold changes."""

    settings: EvaluationConfig
    draws: Floats  # of whole songs, those of the evaluation
    labels: Ints  # (clips,) 0 = human, 1 = AI
    probabilities: Floats  # (clips,)
    songs: tuple[str, ...]
    scores: tuple[float, ...]  # the different ones, ascending
    curves: Curves
    thresholds: tuple[float, ...]  # ascending, one for each way to call the clips
    chosen: int  # the place among these of the validation threshold

    def place(self, threshold: float) -> int:
        """Return the place of the threshold that calls the same clips."""
        return bisect_left(self.scores, threshold)

    def songs_of(self, label: str) -> int:
        """Return how many songs of a class there are."""
        wanted = LABELS.index(label)
        return len(
            {song for song, song_label in zip(self.songs, self.labels.tolist(), strict=True) if song_label == wanted}
        )

    def label(self, place: int, held: float | None = None) -> str:
        """Return a threshold as the slider shows it, `held` in its own place; no two are the same."""
        if place == self.chosen:
            return f"{shown(self.thresholds[place])} (validation)"
        threshold = self.thresholds[place] if held is None or self.place(held) != place else held
        return shown(threshold) if threshold > 1 else repr(threshold)

    @property
    def equal_errors(self) -> int:
        """The place of the threshold where as many human clips are accused as AI clips missed, in shares."""
        missed = 1 - self.curves.true_positive_rate
        return int(np.argmin(np.abs(self.curves.false_positive_rate - missed)))


def read_answers(run: Run, model: str, split: str, threshold: float) -> Answers:
    """Return a detector's answers to the clips of a split.

    Parameters
    ----------
    threshold : the one chosen on validation.

    Raises
    ------
    ArtifactError, DataError : the run is not evaluated, or the split lacks a class.
    """
    return _answers(run, model, split, threshold)


@kept(lambda run, *_: (run.description, *clip_table_files(run)), most=24)
def _answers(run: Run, model: str, split: str, threshold: float) -> Answers:
    clips, settings = of_split(read_clip_table(run), split), run.read_description()[1].evaluation
    labels, songs = clips["label"].map(LABELS.index).to_numpy(np.int64), tuple(clips["song"])
    probabilities = clips[f"p_{model}"].to_numpy(np.float64)
    curves = operating_points.curves(labels, probabilities)
    scores = np.unique(probabilities).tolist()
    chosen, thresholds = bisect_left(scores, threshold), _plain_thresholds(scores)
    thresholds[chosen] = threshold
    return Answers(
        settings, _draws(run, split), labels, probabilities, songs, tuple(scores), curves, tuple(thresholds), chosen
    )


@kept(lambda run, split: (run.description, *clip_table_files(run)))
def _draws(run: Run, split: str) -> Floats:
    """Return the draws of songs, which are the same for all detectors."""
    clips, settings = of_split(read_clip_table(run), split), run.read_description()[1].evaluation
    labels = clips["label"].map(LABELS.index).to_numpy(np.int64)
    draws = intervals.song_draws(labels, clips["song"].to_numpy(str), settings.bootstraps, 0)
    draws.flags.writeable = False
    return draws


def operating_point(answers: Answers, threshold: float) -> OperatingPoint:
    """Measure a detector at a threshold as the evaluation does, with the evaluation's own draws of songs."""
    return operating_points.operating_point(
        answers.labels, answers.probabilities, answers.songs, threshold, answers.settings, answers.draws
    )


# Thresholds


def _plain_thresholds(scores: Sequence[float]) -> list[float]:
    """Return, for each way to call clips with these scores (ascending), a threshold that does it."""
    between = [plain(low, high) for low, high in pairwise(scores)]
    last = OUT_OF_REACH if scores[-1] >= 1 else plain(scores[-1], 1.0)
    return [0.0, *between, last]


def plain(low: float, high: float) -> float:
    """Return a number above `low` and at most `high` with as few decimals as will do, from about the middle.

    Examples
    --------
    >>> plain(0.41, 0.58), plain(0.99912, 0.99931)
    (0.5, 0.9992)
    """
    middle = (low + high) / 2
    rounded = (round(middle, digits) for digits in range(1, DIGITS))
    return next((number for number in rounded if low < number <= high), high)


def shown(threshold: float) -> str:
    """Return a threshold as text, with the digits that tell it from 0 and 1.

    Examples
    --------
    >>> shown(0.28262210), shown(0.99984), shown(0.5), shown(0.00031)
    ('0.283', '0.9998', '0.5', '0.0003')
    """
    if threshold > 1:
        return "above 1"
    edge = min(threshold, 1 - threshold)
    digits = max(3, -math.floor(math.log10(edge))) if edge > 0 else 1
    return f"{threshold:.{digits}f}".rstrip("0").rstrip(".")


def asked(value: str | None) -> float | None:
    """Return the threshold that an address asks for, or None where it asks for none that can be."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number <= OUT_OF_REACH else None  # not so for NaN


def held_threshold(key: str, answers: Answers) -> float | None:
    """Return the threshold that the reader or the address has set, or None where it is that of validation.

    Parameters
    ----------
    key : under which the session holds it, the same on every page.
    """
    if "threshold-asked" not in st.session_state:  # the address is read once; from then on it follows
        st.session_state["threshold-asked"] = True
        st.session_state[key] = asked(st.query_params.get("thr"))
    threshold: float | None = st.session_state.get(key)
    now = answers.thresholds[answers.chosen] if threshold is None else threshold
    for value in address.asked("thr"):
        if asked(value) is None:
            address.miss("thr", value, shown(now))
    return None if threshold is None or answers.place(threshold) == answers.chosen else threshold


def keep_threshold(threshold: float | None) -> None:
    """Keep a threshold in the address, or none where it is that of validation."""
    if threshold is None:
        st.query_params.pop("thr", None)
    else:
        st.query_params["thr"] = repr(threshold)


# The clips behind a number


def of_cell(clips: pd.DataFrame, model: str, threshold: float, cell: str) -> pd.DataFrame:
    """Return the clips of a cell of the confusion matrix, the surest verdicts first.

    Parameters
    ----------
    clips : clips of one split.
    cell : of `CELLS`.
    """
    label, called = CELLS[cell]
    score = clips[f"p_{model}"]
    rows = clips[(clips["label"] == label) & (score.ge(threshold) == (called == "ai"))]
    return rows.sort_values(f"p_{model}", ascending=called == "human", kind="stable")


def disagreements(
    clips: pd.DataFrame, first: tuple[str, float], second: tuple[str, float], *, ai_by_first: bool
) -> pd.DataFrame:
    """Return the clips that one detector calls AI and the other human, each at its threshold; widest apart first.

    Parameters
    ----------
    first, second : the detectors' names and thresholds.
    ai_by_first : the clips that the first calls AI; else those that the second does.
    """
    (ai_by, cut), (human_by, human_cut) = (first, second) if ai_by_first else (second, first)
    rows = clips[clips[f"p_{ai_by}"].ge(cut) & clips[f"p_{human_by}"].lt(human_cut)]
    apart = rows[f"p_{ai_by}"] - rows[f"p_{human_by}"]
    return rows.loc[apart.sort_values(ascending=False, kind="stable").index]
