"""The sections of the attention page: a fusion over the test clips, the encoder on average, and one clip ."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.artifacts import Run
from core.errors import printable
from core.storage import Array
from dashboard import address, components, selection
from dashboard.attention import figures, words
from dashboard.clip import view
from dashboard.clip import view as clip_view
from dashboard.drawing import theme
from dashboard.drawing.row_charts import chart_html
from dashboard.reading import attention_maps, clips
from dashboard.reading.attention import BRANCHES, Attention, Fusion, chosen_path, disagreeing, effects, read_correlation
from dashboard.reading.attention_maps import METHODS, SCALES, Maps, read_maps
from dashboard.reading.clips import read_row
from dashboard.reading.results import Results
from dashboard.sentences import literal

UNDECIDED = {
    "label": "Class", "weight_autoencoder": "Weight", "p_hybrid": "Score", "right_hybrid": "Verdict", "path": "Clip",
}  # fmt: skip


# The page's views


def hybrid(
    run: Run, attention: Attention, every: pd.DataFrame, clips_with_branches: pd.DataFrame, confidence: float
) -> None:
    """Show the fusion of two branches: one weight says all, so that weight and effect stand beside each other."""
    fusion, test = attention.fusions["hybrid"], clips.of_split(clips_with_branches, "test")
    _weight_and_effect(fusion, test)
    left, right = st.columns(2, gap="large")
    with left:
        _weights(attention, "hybrid", test)
    with right:
        _removal(fusion)
    _removal_table(fusion)
    left, right = st.columns(2, gap="large")
    with left:
        _effect(run, fusion, test, confidence)
    with right:
        _undecided(attention, every, test)
        _against(fusion)


def three_way(attention: Attention, clips_with_branches: pd.DataFrame) -> None:
    """Show the fusion of three branches."""
    fusion, test = attention.fusions["three_way"], clips.of_split(clips_with_branches, "test")
    _weight_and_effect(fusion, test)
    left, right = st.columns(2, gap="large")
    with left:
        _weights(attention, "three_way", test)
    with right:
        _removal(fusion)
        _against(fusion)
    _removal_table(fusion)


def transformer(run: Run, row: int, every: pd.DataFrame, results: Results) -> None:
    """Show where the transformer looked in one clip, and on average by both methods."""
    st.text(words.whose_attention(results.encoder))
    maps_by_method = {method: read_maps(run, method) for method in METHODS}
    maps = {method: maps for method, maps in maps_by_method.items() if maps is not None and len(maps.rows)}
    if len(maps) < len(METHODS):
        _no_maps(run, results)
        return
    _clip_map(run, row, every, maps)
    for method, title in METHODS.items():
        st.markdown(f"**{title}** · mean attention of the test clips, in multiples of the even share")
        _average(run, maps[method], method, clips.of_split(every, "test"))


def in_words(attention: Attention) -> None:
    """Show the evaluation's own sentences, which hold the user's words: plain text."""
    for sentence in attention.sentences:
        st.text(sentence)


def one_clip(
    run: Run, results: Results, attention: Attention, with_branches: Mapping[str, pd.DataFrame], row: int, why: str
) -> None:
    """Show a clip: what removing each branch of either fusion does to its score, its sound and its verdicts.

    Parameters
    ----------
    with_branches : the clips, by fusion.
    why : this clip is shown.
    """
    clip = with_branches["hybrid"].iloc[row]
    st.header("One clip", anchor=False)
    st.caption(f"{why}: {literal(clip['path'])}")
    st.text(clips.sentence(clip, selection.detector_chosen(results)))
    for column, (name, fusion) in zip(st.columns(2, gap="large"), attention.fusions.items(), strict=True):
        with column:
            _removed_from(with_branches[name].iloc[row], fusion)
    clip_view.show(run, clip, results, "attention-clip")
    if not run.shipped:  # which has no player
        st.caption(
            "The player's overlay is the transformer's attention; the view *Transformer* shows it with its numbers."
        )


# A fusion over the test clips


def _weight_and_effect(fusion: Fusion, test: pd.DataFrame) -> None:
    """Say where weight and effect agree and where they do not, class by class."""
    moved = effects(test, fusion.branches)
    said = [
        *(words.looked_and_decided(fusion, label, moved[label]) for label in theme.NAMES),
        words.disagreement(disagreeing(test), len(test), len(fusion.branches)),
        words.verdicts_changed(fusion),
    ]
    with st.container(border=True):
        st.markdown("\n".join([f"{words.WORTH_SAYING}\n", *(f"- {sentence}" for sentence in said)]))


def _weights(attention: Attention, key: str, test: pd.DataFrame) -> None:
    """Show every test clip's weight and the means; choosing a mark selects its clip."""
    fusion = attention.fusions[key]
    two = len(fusion.branches) == 2
    shown = fusion.branches[:1] if two else fusion.branches
    title = f"Weight of the {BRANCHES[shown[0]]}" if two else "Weight of each branch"
    st.markdown(f"**{title}** · {len(test):,} test clips")
    _selectable(
        figures.weights_chart(test, fusion, shown, attention.within if two else 0.0),
        f"weights-{key}", test, words.weights_alt(attention, key),
    )  # fmt: skip
    rest = f"The {BRANCHES[fusion.branches[1]]} has the rest. " if two else "The weights of a clip add up to 1. "
    band = f"Grey band: undecided, within ±{attention.within:g} of one half. " if two else ""
    st.caption(f"{rest}{band}Dotted: all branches alike. Large marks: class means, 95% intervals over songs.")


