"""Detect's parts on the page: what was given, the verdict first, the song over time, what may be kept."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core import palette
from core.artifacts import DETECTORS, Run
from core.audio.containers import ACCEPTED, SUFFIXES
from core.audio.upload import MAX_BYTES
from core.config import Config
from core.errors import AudioError, DetectorError, printable
from core.storage import stored
from core.verdict.answer import Verdict, Window
from dashboard import components, selection
from dashboard.detect import export, figures, models, near, session, words
from dashboard.detect.models import Answer, Refused
from dashboard.detect.session import WINDOW, Given
from dashboard.drawing import player, theme
from dashboard.reading import runs
from dashboard.sentences import when

RECORDED_RATE = 44_100  # Hz; at Streamlit's 16 kHz what lies above 8 kHz is gone before anything looks at it
TYPES = sorted(suffix[1:] for suffix in SUFFIXES)


# Giving a sound


def choose(run: Run) -> None:
    """Offer the three ways to give a sound."""
    turn = session.turn()
    upload, record, example = st.tabs(["Upload", "Record", "Example"])
    with upload:
        st.file_uploader(
            f"A {ACCEPTED} file of up to {MAX_BYTES / 2**20:.0f} MB and one hour", type=TYPES,
            max_upload_size=MAX_BYTES // 2**20, key=f"detect-upload-{turn}", on_change=session.take,
            args=(f"detect-upload-{turn}",),
        )  # fmt: skip
    with record:
        st.audio_input(
            "Hold the microphone to the music, for 10 seconds or more", sample_rate=RECORDED_RATE,
            key=f"detect-record-{turn}", on_change=session.take, args=(f"detect-record-{turn}",),
        )  # fmt: skip
        st.caption(
            "A room and a microphone change the sound: a recording is a weaker hint than the file itself. Where there "
            "is no microphone, or the browser may not use it, recording ends in an error: upload a file instead."
        )
    with example:
        _examples(run)
    st.caption("Your sound stays in this session: nobody else sees it, and it is not kept.")


def _examples(run: Run) -> None:
    """Offer clips of the run: the selected one, and a test clip of each class."""
    clips = near.clips_of(run)
    root = Path(run.read_description()[0]["root"])
    offered = {
        title: path for title, path in examples(clips, selection.path()).items() if (root / stored(path)).is_file()
    }
    if not offered:
        st.caption("This run came without the sound of its clips: give it a sound of your own.")
        return
    st.caption("Clips of this run; test clips, which no detector had met, where nothing else is said.")
    with st.container(horizontal=True):
        for title, path in offered.items():
            if st.button(title, key=f"detect-example-{title}", icon=":material/play_circle:"):
                _take_clip(run, path)


def _take_clip(run: Run, path: str) -> None:
    try:
        session.take_clip(run, path)
    except DetectorError as error:  # the run came without its clips: a file of one's own can be judged all the same
        components.show_error(error)


def examples(clips: pd.DataFrame, selected: str) -> dict[str, str]:
    """Return the paths of example clips by what their buttons say."""
    test = clips[clips["split"] == "test"]
    classes = {f"{palette.SIGNS[label]} {theme.NAMES[label]}": test[test["label"] == label] for label in theme.NAMES}
    paths = {title: str(part["path"].iloc[0]) for title, part in classes.items() if len(part)}
    if selected in set(clips["path"]):
        paths["The selected clip"] = selected
    return paths


def given(sound: Given) -> None:
    """Say what is being judged, with the way to be rid of it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(printable(sound.name, 80))
        st.button("Forget this file", on_click=session.forget, icon=":material/delete:", key="detect-forget")


def ask(run: Run, sound: Given) -> Answer | Refused:
    """Judge a sound, saying how far it is."""
    place = st.empty()

    def say(share: float) -> None:
        place.progress(min(max(share, 0.0), 1.0), "Listening …" if share > 0.25 else "Decoding …")

    answer = models.answer(run, sound, say)
    place.empty()
    return answer


