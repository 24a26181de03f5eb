"""One clip as every page shows it: to hear, to see, and what each detector said."""

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from core import palette
from core.artifacts import Run
from core.config import Config
from core.errors import DetectorError, printable
from core.storage import Array
from dashboard import components, selection
from dashboard.clip import figures
from dashboard.drawing import player, theme
from dashboard.drawing.pictures import overlay_png
from dashboard.drawing.theme import NBSP
from dashboard.reading import attention_maps, sound
from dashboard.reading.attention_maps import read_maps
from dashboard.reading.clips import read_row
from dashboard.reading.results import Results
from dashboard.sentences import SPLIT_NAMES, literal

ROW = 35  # pixels of a table's row; its title is as high
WIDE = {"tags": 200, "notes": 400}  # pixels of the columns that people write


def rows(clips: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Return clips as a table shows them: chosen columns with their titles, names as plain text, classes with marks.

    A clip goes by its file's name: its whole path, which may be long, stands above its player.
    """
    shown = clips[list(columns)].copy()
    classes = {label: f"{palette.SIGNS[label]} {theme.NAMES[label]}" for label in theme.NAMES}
    for name in {"path", "source", "song"} & set(columns):
        shown[name] = shown[name].map(file_name if name == "path" else printable)
    for name in columns:
        if name == "label" or name.startswith("call_"):
            shown[name] = shown[name].map(classes)
        elif name.startswith("right_"):
            shown[name] = shown[name].map({True: "✓ right", False: "✗ wrong"})
    return shown.rename(columns=columns)


def file_name(path: str) -> str:
    """Return the name of a clip's file, as plain text."""
    return printable(path.rsplit("/", 1)[-1])


def list_clips(clips: pd.DataFrame, columns: dict[str, str], key: str, alt: str, height: int = 320) -> None:
    """Show clips as a table; choosing a row selects its clip on every page.

    Parameters
    ----------
    columns : of `clips`, with the titles they are shown under.
    height : pixels at most; a table is no taller than its rows.
    """
    paths = clips["path"].tolist()
    key = f"{key}-{hash(tuple(paths)):x}"  # other rows are another table: a chosen row never means another clip

    def choose() -> None:
        path = selection.chosen(st.session_state[key].selection.rows, paths)
        if path:
            selection.select(path)

    st.dataframe(
        rows(clips, columns),
        column_config=_shown_otherwise(columns),
        key=key, on_select=choose, selection_mode="single-row", hide_index=True, lazy=False, alt=alt,
        height=min(height, ROW * (len(paths) + 1) + 3),
    )  # fmt: skip


def _shown_otherwise(columns: dict[str, str]) -> dict[str, ColumnConfig]:
    """Return how those columns are shown that are not shown as they come."""
    numbers = {
        title: st.column_config.NumberColumn(format="%.3f")
        for name, title in columns.items()
        if name.startswith(("p_", "weight_")) or name == "reconstruction_error"
    }
    return numbers | {columns[name]: st.column_config.TextColumn(width=WIDE[name]) for name in WIDE if name in columns}


def scores(clip: pd.Series, results: Results) -> pd.DataFrame:
    """Return what each detector said about a clip: score, threshold, verdict, right or wrong."""
    return pd.DataFrame(
        [
            {
                "Detector": model.name,
                "Score": f"{clip[f'p_{model.key}']:.3f}",
                "AI from": f"{model.threshold:.3g}",
                "Says": f"{palette.SIGNS[clip[f'call_{model.key}']]}{NBSP}{theme.NAMES[clip[f'call_{model.key}']]}",
                "": f"✓{NBSP}right" if clip[f"right_{model.key}"] else f"✗{NBSP}wrong",
            }
            for model in results.models
        ]
    )


def show(run: Run, clip: pd.Series, results: Results, key: str) -> None:
    """Show a clip: what it is, its sound over its spectrogram, and the detectors' verdicts.

    Parameters
    ----------
    clip : a row of `read_clip_table`.
    key : of the player, once per page.
    """
    hear(run, clip, key)
    verdicts(clip, results)


def hear(run: Run, clip: pd.Series, key: str) -> None:
    """Show what a clip is, and its sound over its spectrogram."""
    st.text(printable(clip["path"]))
    st.caption(facts(clip))
    if run.shipped:
        st.caption("The run that ships holds neither the sound of its clips nor pictures of it.")
        return
    try:
        _listen(run, clip, key)
    except DetectorError as error:  # what stands beside it is shown all the same
        components.show_error(error)


def verdicts(clip: pd.Series, results: Results) -> None:
    """Show what each detector said about a clip."""
    st.table(scores(clip, results), hide_index=True, border="horizontal", alt="What each detector said about the clip")


def facts(clip: pd.Series) -> str:
    """Say what a clip is, as Markdown."""
    split = SPLIT_NAMES[clip["split"]].lower()
    file = f"{clip['native_rate'] / 1000:g} kHz {clip['format']}, {clip['seconds']:.1f} s"
    return f"{theme.labelled(clip['label'])} · source {literal(clip['source'])} · {split} clip · {file}"


def _listen(run: Run, clip: pd.Series, key: str) -> None:
    """Show the player, or the picture alone where the sound cannot be had."""
    row, config = int(clip["row"]), run.read_description()[1]
    pictures = (run.log_mel, run.reconstructions)
    original, rebuilt = (read_row(run, path, row, "explain").astype(np.float32) for path in pictures)
    try:
        heard = sound.original(run, clip["path"])
    except DetectorError:
        _look(original, config)
        raise
    _play(run, row, config, heard, (original, rebuilt), key)


def _play(run: Run, row: int, config: Config, heard: sound.Sound, pictures: tuple[Array, Array], key: str) -> None:
    """Show the player; the reconstruction is made audible when it is asked for."""
    original, rebuilt = pictures
    attention = _attention(run, row, player.log_mel_axes(config, original.shape[1]), original.shape[1])

    def track(name: str, heard: sound.Sound, picture: Array, caption: str) -> player.Track:
        alt = f"Log-mel spectrogram of the clip, {name.lower()}"
        return player.log_mel_track(name, heard, picture, config, alt, caption=caption, overlay=attention)

    place = st.container()
    tracks = [track("Original", heard, original, "")]
    if st.toggle("Hear the reconstruction", key="hear-reconstruction", persist_state="session"):
        reconstruction = sound.reconstruction(run, row)
        louder = (
            f"{-reconstruction.level:.1f} dB quieter than that"
            if reconstruction.level < 0
            else f"{reconstruction.level:.1f} dB louder"
        )
        tracks = [
            track("Original", reconstruction.original, original, reconstruction.note),
            track(
                "Its mel-spectrogram",
                reconstruction.heard,
                original,
                "All that the models can hear, turned back to sound.",
            ),
            track(
                "Reconstruction", reconstruction.rebuilt, rebuilt, f"What the autoencoder keeps: {louder}, as it is."
            ),
        ]
    with place:
        player.player(tracks, key=f"player-{key}")


def _look(original: Array, config: Config) -> None:
    """Show the spectrogram of a clip that cannot be heard."""
    st.markdown("**Log-mel spectrogram** · dB below its maximum")
    said = f"Log-mel spectrogram of the clip: {-config.spectrogram.top_db:g} to 0 dB below its maximum"
    st.html(figures.spectrogram(original, config, said))


def _attention(run: Run, row: int, axes: player.Axes, frames: int) -> bytes:
    """Return a clip's attention as a layer over its log-mel, whose axes it is brought to; nothing where none was made.

    The encoder's own mel bands and frames differ from the log-mel's; between the centres of its patches, weights change
    evenly, and beyond the outermost they stay as they are.
    """
    maps = read_maps(run, "rollout")
    patches = None if maps is None else attention_maps.of_clip(maps, row)
    if maps is None or patches is None:
        return b""
    seconds = np.linspace(axes.start, axes.end, frames)
    over_time = np.array([np.interp(seconds, maps.seconds, line) for line in patches])  # (patch rows, frames)
    weights = np.array([np.interp(axes.hertz, maps.hertz, line) for line in over_time.T]).T  # (n_mels, frames)
    return overlay_png(np.maximum(weights - 1, 0))  # only what got more than its even share
