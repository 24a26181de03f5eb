"""The sections of the attention page: a fusion over the test clips, the encoder on average, and one clip (SPEC U7)."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.artifacts import Run
from core.errors import printable
from core.storage import Array
from dashboard import address, components, selection
from dashboard.attention import figures as attention_figures
from dashboard.attention import words
from dashboard.clip import view as clip_view
from dashboard.drawing import theme
from dashboard.drawing.row_charts import chart_html
from dashboard.reading import attention, attention_maps, clips
from dashboard.reading.attention import BRANCHES, Attention, Fusion
from dashboard.reading.attention_maps import METHODS, SCALES, Maps, read_maps
from dashboard.reading.results import Results

UNDECIDED = {
    "label": "Class", "weight_autoencoder": "Weight", "p_hybrid": "Score", "right_hybrid": "Verdict", "path": "Clip",
}  # fmt: skip


# A fusion over the test clips


def weight_and_effect(fusion: Fusion, test: pd.DataFrame) -> None:
    """Say where weight and effect agree and where they do not, class by class."""
    moved = attention.effects(test, fusion.branches)
    said = [
        *(words.looked_and_decided(fusion, label, moved[label]) for label in theme.NAMES),
        words.disagreement(attention.disagreeing(test), len(test), len(fusion.branches)),
        words.verdicts_changed(fusion),
    ]
    with st.container(border=True):
        st.markdown("\n".join([f"{words.WORTH_SAYING}\n", *(f"- {sentence}" for sentence in said)]))


def weights(found: Attention, key: str, test: pd.DataFrame) -> None:
    """Show every test clip's weight and the means; choosing a mark selects its clip."""
    fusion = found.fusions[key]
    two = len(fusion.branches) == 2
    shown = fusion.branches[:1] if two else fusion.branches
    title = f"Weight of the {BRANCHES[shown[0]]}" if two else "Weight of each branch"
    st.markdown(f"**{title}** · {len(test):,} test clips")
    _selectable(
        attention_figures.weights_chart(test, fusion, shown, found.within if two else 0.0),
        f"weights-{key}", test, words.weights_alt(found, key),
    )  # fmt: skip
    rest = f"The {BRANCHES[fusion.branches[1]]} has the rest. " if two else "The weights of a clip add up to 1. "
    band = f"Grey band: undecided, within ±{found.within:g} of one half. " if two else ""
    st.caption(f"{rest}{band}Dotted: all branches alike. Large marks: class means, 95% intervals over songs.")


def removal(fusion: Fusion) -> None:
    """Show what the fusion does without each branch."""
    st.markdown(f"**{fusion.model.name} with a branch removed** · {fusion.model.n:,} test clips")
    st.html(chart_html(attention_figures.removal_chart(fusion), words.removal_alt(fusion)))
    st.caption(
        "Removed: the training clips' mean takes the branch's place, so that it says the same of every clip. "
        f"The threshold ({fusion.model.threshold:.3g}) stays."
    )


def removal_table(fusion: Fusion) -> None:
    """Show the figures behind `removal`."""
    st.table(
        pd.DataFrame(words.removal_rows(fusion)), hide_index=True, border="horizontal",
        alt=f"The {fusion.model.name} on the test clips, whole and without each branch",
    )  # fmt: skip


def effect(fusion: Fusion, test: pd.DataFrame, confidence: float) -> None:
    """Show each test clip's weight of a branch against what its removal does; choosing a mark selects its clip."""
    key = fusion.model.key
    branch = _choice("Removed branch", {name: BRANCHES[name].capitalize() for name in fusion.branches}, "removed")
    st.markdown(f"**Weight against effect, {BRANCHES[branch]}** · {len(test):,} test clips")
    said = words.correlated(attention.correlation(test, branch, confidence), branch, confidence)
    _selectable(attention_figures.effect_chart(test, branch), f"effect-{key}-{branch}", test, said)
    st.caption(
        f"{said} Below 0: without the {BRANCHES[branch]} the clip sounds more human to the {fusion.model.name}; "
        "above 0, more like AI. Choose a mark to hear its clip below."
    )


def against(fusion: Fusion) -> None:
    """Show what the fusion gains over others on the same clips."""
    st.table(
        pd.DataFrame(words.against_rows(fusion)), hide_index=True, border="horizontal",
        alt=f"{fusion.model.name} beside others: differences on the same test clips",
    )  # fmt: skip
    st.caption("Differences on the same test clips with 95% intervals over songs; p from swapping whole songs.")


def undecided(found: Attention, every: pd.DataFrame, test: pd.DataFrame) -> None:
    """List the clips that attend to neither branch more; choosing a row selects its clip."""
    own = every[every["path"].isin(found.undecided)]
    own = own.loc[(own["weight_autoencoder"] - 0.5).abs().sort_values(kind="stable").index]
    st.markdown(f"**Undecided clips** · {len(own):,} of {len(test):,} test clips, least decided first")
    if len(own):
        said = words.right_about(own, test)
        clip_view.table(own, UNDECIDED, "undecided", f"{len(own)} clips with weights near one half. {said}")
        st.caption(said)


