"""U1: what was tested on how much, how good with which interval, and what may not be claimed."""

import streamlit as st

from dashboard import components, sentences
from dashboard.drawing import row_charts, theme
from dashboard.drawing.row_charts import chart_html
from dashboard.drawing.tables import table_html
from dashboard.overview import limits as overview_limits
from dashboard.overview import words as overview_words
from dashboard.reading import runs
from dashboard.reading.robustness import read_robustness
from dashboard.robustness import words as robustness_words

SKIPPED_SHOWN = 200
SOURCES_HEIGHT = 420  # pixels

run = runs.current_run()
st.title("Overview", anchor=False)
if not runs.is_evaluated(run):
    components.show_phases(runs.phases(run))
results, robustness = runs.results(run), read_robustness(run)
best, link = results.headline, {"run": run.name}

st.caption(f"Run {sentences.literal(run.name)} · {sentences.when(results.made)} · {sentences.tested_on(results)}")
if runs.is_outdated(run):
    components.show_outdated(run)

# How good: at home and away, side by side
st.header(overview_words.verdict(results, robustness), anchor=False)
cards = st.grid(3, min_column_width=230)
for part, card in overview_words.cards(results, robustness).items():
    with cards.container(border=True, gap="xsmall", height="stretch"):
        st.markdown(f"**{overview_words.CARDS[part]}**")
        if card is None:
            st.caption("Not measured in this run. To measure it:")
            st.code(robustness_words.command(run, part), language=None, wrap_lines=True)
            continue
        st.caption(card.tested)
        with st.container(horizontal=True):
            for title, share in card.shares.items():
                with st.container(gap=None, width="content"):
                    st.metric(title, sentences.percent(share.value))
                    st.caption(sentences.span(share))
        st.caption(card.area)
st.caption(
    f"{sentences.verdict_from(results)} Under each figure its {results.confidence:.0%} interval over songs. "
    "It stands here as the best on the validation clips: choosing by the test would flatter it."
)

left, right = st.columns(2, gap="large")
with left:
    st.header("What was tested", anchor=False)
    tested = [*(sentences.tested(results, label) for label in theme.NAMES), sentences.trained(results)]
    st.markdown("\n".join(f"- {sentence}" for sentence in tested))
    st.markdown(f"{sentences.accusation(results)} {sentences.meaning_of_auc(best.scores['roc_auc'].value)}")
with right:
    st.header("What may not be claimed", anchor=False)
    st.markdown("\n".join(f"- {sentence}" for sentence in overview_limits.limits(results, robustness)))
    st.page_link("../pages/robustness.py", label="Robustness: the file, new sources, changed sound",
                 icon=":material/shield:", query_params=link)  # fmt: skip

# In full, with every number. Sources are the user's own words: plain text
with st.expander(
    f"In full, with every number: {len(robustness.may)} things that may be said, {len(robustness.may_not)} that may not"
):
    for column, heading, icon, said in zip(
        st.columns(2, gap="large"), ("May be said", "May not be said"), ("check", "close"),
        (robustness.may, robustness.may_not), strict=True,
    ):  # fmt: skip
        column.markdown(f"**{heading}**")
        for sentence in said:
            with column.container(horizontal=True, gap="small", wrap=False):
                st.markdown(f":material/{icon}:", width="content")
                st.text(sentence, width="stretch")

# All detectors
recalls = {label: [model.scores[f"recall_{label}"] for model in results.models] for label in theme.NAMES}
st.header("All detectors", anchor=False)
left, right = st.columns(2, gap="large")
with left:
    st.markdown(f"**AUC** ({sentences.counted(best.n, 'test clip')}, 0.5 is a coin)")
    st.html(chart_html(row_charts.auc_chart(results.models, best), sentences.chart_alt(results, "roc_auc", "AUC")))
with right:
    sizes = ", ".join(f"{theme.labelled(label)} n = {n}" for label, n in best.clips.items())
    st.markdown(f"**Clips called rightly** ({sizes})")
    recalled = [
        sentences.chart_alt(results, f"recall_{label}", f"{name} clips called rightly")
        for label, name in theme.NAMES.items()
    ]
    st.html(chart_html(row_charts.recall_chart(results.models, recalls), ". ".join(recalled)))
st.html(table_html(sentences.detector_rows(results), "Every detector's figures on the test clips"))

st.caption(
    f"In brackets: {results.confidence:.0%} intervals over songs. "
    "A class without a single error is given what its number of songs allows (Wilson). "
    "(+): added to the four prescribed detectors."
)
st.page_link("../pages/models.py", label="Models: curves, thresholds, calibration", icon=":material/monitoring:",
             query_params=link)  # fmt: skip

# Source by source
st.header("Source by source", anchor=False)
by_source = "For each source of the test clips: how many clips each detector calls rightly"
st.html(table_html(sentences.source_rows(results), by_source, SOURCES_HEIGHT))
st.caption("Test clips called rightly. A source with a few clips can be right or wrong by luck.")
st.page_link("../pages/audit.py", label="Audit: the clips that were called wrongly", icon=":material/rule:",
             query_params=link)  # fmt: skip

# How it was made. What is closed is not sent: its tables and code need programs that would delay the first page
st.header("How it was made", anchor=False)
counts = st.expander("Clips and songs in each split", key="overview-counts", on_change="rerun")
if counts.open:
    counts.html(
        table_html(sentences.count_rows(results), "Clips and songs of every source in training, validation and test")
    )
with st.expander("Transformer embeddings"):
    st.text(sentences.embeddings_by(results))
phases = st.expander("Phases and their time", key="overview-phases", on_change="rerun")
if phases.open:
    with phases:
        components.show_phases(runs.phases(run))
skipped = st.expander(f"Files left out ({sum(results.skipped.values()):,})", key="overview-skipped", on_change="rerun")
if skipped.open:
    with skipped:
        components.show_skipped(runs.skipped(run), SKIPPED_SHOWN)
printed = st.expander("Printed figures", key="overview-printed", on_change="rerun")
if printed.open:
    for path in runs.printed_figures(run):
        printed.image(runs.read_figure(path, run), alt=sentences.figure_alt(path.stem))
files = st.expander("Where the files are", key="overview-files", on_change="rerun")
if files.open:
    files.code(runs.location(run), language=None)
    files.caption(
        "results/results.json holds every number of this page; predictions.csv has one row per clip and model."
    )
