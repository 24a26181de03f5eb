"""The sections of the page Robustness, one question each, in the order of the page."""

import pandas as pd
import streamlit as st

from core.artifacts import Run
from dashboard import address, sentences
from dashboard.drawing import theme
from dashboard.drawing.row_charts import Chart, chart_html
from dashboard.reading.results import Model, Results
from dashboard.reading.robustness import KNOWLEDGE, LeaveOut, Robustness, Shortcut
from dashboard.robustness import figures, words

FACTS_SHOWN = 10


def music_or_file(run: Run, results: Results, robustness: Robustness, model: Model) -> None:
    """Show what a classifier reaches that hears no music, beside the detectors."""
    st.header("Is it the music or the file?", anchor="file")
    if robustness.shortcuts is None:
        _not_measured(run, "shortcuts", "")
        return
    files, heard = (robustness.shortcuts[kind] for kind in KNOWLEDGE)
    st.markdown(words.music_or_file(robustness, model))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**AUC with music and without** ({sentences.counted(files.n, 'test clip')}, 0.5 is a coin)")
        areas = {"No music: files": files.area, "No music: sound": heard.area}
        _chart(figures.shortcut_chart(results.models, model, areas), words.shortcut_alt(results, areas))
        st.caption("Filled: the chosen detector. ×: a classifier that is shown facts about files or sound, no music.")
    with right:
        _facts(files, heard)
    st.text("\n".join(f"• {sentence}" for sentence in words.shortcut_advice(robustness)))
    with st.expander("As a table"):
        st.table(
            pd.DataFrame(words.shortcut_rows(robustness, results)), hide_index=True, border="horizontal",
            alt="Every detector's AUC beside that of classifiers without music",
        )  # fmt: skip
        st.dataframe(pd.DataFrame(words.fact_rows(robustness)), hide_index=True, alt="AUC of each fact by itself")


def new_sources(run: Run, results: Results, robustness: Robustness, model: Model) -> None:
    """Show what becomes of sources that were held out of the training."""
    st.header("Does it hold for a source it never heard?", anchor="sources")
    if robustness.leave_out is None:
        _not_measured(run, "leave_out", ", everything is trained once more without each source")
        return
    st.markdown(words.never_heard(robustness, model))
    if strict := robustness.leave_out.models[model.key].strict:
        st.page_link(
            "../pages/models.py", label="The test clips at the stricter threshold", icon=":material/monitoring:",
            query_params={"run": run.name, "model": model.key, "thr": f"{strict.threshold:.9g}"},
        )  # fmt: skip
    measure = st.segmented_control(
        "Figure", default=words.CALLED, required=True, label_visibility="collapsed",
        **address.choice("sources_by", words.SOURCES_BY),
    )  # fmt: skip
    for column, label in zip(st.columns(2, gap="large"), ("ai", "human"), strict=True):
        with column:
            _sources(robustness.leave_out, label, results, model, measure)
    st.caption(words.how_held_out(robustness, model))
    with st.expander("As a table: every detector"):
        st.dataframe(
            pd.DataFrame(words.source_rows(robustness.leave_out, results.models, measure)), hide_index=True,
            alt="For each source that was held out: every detector's figure with its interval",
        )  # fmt: skip


def changed_sound(run: Run, results: Results, robustness: Robustness, model: Model) -> None:
    """Show what re-encoding, noise and the like cost."""
    st.header("Does it hold after re-encoding?", anchor="changes")
    changes = robustness.changes
    if changes is None:
        _not_measured(run, "robustness", "")
        return
    st.markdown(words.after_changes(robustness, model))
    measure = st.segmented_control(
        "Figure", default=words.ERRORS, required=True, label_visibility="collapsed",
        **address.choice("changes_by", words.CHANGES_BY),
    )  # fmt: skip
    st.markdown(words.change_title(changes, model, measure))
    for column, lines in zip(st.columns(2, gap="large"), figures.halves(changes), strict=False):
        with column:
            _chart(
                figures.change_chart(changes, lines, results.models, model, measure),
                words.change_alt(changes, lines, model, measure),
            )
    st.caption(f"{words.change_key(measure)} {words.seen_changes(robustness)}")
    st.markdown("**Detectors compared** (unchanged → at worst)")
    st.dataframe(
        pd.DataFrame(words.detector_rows(changes, results.models)), hide_index=True,
        alt="For each detector: what the changes cost it at worst",
    )  # fmt: skip
    with st.expander(f"As a table: {model.name}, every change"):
        st.dataframe(
            pd.DataFrame(words.change_rows(changes, model)), hide_index=True,
            alt=f"AUC and both error rates of the {model.name} after every change, with intervals",
        )  # fmt: skip


def other_seeds(run: Run, results: Results, robustness: Robustness, model: Model) -> None:
    """Show how far the figures move when everything is trained again with other seeds."""
    st.header("How much is luck of the training?", anchor="seeds")
    if robustness.seeds is None:
        _not_measured(run, "seeds", ", everything is trained once more per seed")
        return
    st.markdown(words.luck(robustness, model))
    st.markdown(f"**AUC of every training** ({sentences.counted(robustness.seeds.n, 'test clip')}; square: mean)")
    _chart(figures.seed_chart(robustness.seeds, results.models, model), words.seed_alt(robustness, results.models))
    with st.expander("As a table"):
        st.table(
            pd.DataFrame(words.seed_rows(robustness, results.models)), hide_index=True, border="horizontal",
            alt="Mean, standard deviation and range of every detector over the trainings",
        )  # fmt: skip


def _facts(files: Shortcut, heard: Shortcut) -> None:
    told = files.facts[:FACTS_SHOWN]
    st.markdown(f"**AUC of each fact by itself** ({len(told)} of {len(files.facts)} facts, test clips)")
    _chart(figures.fact_chart(told, heard.facts), words.fact_alt(told, heard.facts))
    st.caption("Filled: of the files as stored. ×: of the sound as the detectors are given it.")


def _sources(leave_out: LeaveOut, label: str, results: Results, model: Model, measure: str) -> None:
    sources = words.ranked(leave_out.of(label), model, measure)
    st.markdown(f"**{theme.labelled(label)} sources: {words.measured(label, measure)}**")
    if sources:
        _chart(figures.source_chart(sources, results.models, model, measure), words.source_alt(sources, model, measure))
    else:
        st.caption("None was held out.")


def _chart(chart: Chart, alt: str) -> None:
    st.html(chart_html(chart, alt))


def _not_measured(run: Run, part: str, how: str) -> None:
    st.markdown(f"Not measured in this run. To measure it{how}:")
    st.code(words.command_for(run, part), language=None, wrap_lines=True)