def refused(error: AudioError) -> None:
    """Say why there is no verdict."""
    with st.container(border=True):
        st.markdown(":material/info: **No verdict: this file cannot be judged**")
        st.text(words.refused(error))


# The verdict


def verdict(run: Run, verdict: Verdict) -> None:
    """Show the verdict first, in words, and under it what it may not be used for."""
    with st.container(border=True):
        st.header(f"{words.COLOURED[verdict.call]} {words.headline(verdict)}", anchor=False)
        st.markdown(words.meaning(verdict))
        st.caption(words.facts(verdict))
        for warning in words.warnings(verdict):
            st.caption(f":material/warning: {warning[0].upper()}{warning[1:]}.")
        if runs.is_demo(run):
            st.caption("The models were trained on made-up clips: what they say about real music means nothing.")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**What every detector says**")
        st.table(
            pd.DataFrame(words.detector_rows(verdict)), hide_index=True, border="horizontal",
            alt="Each detector's calibrated probability of AI and what it says of the whole file",
        )  # fmt: skip
    with right:
        st.markdown("**What it may not be used for**")
        for limit in verdict.limits:
            st.text(limit)
    with st.expander("How the call is made"):
        st.text(verdict.rule)
        st.text(
            f"Run {printable(verdict.run.name)}, evaluated {when(verdict.run.evaluated).strip('`')}, "
            f"fingerprint {verdict.run.fingerprint}"
        )


def downloads(verdict: Verdict) -> None:
    """Offer the verdict as files; they are named after the sound's hash, not after the file."""
    name = f"verdict-{verdict.sha256[:12]}"
    with st.container(horizontal=True):
        st.download_button(
            "JSON", lambda: export.as_json(verdict), f"{name}.json", "application/json", on_click="ignore",
            icon=":material/download:", key="detect-json",
        )  # fmt: skip
        st.download_button(
            "HTML", lambda: export.as_html(verdict), f"{name}.html", "text/html", on_click="ignore",
            icon=":material/download:", key="detect-html",
        )  # fmt: skip


# Over time


def song(answer: Answer, config: Config) -> None:
    """Show the player of the whole song."""
    portrait = answer.portrait
    alt = f"Log-mel spectrogram of the whole file, {portrait.seconds:.0f} s"
    track = player.log_mel_track(
        "Song", answer.sound, portrait.log_mel, config, alt, seconds=portrait.seconds, outline=portrait.outline
    )
    player.player([track], key="detect-song")


def timeline(answer: Answer) -> Window:
    """Show the detectors over time and return the window that is chosen there."""
    windows = answer.verdict.windows
    places = list(range(len(windows)))
    if st.session_state.get(WINDOW) not in places:
        st.session_state[WINDOW] = most_telling(answer.verdict)

    def choose() -> None:
        points = st.session_state["detect-timeline"].selection.points
        chosen = [point.get("customdata") for point in points]
        chosen = [place[0] if isinstance(place, (list, tuple)) else place for place in chosen]
        if chosen and chosen[0] in places:
            st.session_state[WINDOW] = int(chosen[0])

    st.plotly_chart(
        figures.timeline(answer.verdict, answer.calls, *answer.band, st.session_state[WINDOW]),
        config=theme.CHART_CONFIG, key="detect-timeline", on_select=choose, selection_mode="points",
        alt=words.timeline_alt(answer.verdict),
    )  # fmt: skip
    st.caption(
        f"Above: the {DETECTORS[answer.verdict.detector]} detector, which decides; between the dotted lines it makes "
        "no call. Below: all six; blue is human (●), red AI (◆), ? uncertain. Gaps do not count. Marked: the window "
        "below."
    )
    if len(places) > 1:
        st.select_slider(
            "Window to look into", places, key=WINDOW, format_func=lambda place: words.span(windows[place])
        )
    return windows[int(st.session_state[WINDOW])]


def most_telling(verdict: Verdict) -> int:
    """Return the window in which the deciding detector is furthest from one half; the first where none counts."""
    apart = [abs(window.calibrated[verdict.detector] - 0.5) if window.counts else 0 for window in verdict.windows]
    return max(range(len(apart)), key=apart.__getitem__)