def _removal(fusion: Fusion) -> None:
    """Show what the fusion does without each branch."""
    st.markdown(f"**{fusion.model.name} with a branch removed** · {fusion.model.n:,} test clips")
    st.html(chart_html(figures.removal_chart(fusion), words.removal_alt(fusion)))
    st.caption(
        "Removed: the training clips' mean takes the branch's place, so that it says the same of every clip. "
        f"The threshold ({fusion.model.threshold:.3g}) stays."
    )


def _removal_table(fusion: Fusion) -> None:
    """Show the figures behind `removal`."""
    st.table(
        pd.DataFrame(words.removal_rows(fusion)), hide_index=True, border="horizontal",
        alt=f"The {fusion.model.name} on the test clips, whole and without each branch",
    )  # fmt: skip


def _effect(run: Run, fusion: Fusion, test: pd.DataFrame, confidence: float) -> None:
    """Show each test clip's weight of a branch against what its removal does; choosing a mark selects its clip."""
    key = fusion.model.key
    branch = _choice("Removed branch", {name: BRANCHES[name].capitalize() for name in fusion.branches}, "removed")
    st.markdown(f"**Weight against effect, {BRANCHES[branch]}** · {len(test):,} test clips")
    said = words.correlated(read_correlation(run, key, branch), branch, confidence)
    _selectable(figures.effect_chart(test, branch), f"effect-{key}-{branch}", test, said)
    st.caption(
        f"{said} Below 0: without the {BRANCHES[branch]} the clip sounds more human to the {fusion.model.name}; "
        "above 0, more like AI. Choose a mark to hear its clip below."
    )


def _against(fusion: Fusion) -> None:
    """Show what the fusion gains over others on the same clips."""
    st.table(
        pd.DataFrame(words.against_rows(fusion)), hide_index=True, border="horizontal",
        alt=f"{fusion.model.name} beside others: differences on the same test clips",
    )  # fmt: skip
    st.caption("Differences on the same test clips with 95% intervals over songs; p from swapping whole songs.")


def _undecided(attention: Attention, every: pd.DataFrame, test: pd.DataFrame) -> None:
    """List the clips that attend to neither branch more; choosing a row selects its clip."""
    undecided_clips = every[every["path"].isin(attention.undecided)]
    undecided_clips = undecided_clips.loc[
        (undecided_clips["weight_autoencoder"] - 0.5).abs().sort_values(kind="stable").index
    ]
    st.markdown(f"**Undecided clips** · {len(undecided_clips):,} of {len(test):,} test clips, least decided first")
    if len(undecided_clips):
        said = words.right_about(undecided_clips, test)
        view.list_clips(
            undecided_clips, UNDECIDED, "undecided", f"{len(undecided_clips)} clips with weights near one half. {said}"
        )
        st.caption(said)


