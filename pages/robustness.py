"""U8: is it the music or the file, does it hold for sources never heard, and after re-encoding (SPEC Q4-Q6)."""

import pandas as pd
import streamlit as st

from dashboard import address, components, selection, sentences
from dashboard.drawing import theme
from dashboard.drawing.row_charts import chart_html
from dashboard.reading import runs
from dashboard.reading.robustness import KNOWLEDGE, read_robustness
from dashboard.robustness import figures as robustness_figures
from dashboard.robustness import tables as robustness_tables
from dashboard.robustness import words as robustness_words

FACTS_SHOWN = 10

run = runs.current_run()
st.title("Robustness", anchor=False)
results, robustness = runs.results(run), read_robustness(run)
st.caption(
    f"Run {sentences.literal(run.name)} · [music or file](#file) · [new sources](#sources) · "
    f"[changed sound](#changes) · [seeds](#seeds) · whiskers and brackets: {results.confidence:.0%} intervals by song"
)
if runs.is_outdated(run):
    components.show_outdated(run)
model = selection.detector(results, width=320)

st.header("Is it the music or the file?", anchor="file")
if robustness.shortcuts is None:
    st.markdown("Not measured in this run. To measure it:")
    st.code(robustness_words.command(run, "shortcuts"), language=None, wrap_lines=True)
else:
    files, heard = (robustness.shortcuts[kind] for kind in KNOWLEDGE)
    told = files.facts[:FACTS_SHOWN]
    st.markdown(robustness_words.music_or_file(robustness, model))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**AUC with music and without** ({sentences.counted(files.n, 'test clip')}, 0.5 is a coin)")
        areas = {"No music: files": files.area, "No music: sound": heard.area}
        st.html(
            chart_html(
                robustness_figures.shortcut_chart(results.models, model, areas),
                robustness_tables.shortcut_alt(results, areas),
            )
        )
        st.caption("Filled: the chosen detector. ×: a classifier that is shown facts about files or sound, no music.")
    with right:
        st.markdown(f"**AUC of each fact by itself** ({len(told)} of {len(files.facts)} facts, test clips)")
        st.html(
            chart_html(robustness_figures.fact_chart(told, heard.facts), robustness_tables.fact_alt(told, heard.facts))
        )
        st.caption("Filled: of the files as stored. ×: of the sound as the detectors are given it.")
    st.text("\n".join(f"• {sentence}" for sentence in robustness_words.shortcut_advice(robustness)))
    with st.expander("As a table"):
        st.table(
            pd.DataFrame(robustness_tables.shortcut_rows(robustness, results)), hide_index=True, border="horizontal",
            alt="Every detector's AUC beside that of classifiers without music",
        )  # fmt: skip
        st.dataframe(
            pd.DataFrame(robustness_tables.fact_rows(robustness)), hide_index=True, alt="AUC of each fact by itself",
        )  # fmt: skip

st.header("Does it hold for a source it never heard?", anchor="sources")
if robustness.leave_out is None:
    st.markdown("Not measured in this run. To measure it, everything is trained once more without each source:")
    st.code(robustness_words.command(run, "leave_out"), language=None, wrap_lines=True)
else:
    st.markdown(robustness_words.never_heard(robustness, model))
    if strict := robustness.leave_out.models[model.key].strict:
        st.page_link(
            "../pages/models.py", label="The test clips at the stricter threshold", icon=":material/monitoring:",
            query_params={"run": run.name, "model": model.key, "thr": f"{strict.threshold:.9g}"},
        )  # fmt: skip
    measure = st.segmented_control(
        "Figure", default=robustness_words.CALLED, required=True, label_visibility="collapsed",
        **address.choice("sources_by", robustness_words.SOURCES_BY),
    )  # fmt: skip
    for column, label in zip(st.columns(2, gap="large"), ("ai", "human"), strict=True):
        sources = robustness_tables.ranked(robustness.leave_out.of(label), model, measure)
        with column:
            st.markdown(f"**{theme.labelled(label)} sources: {robustness_words.measured(label, measure)}**")
            if not sources:
                st.caption("None was held out.")
                continue
            st.html(
                chart_html(
                    robustness_figures.source_chart(sources, results.models, model, measure),
                    robustness_tables.source_alt(sources, model, measure),
                )
            )
    st.caption(robustness_words.how_held_out(robustness, model))
    with st.expander("As a table: every detector"):
        st.dataframe(
            pd.DataFrame(robustness_tables.source_rows(robustness.leave_out, results.models, measure)), hide_index=True,
            alt="For each source that was held out: every detector's figure with its interval",
        )  # fmt: skip

st.header("Does it hold after re-encoding?", anchor="changes")
if robustness.changes is None:
    st.markdown("Not measured in this run. To measure it:")
    st.code(robustness_words.command(run, "robustness"), language=None, wrap_lines=True)
else:
    found = robustness.changes
    st.markdown(robustness_words.after_changes(robustness, model))
    measure = st.segmented_control(
        "Figure", default=robustness_words.ERRORS, required=True, label_visibility="collapsed",
        **address.choice("changes_by", robustness_words.CHANGES_BY),
    )  # fmt: skip
    st.markdown(robustness_words.change_title(found, model, measure))
    for column, lines in zip(st.columns(2, gap="large"), robustness_figures.halves(found), strict=False):
        column.html(
            chart_html(
                robustness_figures.change_chart(found, lines, results.models, model, measure),
                robustness_tables.change_alt(found, lines, model, measure),
            )
        )
    st.caption(f"{robustness_words.change_key(measure)} {robustness_words.seen_changes(robustness)}")
    st.markdown("**Detectors compared** (unchanged → at worst)")
    st.dataframe(
        pd.DataFrame(robustness_tables.detector_rows(found, results.models)), hide_index=True,
        alt="For each detector: what the changes cost it at worst",
    )  # fmt: skip
    with st.expander(f"As a table: {model.name}, every change"):
        st.dataframe(
            pd.DataFrame(robustness_tables.change_rows(found, model)), hide_index=True,
            alt=f"AUC and both error rates of the {model.name} after every change, with intervals",
        )  # fmt: skip

st.header("How much is luck of the training?", anchor="seeds")
if robustness.seeds is None:
    st.markdown("Not measured in this run. To measure it, everything is trained once more per seed:")
    st.code(robustness_words.command(run, "seeds"), language=None, wrap_lines=True)
else:
    st.markdown(robustness_words.luck(robustness, model))
    st.markdown(f"**AUC of every training** ({sentences.counted(robustness.seeds.n, 'test clip')}; square: mean)")
    st.html(
        chart_html(
            robustness_figures.seed_chart(robustness.seeds, results.models, model),
            robustness_tables.seed_alt(robustness, results.models),
        )
    )
    with st.expander("As a table"):
        st.table(
            pd.DataFrame(robustness_tables.seed_rows(robustness, results.models)), hide_index=True, border="horizontal",
            alt="Mean, standard deviation and range of every detector over the trainings",
        )  # fmt: skip
