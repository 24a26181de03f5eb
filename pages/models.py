"""U5: every detector in numbers: at a threshold that moves everything, against the others, calibrated, in training."""

import pandas as pd
import streamlit as st

from dashboard import address, selection, sentences, threshold
from dashboard.clip import view as clip_view
from dashboard.drawing import theme
from dashboard.models import figures as models_figures
from dashboard.models import threshold as models_threshold
from dashboard.models import words as models_words
from dashboard.reading import clips, detectors, runs
from dashboard.reading.clips import read_clip_table
from dashboard.reading.detectors import read_detectors
from dashboard.reading.robustness import read_robustness
from dashboard.robustness import words as robustness_words

PARTS = {
    "threshold": "At a threshold",
    "detectors": "All detectors",
    "calibration": "Calibration",
    "training": "Training",
}
PAIRS_HEIGHT = 300  # pixels
SPLITS = {"test": "Test", "val": "Validation"}

run = runs.current_run()
st.title("Models", anchor=False)
results, every = runs.results(run), read_clip_table(run)
found = read_detectors(run)
models = {model.key: model for model in results.models}
names = {key: model.name for key, model in models.items()}

part = st.segmented_control(
    "Show", default="threshold", required=True, label_visibility="collapsed", **address.choice("part", PARTS)
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    if part != "training":
        label = "Detector to compare with the others" if part == "detectors" else "Detector"
        key = selection.detector(results, label, width=260).key
    if part == "threshold":
        others = {"": "no other", **{other: name for other, name in names.items() if other != key}}
        against = st.selectbox("Beside", width=220, **address.choice("against", others))
        split = st.segmented_control("Clips of", default="test", required=True, **address.choice("on", SPLITS))

if part == "threshold":
    above, chosen, below = st.container(), st.container(), st.container()
    model, other = models[key], models.get(against)
    asked = models_threshold.Asked(
        run, results, clips.of_split(every, split), split, model, other, found.details[key].areas[split],
        answers=threshold.answers(run, key, split, model.threshold),
        rival=threshold.answers(run, other.key, split, other.threshold) if other else None,
        selected=selection.path(),
    )  # fmt: skip
    with above:
        models_threshold.show(asked, below)
    clip = selection.clip(every)
    if clip is not None:
        with chosen:
            st.header("The selected clip", anchor=False)
            clip_view.show(run, clip, results, "models")

if part == "detectors":
    st.header(f"All detectors on {sentences.counted(results.headline.n, 'test clip')}", anchor=False)
    st.dataframe(
        pd.DataFrame(models_words.detector_rows(results)), hide_index=True,
        alt=sentences.chart_alt(results, "roc_auc", "Every figure of every detector; AUC"),
    )  # fmt: skip
    st.caption(
        f"Each at its own validation threshold. In brackets: {results.confidence:.0%} intervals over songs. "
        "(+): added to the four prescribed detectors."
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        pairs = found.against(key)
        st.markdown(
            f"**AUC of {names[key]} minus that of every other** ({pairs[0].n} test clips, {pairs[0].songs} songs)"
        )
        st.plotly_chart(
            models_figures.differences(pairs, names), config=theme.CHART_CONFIG,
            alt=". ".join(f"{names[key]} minus {names[p.second]}: {models_words.signed(p.area)}" for p in pairs),
        )  # fmt: skip
        st.caption("Right of zero: better on the same clips. An interval over zero: cannot be told apart.")
    with right:
        st.markdown(f"**Every two detectors** ({len(found.pairs)} pairs)")
        st.dataframe(
            pd.DataFrame(models_words.pair_rows(found.pairs, names)), hide_index=True, height=PAIRS_HEIGHT,
            alt="Differences in AUC and accuracy of every two detectors, with intervals and p-values",
        )  # fmt: skip
        st.caption(
            f"p: how often swapping the two detectors' answers song by song does as much. Of {len(found.pairs)} pairs "
            "that do not differ, one in twenty would fall below 0.05: the p-values are not corrected for that."
        )
    st.header("Whole songs", anchor=False)
    st.table(
        pd.DataFrame(models_words.song_rows(found, results)), hide_index=True, border="horizontal",
        alt="Every detector's figures over whole songs",
    )  # fmt: skip
    st.caption("A song's score: the mean of its clips' log-odds, at the clips' threshold.")
    st.header("Attention or plain concatenation", anchor=False)
    st.markdown(models_words.concatenation(found.concatenation))
    st.header("Other seeds", anchor=False)
    again = read_robustness(run).seeds
    if again is None:
        st.markdown("Everything was trained once. To see how much the figures owe to the seed:")
        st.code(robustness_words.command_for(run, "seeds"), language=None, wrap_lines=True)
    else:
        areas = {names[model]: again.models[model]["roc_auc"].values for model in names}
        st.plotly_chart(
            models_figures.seeds(areas), config=theme.CHART_CONFIG,
            alt=". ".join(f"{name}: {min(values):.3f} to {max(values):.3f}" for name, values in areas.items()),
        )  # fmt: skip
        st.caption(f"AUC on {again.n} test clips of {len(again.seeds)} trainings, each with its own seed.")

if part == "calibration":
    calibrated = found.details[key].calibration
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(f"**Is the score a probability?** {names[key]} on {calibrated.n} test clips")
        st.plotly_chart(
            models_figures.reliability(calibrated.bins), config=theme.CHART_CONFIG,
            alt=models_words.calibration_sentence(calibrated, names[key]),
        )  # fmt: skip
        st.caption(
            "Dotted: a score that means what it says. Bins hold equally many clips; their intervals count clips, "
            "not songs, and are too narrow where songs have several."
        )
    with right:
        st.markdown(models_words.calibration_sentence(calibrated, names[key]))
        st.markdown(models_words.band_sentence(calibrated, names[key]))
        st.table(
            pd.DataFrame(models_words.bin_rows(calibrated, "after")), hide_index=True, border="horizontal",
            alt="Share of AI in each bin of the score after the temperature",
        )  # fmt: skip
        st.caption("After the temperature.")

if part == "training":
    trained = detectors.trainings(run)
    if not trained:
        st.markdown("This run holds no training curves. They are made with the models:")
        st.code(run.command(), language=None, wrap_lines=True)
    else:
        trainings = {name: detectors.TRAININGS.get(name, name) for name in trained}
        name = st.selectbox("Training", width=280, **address.choice("training", trainings))
        history = detectors.history(run, name)
        for column, quantity in zip(st.columns(2, gap="large"), ("loss", "accuracy"), strict=True):
            with column:
                st.markdown(f"**{quantity.capitalize()} by epoch** ({len(history)} epochs)")
                st.plotly_chart(
                    models_figures.training_curve(history, quantity), config=theme.CHART_CONFIG,
                    alt=models_words.history_alt(history, quantity),
                )  # fmt: skip
        st.caption(models_words.kept(history))