def _selectable(figure: object, key: str, every: pd.DataFrame, alt: str) -> None:
    """Show a chart whose marks stand for clips. The figure holds no selection: a changed figure would lose its own."""

    def choose() -> None:
        path = chosen_path(st.session_state[key].selection.points, every)
        if path:
            selection.select(path)

    st.plotly_chart(
        figure, config=theme.CHART_CONFIG, key=key, on_select=choose, selection_mode="points", alt=alt
    )  # fmt: skip


# Where the transformer looked


def _average(run: Run, maps: Maps, method: str, test: pd.DataFrame) -> None:
    average, config = attention_maps.mean_maps(maps, test), run.read_description()[1]
    if average is None:
        st.caption("No mean maps: there are none of test clips of both classes.")
        return
    size = config.audio.seconds, config.spectrogram.n_mels, config.audio.sample_rate
    high = max(float(mean.max()) for mean in average.mean.values())
    human, ai, apart = st.columns(3)
    for column, label in ((human, "human"), (ai, "ai")):
        with column:
            st.markdown(f"**Mean map** {words.mean_title(average, label)}")
            st.plotly_chart(
                figures.mean_chart(average.mean[label], maps, *size, high), config=theme.CHART_CONFIG,
                key=f"mean-{method}-{label}", alt=words.mean_alt(average, label),
            )  # fmt: skip
    with apart:
        st.markdown("**Human less AI**")
        st.plotly_chart(
            figures.difference_chart(average.difference, maps, *size), config=theme.CHART_CONFIG,
            key=f"mean-{method}-difference", alt=f"Difference of the mean maps. {words.striking(average)}",
        )  # fmt: skip
    st.caption(f"{words.what_it_follows(method)} {words.striking(average)}")


# One clip


def _removed_from(clip: pd.Series, fusion: Fusion) -> None:
    """Show what removing each branch does to one clip's score."""
    st.markdown(f"**{fusion.model.name}** · this clip with a branch removed")
    st.html(chart_html(figures.clip_chart(clip, fusion), words.of_clip(clip, fusion)))
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
    weights = attention_maps.of_clip(maps[method], row)
    if weights is None:
        said = words.maps_made(maps[method], every)
        st.info(f"No map was made for this clip. {said}", icon=":material/info:")
        return
    _map(run, row, maps[method], weights, scale)
    st.caption(
        f"{words.what_it_follows(method)} {words.concentration(attention_maps.held_by_tenth(weights))} "
        f"{words.maps_made(maps[method], every)}{words.common(scale)}"
    )


def _choice(label: str, choices: dict[str, str], key: str) -> str:
    """Let the reader choose one of a few; the address keeps it."""
    chosen: str = st.segmented_control(
        label, default=next(iter(choices)), required=True, persist_state="session", **address.choice(key, choices)
    )
    return chosen


def _map(run: Run, row: int, maps: Maps, weights: Array, scale: str) -> None:
    audio = run.read_description()[1].audio
    decibels = read_row(run, run.log_mel, row, "explain")
    second = attention_maps.most_attended(weights, maps.seconds, audio.seconds)
    figure = figures.map_chart(
        decibels, weights, maps, attention_maps.scaled(maps, weights, scale), second, audio.seconds, audio.sample_rate
    )
    said = words.map_alt(second, attention_maps.peak(weights, maps))
    st.plotly_chart(figure, config=theme.CHART_CONFIG, key="map", alt=said)
    st.text(words.stretch(second))


def _no_maps(run: Run, results: Results) -> None:
    """Say why there are no maps and what makes them."""
    if results.encoder.kind == "cnn-fallback":
        st.text("A CNN has no attention to show.")
    else:
        components.show_error(attention_maps.missing(run))
