"""The parts of the page Models: at a threshold, all detectors, calibration, training."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.artifacts import Run
from dashboard import address, selection, sentences
from dashboard.clip import view as clip_view
from dashboard.drawing import theme
from dashboard.models import figures, words
from dashboard.models.threshold import Asked, show
from dashboard.reading.clips import of_split
from dashboard.reading.detectors import TRAININGS, ModelResults, read_history, trainings
from dashboard.reading.results import Model, Results
from dashboard.reading.robustness import read_robustness
from dashboard.robustness.words import command_for
from dashboard.sentences import signed
from dashboard.threshold import read_answers

PAIRS_HEIGHT = 300  # pixels
SPLITS = {"test": "Test", "val": "Validation"}


def beside(results: Results, model: Model) -> tuple[Model | None, str]:
    """Let the reader choose a second detector, or none, and the split to look at."""
    models = {other.key: other for other in results.models if other is not model}
    names = {"": "no other", **{key: other.name for key, other in models.items()}}
    key = st.selectbox("Beside", width=220, **address.choice("against", names))
    split = st.segmented_control("Clips of", default="test", required=True, **address.choice("on", SPLITS))
    return models.get(key), split


def at_a_threshold(
    run: Run, results: Results, detectors: ModelResults, clips: pd.DataFrame, model: Model, other: Model | None,
    split: str,
) -> None:  # fmt: skip
    """Show what a detector does at a threshold that the reader moves, and the selected clip."""
    above, chosen, below = st.container(), st.container(), st.container()
    asked = Asked(
        run, results, of_split(clips, split), split, model, other, detectors.details[model.key].areas[split],
        answers=read_answers(run, model.key, split, model.threshold),
        rival=read_answers(run, other.key, split, other.threshold) if other else None,
        selected=selection.path(),
    )  # fmt: skip
    with above:
        show(asked, below)
    clip = selection.clip(clips)
    if clip is not None:
        with chosen:
            st.header("The selected clip", anchor=False)
            clip_view.show(run, clip, results, "models")


def all_detectors(run: Run, results: Results, detectors: ModelResults, model: Model) -> None:
    """Show every figure of every detector, one compared with all others, over songs, and after other trainings."""
    names = {other.key: other.name for other in results.models}
    st.header(f"All detectors on {sentences.counted(results.headline.n, 'test clip')}", anchor=False)
    st.dataframe(
        pd.DataFrame(words.detector_rows(results)), hide_index=True,
        alt=sentences.chart_alt(results, "roc_auc", "Every figure of every detector; AUC"),
    )  # fmt: skip
    st.caption(
        f"Each at its own validation threshold. In brackets: {results.confidence:.0%} intervals over songs. "
        "(+): added to the four prescribed detectors."
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        _one_against_all(detectors, model, names)
    with right:
        _every_two(detectors, names)
    st.header("Whole songs", anchor=False)
    st.table(
        pd.DataFrame(words.song_rows(detectors, results)), hide_index=True, border="horizontal",
        alt="Every detector's figures over whole songs",
    )  # fmt: skip
    st.caption("A song's score: the mean of its clips' log-odds, at the clips' threshold.")
    st.header("Attention or plain concatenation", anchor=False)
    st.markdown(words.concatenation(detectors.concatenation))
    _other_seeds(run, names)


def calibration(detectors: ModelResults, model: Model) -> None:
    """Show whether a detector's score is a probability."""
    calibrated = detectors.details[model.key].calibration
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(f"**Is the score a probability?** {model.name} on {calibrated.n} test clips")
        st.plotly_chart(
            figures.reliability(calibrated.bins), config=theme.CHART_CONFIG,
            alt=words.calibration_sentence(calibrated, model.name),
        )  # fmt: skip
        st.caption(
            "Dotted: a score that means what it says. Bins hold equally many clips; their intervals count clips, "
            "not songs, and are too narrow where songs have several."
        )
    with right:
        st.markdown(words.calibration_sentence(calibrated, model.name))
        st.markdown(words.band_sentence(calibrated, model.name))
        st.table(
            pd.DataFrame(words.bin_rows(calibrated, "after")), hide_index=True, border="horizontal",
            alt="Share of AI in each bin of the score after the temperature",
        )  # fmt: skip
        st.caption("After the temperature.")


def training(run: Run) -> None:
    """Show loss and accuracy of a training, epoch by epoch."""
    names = {name: TRAININGS.get(name, name) for name in trainings(run)}
    if not names:
        st.markdown("This run holds no training curves. They are made with the models:")
        st.code(run.command(), language=None, wrap_lines=True)
        return
    name = st.selectbox("Training", width=280, **address.choice("training", names))
    history = read_history(run, name)
    for column, quantity in zip(st.columns(2, gap="large"), ("loss", "accuracy"), strict=True):
        with column:
            st.markdown(f"**{quantity.capitalize()} by epoch** ({len(history)} epochs)")
            st.plotly_chart(
                figures.training_curve(history, quantity), config=theme.CHART_CONFIG,
                alt=words.history_alt(history, quantity),
            )  # fmt: skip
    st.caption(words.kept(history))


def _one_against_all(detectors: ModelResults, model: Model, names: Mapping[str, str]) -> None:
    pairs = detectors.against(model.key)
    st.markdown(f"**AUC of {model.name} minus that of every other** ({pairs[0].n} test clips, {pairs[0].songs} songs)")
    st.plotly_chart(
        figures.differences(pairs, names), config=theme.CHART_CONFIG,
        alt=". ".join(f"{model.name} minus {names[pair.second]}: {signed(pair.area.value)}" for pair in pairs),
    )  # fmt: skip
    st.caption(words.told_apart(pairs, model.name, names))


def _every_two(detectors: ModelResults, names: Mapping[str, str]) -> None:
    n = len(detectors.pairs)
    st.markdown(f"**Every two detectors** ({n} pairs)")
    st.dataframe(
        pd.DataFrame(words.pair_rows(detectors.pairs, names)), hide_index=True, height=PAIRS_HEIGHT,
        alt="Differences in AUC and accuracy of every two detectors, with intervals and p-values",
    )  # fmt: skip
    st.caption(
        f"p: how often swapping the two detectors' answers song by song does as much. Of {n} pairs "
        "that do not differ, one in twenty would fall below 0.05: the p-values are not corrected for that."
    )


def _other_seeds(run: Run, names: Mapping[str, str]) -> None:
    st.header("Other seeds", anchor=False)
    seeds = read_robustness(run).seeds
    if seeds is None:
        st.markdown("Everything was trained once. To see how much the figures owe to the seed:")
        st.code(command_for(run, "seeds"), language=None, wrap_lines=True)
        return
    areas = {name: seeds.models[key]["roc_auc"].values for key, name in names.items()}
    st.plotly_chart(
        figures.seeds(areas), config=theme.CHART_CONFIG,
        alt=". ".join(f"{name}: {min(values):.3f} to {max(values):.3f}" for name, values in areas.items()),
    )  # fmt: skip
    st.caption(f"AUC on {seeds.n} test clips of {len(seeds.seeds)} trainings, each with its own seed.")
