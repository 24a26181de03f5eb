"""U1: what was tested on how much, how good with which interval, and what may not be claimed."""

import pandas as pd
import streamlit as st

from dashboard import components, data, figures, limits, sentences, theme

SKIPPED_SHOWN = 200

run = data.current_run()
st.title("Overview", anchor=False)
if not data.is_evaluated(run):
    components.show_phases(data.phases(run))
results = data.results(run)
best = results.headline
songs = {label: results.count("songs", split="test", label=label) for label in theme.NAMES}

st.caption(
    f"Run {sentences.literal(run.name)} · evaluated {sentences.when(results.made)} · "
    f"{sentences.counted(best.n, 'test clip')} from {sentences.counted(best.songs, 'song')} "
    "that no detector was trained on"
)
if data.is_outdated(run):
    components.show_outdated(run)

# How good
auc, human, ai = best.scores["roc_auc"], best.scores["recall_human"].complement, best.scores["recall_ai"]
st.subheader(f"How well the {best.name} tells AI from human", anchor=False)
cards = st.grid(min_column_width=240, row_height="content")
with cards.container(border=True, gap="xsmall"):
    st.metric(f"{theme.MARKS['human']} Human clips called AI", f"{best.wrong['human']} of {best.clips['human']}")
    st.caption(sentences.interval(human, results, songs["human"]))
with cards.container(border=True, gap="xsmall"):
    st.metric(f"{theme.MARKS['ai']} AI clips caught", f"{best.clips['ai'] - best.wrong['ai']} of {best.clips['ai']}")
    st.caption(sentences.interval(ai, results, songs["ai"]))
with cards.container(border=True, gap="xsmall"):
    st.metric("AUC", f"{auc.value:.3f}", help=sentences.meaning_of_auc(auc.value))
    st.caption(sentences.auc_interval(auc, results))
st.markdown(f"{sentences.accusation(results)} {sentences.meaning_of_auc(auc.value)}")
st.caption(
    f"The {best.name} stands here because it is the best on the validation clips: "
    "choosing by the test would flatter it. "
    f"{sentences.verdict_from(results)} Intervals are over songs."
)

left, right = st.columns(2, gap="large")
with left:
    st.subheader("What was tested", anchor=False)
    tested = [*(sentences.tested(results, label) for label in theme.NAMES), sentences.trained(results)]
    st.markdown("\n".join(f"- {sentence}" for sentence in tested))
    st.text(sentences.embeddings_by(results))
with right:
    st.subheader("What may not be claimed", anchor=False)
    st.markdown("\n".join(f"- {sentence}" for sentence in limits.limits(results)))

# All detectors
recalls = {label: [sentences.recall(results, model, label) for model in results.models] for label in theme.NAMES}
st.subheader("All detectors", anchor=False)
left, right = st.columns(2, gap="large")
with left:
    st.markdown("**AUC** (0.5 is a coin)")
    st.plotly_chart(
        figures.auc_chart(results.models, best),
        config=theme.CHART_CONFIG,
        alt=sentences.chart_alt(results, "roc_auc", "AUC"),
    )
with right:
    st.markdown(f"**Clips called rightly** ({' '.join(theme.labelled(label) for label in theme.NAMES)})")
    st.plotly_chart(
        figures.recall_chart(results.models, recalls),
        config=theme.CHART_CONFIG,
        alt=". ".join(
            sentences.chart_alt(results, f"recall_{label}", f"{name} clips called rightly")
            for label, name in theme.NAMES.items()
        ),
    )
st.table(
    pd.DataFrame(sentences.detector_rows(results)), hide_index=True, border="horizontal",
    alt="Every detector's figures on the test clips",
)  # fmt: skip

st.caption(
    f"In brackets: {results.confidence:.0%} intervals over songs. "
    "A class without a single error is given what its number of songs allows (Wilson). "
    "(+): added to the four prescribed detectors."
)

# Source by source
st.subheader("Source by source", anchor=False)
st.dataframe(
    pd.DataFrame(sentences.source_rows(results)), hide_index=True,
    alt="For each source of the test clips: how many clips each detector calls rightly",
)  # fmt: skip
st.caption("Test clips called rightly. A source with a few clips can be right or wrong by luck.")

# How it was made
st.subheader("How it was made", anchor=False)
with st.expander("Clips and songs in each split"):
    st.dataframe(
        pd.DataFrame(sentences.count_rows(results)), hide_index=True,
        alt="Clips and songs of every source in training, validation and test",
    )  # fmt: skip
with st.expander("Phases and their time"):
    components.show_phases(data.phases(run))
with st.expander(f"Files left out ({sum(results.skipped.values()):,})"):
    components.show_skipped(data.skipped(run), SKIPPED_SHOWN)
printed = st.expander("Printed figures", on_change="rerun")
if printed.open:
    for path in data.printed_figures(run):
        printed.image(data.read_figure(path, run), alt=sentences.figure_alt(path.stem))
with st.expander("Where the files are"):
    st.code(data.location(run), language=None)
    st.caption("results/results.json holds every number of this page; predictions.csv has one row per clip and model.")
