"""The sections of the Overview, in the order of the page: results in, Streamlit's elements out."""

from collections.abc import Sequence

import streamlit as st

from core.artifacts import Run
from dashboard import components, sentences
from dashboard.drawing import theme
from dashboard.drawing.row_charts import chart_html
from dashboard.drawing.tables import table_html
from dashboard.overview import figures, words
from dashboard.overview.limits import limits
from dashboard.overview.words import Card
from dashboard.reading import runs
from dashboard.reading.results import Results
from dashboard.reading.robustness import Robustness
from dashboard.robustness.words import command_for

SKIPPED_SHOWN = 200
SOURCES_HEIGHT = 420  # pixels


def how_good(run: Run, results: Results, robustness: Robustness) -> None:
    """Show the headline detector at home and away, side by side."""
    st.header(words.verdict(results, robustness), anchor=False)
    cards = st.grid(3, min_column_width=230)
    for part, card in words.cards(results, robustness).items():
        with cards.container(border=True, gap="xsmall", height="stretch"):
            st.markdown(f"**{words.CARDS[part]}**")
            if card is None:
                st.caption("Not measured in this run. To measure it:")
                st.code(command_for(run, part), language=None, wrap_lines=True)
            else:
                _card(card)
    st.caption(
        f"{sentences.verdict_from(results)} Under each figure its {results.confidence:.0%} interval over songs. "
        "It stands here as the best on the validation clips: choosing by the test would flatter it."
    )


def what_was_tested(results: Results) -> None:
    """List what the figures were measured on, and say what they mean to people."""
    st.header("What was tested", anchor=False)
    tested = [*(sentences.tested(results, label) for label in theme.NAMES), sentences.trained(results)]
    st.markdown("\n".join(f"- {sentence}" for sentence in tested))
    area = results.headline.scores["roc_auc"].value
    st.markdown(f"{sentences.accusation(results)} {sentences.meaning_of_auc(area)}")


def what_may_not_be_claimed(run: Run, results: Results, robustness: Robustness) -> None:
    """List the limits in short, with the way to the page that measures them."""
    st.header("What may not be claimed", anchor=False)
    st.markdown("\n".join(f"- {sentence}" for sentence in limits(results, robustness)))
    _page_link(run, "robustness", "Robustness: the file, new sources, changed sound", "shield")


def in_full(robustness: Robustness) -> None:
    """Fold away everything that may and may not be said. Sources are the user's own words: plain text."""
    title = f"{len(robustness.may)} things that may be said, {len(robustness.may_not)} that may not"
    with st.expander(f"In full, with every number: {title}"):
        left, right = st.columns(2, gap="large")
        with left:
            _sentences("May be said", "check", robustness.may)
        with right:
            _sentences("May not be said", "close", robustness.may_not)


def all_detectors(run: Run, results: Results) -> None:
    """Show every detector's AUC, how many clips of each class it calls rightly, and all its figures."""
    best = results.headline
    st.header("All detectors", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**AUC** ({sentences.counted(best.n, 'test clip')}, 0.5 is a coin)")
        st.html(chart_html(figures.auc_chart(results.models, best), sentences.chart_alt(results, "roc_auc", "AUC")))
    with right:
        sizes = ", ".join(f"{theme.labelled(label)} n = {n}" for label, n in best.clips.items())
        st.markdown(f"**Clips called rightly** ({sizes})")
        alt = ". ".join(
            sentences.chart_alt(results, f"recall_{label}", f"{name} clips called rightly")
            for label, name in theme.NAMES.items()
        )
        st.html(chart_html(figures.recall_chart(results.models), alt))
    st.html(table_html(sentences.detector_rows(results), "Every detector's figures on the test clips"))
    st.caption(
        f"In brackets: {results.confidence:.0%} intervals over songs. "
        "A class without a single error is given what its number of songs allows (Wilson). "
        "(+): added to the four prescribed detectors."
    )
    _page_link(run, "models", "Models: curves, thresholds, calibration", "monitoring")


def source_by_source(run: Run, results: Results) -> None:
    """Show how many clips of each source every detector calls rightly."""
    st.header("Source by source", anchor=False)
    label = "For each source of the test clips: how many clips each detector calls rightly"
    st.html(table_html(sentences.source_rows(results), label, SOURCES_HEIGHT))
    st.caption("Test clips called rightly. A source with a few clips can be right or wrong by luck.")
    _page_link(run, "audit", "Audit: the clips that were called wrongly", "rule")


def how_it_was_made(run: Run, results: Results) -> None:
    """Fold away splits, phases, refused files and where everything is.

    What is closed is not sent: its tables and code need programs that would delay the first page.
    """
    st.header("How it was made", anchor=False)
    counts = st.expander("Clips and songs in each split", key="overview-counts", on_change="rerun")
    if counts.open:
        label = "Clips and songs of every source in training, validation and test"
        counts.html(table_html(sentences.count_rows(results), label))
    with st.expander("Transformer embeddings"):
        st.text(sentences.embeddings_by(results))
    phases = st.expander("Phases and their time", key="overview-phases", on_change="rerun")
    if phases.open:
        with phases:
            components.show_phases(runs.phases(run))
    title = f"Files left out ({sum(results.skipped.values()):,})"
    skipped = st.expander(title, key="overview-skipped", on_change="rerun")
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


def _card(card: Card) -> None:
    st.caption(card.tested)
    with st.container(horizontal=True):
        for title, share in card.shares.items():
            with st.container(gap=None, width="content"):
                st.metric(title, sentences.percent(share.value))
                st.caption(sentences.span(share))
    st.caption(card.area)


def _sentences(heading: str, icon: str, said: Sequence[str]) -> None:
    st.markdown(f"**{heading}**")
    for sentence in said:
        with st.container(horizontal=True, gap="small", wrap=False):
            st.markdown(f":material/{icon}:", width="content")
            st.text(sentence, width="stretch")


def _page_link(run: Run, page: str, label: str, icon: str) -> None:
    st.page_link(f"../pages/{page}.py", label=label, icon=f":material/{icon}:", query_params={"run": run.name})
