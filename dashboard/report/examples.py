"""The report's listening examples: which clips, by a rule anyone can check, with sound and picture."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
import soundfile

from core import palette
from core.artifacts import Run
from core.config import Config
from core.errors import ArtifactError, printable
from dashboard.clip import view as clip_view
from dashboard.drawing import theme
from dashboard.reading import sound
from dashboard.reading.clips import read_clip_table, read_row
from dashboard.reading.results import Model, Results
from dashboard.report import media

KINDS = {"right": 1, "wrong": 2, "nearest": 1}  # and how many of each class
RULE = (
    "They were chosen by their scores alone: of each class, the test clip that the {} calls rightly with the score "
    "farthest from its threshold; up to two that it calls wrongly with the score farthest from it; and the one whose "
    "score lies nearest to it. No two are from one song."
)


@dataclass(frozen=True)
class Choice:
    """A clip to listen to: its row of `read_clip_table`, and of which kind it is."""

    clip: pd.Series
    kind: str
    right: bool


@dataclass(frozen=True)
class Example:
    """A clip as the report shows it; every text is plain text. Without picture or sound, these are empty."""

    title: str
    name: str
    source: str
    scores: tuple[Mapping[Hashable, str], ...]
    picture: media.Spectrogram | None
    sound: str
    note: str  # why there is no sound, if it was asked for


def choose(clips: pd.DataFrame, model: Model) -> list[Choice]:
    """Return a detector's examples among the test clips, as `RULE` says."""
    chosen: list[Choice] = []
    for kind, how_many in KINDS.items():
        for label in theme.NAMES:
            heard = {choice.clip["song"] for choice in chosen}
            candidates = _of_kind(_ranked(clips, label, model), kind, model)
            fresh = candidates[~candidates["song"].isin(heard)].drop_duplicates("song").head(how_many)
            chosen += [Choice(clip, kind, bool(clip[f"right_{model.key}"])) for _, clip in fresh.iterrows()]
    return chosen


def _ranked(clips: pd.DataFrame, label: str, model: Model) -> pd.DataFrame:
    """Return a class's test clips, the one farthest from the threshold first; equal ones in the order of the table."""
    of_class = clips[(clips["split"] == "test") & (clips["label"] == label)]
    distance = (of_class[f"p_{model.key}"] - model.threshold).abs()
    return of_class.loc[distance.sort_values(ascending=False, kind="stable").index]


def _of_kind(ranked: pd.DataFrame, kind: str, model: Model) -> pd.DataFrame:
    right = ranked[f"right_{model.key}"]
    return {"right": ranked[right], "wrong": ranked[~right], "nearest": ranked.iloc[::-1]}[kind]


def show(run: Run, results: Results, *, with_sound: bool) -> Iterator[Example]:
    """Yield the examples of the headline detector with its scores, picture and sound."""
    _, config, _ = run.read_description()
    for choice in choose(read_clip_table(run), results.headline):
        heard, note = _sound(run, choice, config) if with_sound else ("", "")
        yield Example(
            _title(choice),
            printable(choice.clip["path"]),
            printable(choice.clip["source"]),
            tuple(clip_view.scores(choice.clip, results).rename(columns={"": "Right?"}).to_dict("records")),
            _picture(run, choice, config),
            heard,
            note,
        )


def _title(choice: Choice) -> str:
    label = choice.clip["label"]
    how = {
        "right": "surely right",
        "wrong": "surely wrong",
        "nearest": f"nearest to the threshold, called {'rightly' if choice.right else 'wrongly'}",
    }
    return f"{palette.SIGNS[label]} {theme.NAMES[label]}: {how[choice.kind]}"


def _sound(run: Run, choice: Choice, config: Config) -> tuple[str, str]:
    """Return a clip's sound as an address, or nothing and why."""
    try:
        return media.mp3(sound.original(run, choice.clip["path"]).data, config.audio.seconds), ""
    except ArtifactError as error:
        return "", f"No sound: {error.problem}."
    except soundfile.LibsndfileError:
        return "", "No sound: this clip's file cannot be decoded any more."


def _picture(run: Run, choice: Choice, config: Config) -> media.Spectrogram | None:
    """Return a clip's spectrogram, or None in a run that has not drawn it."""
    try:
        decibels = read_row(run, run.log_mel, int(str(choice.clip.name)), "explain")
    except ArtifactError:
        return None
    return media.spectrogram(decibels, config)