def _selectable(figure: object, key: str, every: pd.DataFrame, alt: str) -> None:
    """Show a chart whose marks stand for clips. The figure holds no selection: a changed figure would lose its own."""

    def choose() -> None:
        path = attention.chosen_path(st.session_state[key].selection.points, every)
        if path:
            selection.select(path)

    st.plotly_chart(
        figure, config=theme.CHART_CONFIG, key=key, on_select=choose, selection_mode="points", alt=alt
    )  # fmt: skip


# Where the transformer looked


def transformer(run: Run, row: int, every: pd.DataFrame, results: Results) -> None:
    """Show where the transformer looked in one clip, and on average by both methods."""
    st.text(attention_maps.by_whom(results.encoder))
    found = {method: read_maps(run, method) for method in METHODS}
    maps = {method: one for method, one in found.items() if one is not None and len(one.rows)}
    if len(maps) < len(METHODS):
        _no_maps(run, results)
        return
    _clip_map(run, row, every, maps)
    for method, title in METHODS.items():
        st.markdown(f"**{title}** · mean attention of the test clips, in multiples of the even share")
        _average(run, maps[method], method, clips.of_split(every, "test"))


def _average(run: Run, maps: Maps, method: str, test: pd.DataFrame) -> None:
    found, config = attention_maps.mean_maps(maps, test), run.read_description()[1]
    if found is None:
        st.caption("No mean maps: there are none of test clips of both classes.")
        return
    size = config.audio.seconds, config.spectrogram.n_mels, config.audio.sample_rate
    high = max(float(mean.max()) for mean in found.mean.values())
    human, ai, apart = st.columns(3)
    for column, label in ((human, "human"), (ai, "ai")):
        with column:
            st.markdown(f"**Mean map** {words.mean_title(found, label)}")
            st.plotly_chart(
                attention_figures.mean_chart(found.mean[label], maps, *size, high), config=theme.CHART_CONFIG,
                key=f"mean-{method}-{label}", alt=words.mean_alt(found, label),
            )  # fmt: skip
    with apart:
        st.markdown("**Human less AI**")
        st.plotly_chart(
            attention_figures.difference_chart(found.difference, maps, *size), config=theme.CHART_CONFIG,
            key=f"mean-{method}-difference", alt=f"Difference of the mean maps. {words.striking(found)}",
        )  # fmt: skip
    st.caption(f"{attention_maps.how(method)} {words.striking(found)}")


# One clip


def removed_from(clip: pd.Series, fusion: Fusion) -> None:
    """Show what removing each branch does to one clip's score."""
    st.markdown(f"**{fusion.model.name}** · this clip with a branch removed")
    st.html(chart_html(attention_figures.clip_chart(clip, fusion), words.of_clip(clip, fusion)))
    st.table(
        pd.DataFrame(words.clip_rows(clip, fusion)), hide_index=True, border="horizontal",
        alt=f"The {fusion.model.name}'s score of this clip with all branches and without each",
    )  # fmt: skip
    st.caption(words.of_clip(clip, fusion))


def _clip_map(run: Run, row: int, every: pd.DataFrame, maps: Mapping[str, Maps]) -> None:
    """Lay the encoder's attention over a clip's spectrogram, the way the reader chooses."""
    st.markdown("**Where the transformer looked in this clip** · its attention over the log-mel spectrogram")
    st.text(printable(every["path"].iloc[row]))
    with st.container(horizontal=True, gap="medium"):
        method = _choice("Attention of", METHODS, "method")
        scale = _choice("Colours made for", SCALES, "scale")
    own = attention_maps.of_clip(maps[method], row)
    if own is None:
        said = attention_maps.made_for(maps[method], every)
        st.info(f"No map was made for this clip. {said}", icon=":material/info:")
        return
    _map(run, row, maps[method], own, scale)
    st.caption(
        f"{attention_maps.how(method)} {words.concentration(attention_maps.held_by_tenth(own))} "
        f"{attention_maps.made_for(maps[method], every)}{words.common(scale)}"
    )


def _choice(label: str, choices: dict[str, str], key: str) -> str:
    """Let the reader choose one of a few; the address keeps it."""
    chosen: str = st.segmented_control(
        label, default=next(iter(choices)), required=True, persist_state="session", **address.choice(key, choices)
    )
    return chosen


def _map(run: Run, row: int, maps: Maps, own: Array, scale: str) -> None:
    audio = run.read_description()[1].audio
    decibels = clips.array(run, run.log_mel, row, "explain")
    second = attention_maps.most_attended(own, maps.seconds, audio.seconds)
    figure = attention_figures.map_chart(
        decibels, own, maps, attention_maps.scaled(maps, own, scale), second, audio.seconds, audio.sample_rate
    )
    said = words.map_alt(second, attention_maps.peak(own, maps))
    st.plotly_chart(figure, config=theme.CHART_CONFIG, key="map", alt=said)
    st.text(words.stretch(second))


def _no_maps(run: Run, results: Results) -> None:
    """Say why there are no maps and what makes them."""
    if results.encoder.kind == "cnn-fallback":
        st.text("A CNN has no attention to show.")
    else:
        components.show_error(attention_maps.missing(run))
