"""What a verdict says, in words: plain values in, sentences out. Page and HTML export share them."""

from core import palette
from core.artifacts import DETECTORS
from core.audio.source import WARNINGS
from core.errors import AudioError, printable
from core.verdict.answer import Call, Verdict, Window
from dashboard.drawing import theme
from dashboard.sentences import duration

SIGNS: dict[Call, str] = {**palette.SIGNS, "uncertain": "?", "out_of_scope": "–"}  # type: ignore[dict-item]
NAMES: dict[Call, str] = {"human": "Human", "ai": "AI", "uncertain": "Uncertain", "out_of_scope": "Out of scope"}
COLOURED: dict[Call, str] = {**theme.MARKS, "uncertain": "?", "out_of_scope": "–"}  # type: ignore[dict-item]


def marked(call: Call) -> str:
    """Return a call with its mark, as plain text: `● Human`."""
    return f"{SIGNS[call]} {NAMES[call]}"


def headline(verdict: Verdict) -> str:
    """Return the verdict in a few words."""
    return {
        "human": "This sounds like human music",
        "ai": "This sounds AI-generated",
        "uncertain": "Uncertain: it could be either",
        "out_of_scope": "Out of scope: no verdict",
    }[verdict.call]


def meaning(verdict: Verdict) -> str:
    """Say what the verdict rests on."""
    decider = DETECTORS[verdict.detector]
    said = f"Probability of AI {share(verdict.probability)}, calibrated, from the {decider} detector"
    if verdict.call == "out_of_scope":
        audible = sum(bool(window.probabilities) for window in verdict.windows)
        return (
            f"No call is made, because {verdict.scope.reason} ({verdict.scope.windows} of {audible} audible windows)."
        )
    if verdict.call == "uncertain":
        return f"{said}: between the two limits within which no call is made."
    return f"{said}."


def share(probability: float) -> str:
    """Return a probability so that it never reads as certainty; `<` and `>` would be Markdown in a table."""
    if probability < 0.01:
        return "below 1%"
    return "over 99%" if probability > 0.99 else f"{probability:.1%}"


def facts(verdict: Verdict) -> str:
    """Say what the file is and how much of it was judged."""
    channels = {1: "mono", 2: "stereo"}.get(verdict.channels, f"{verdict.channels} channels")
    sound = f"{verdict.format}, {verdict.native_rate / 1000:g} kHz, {channels}, {duration(verdict.seconds)}"
    return f"{sound}; {judged(verdict)}"


def judged(verdict: Verdict) -> str:
    """Say how many of the windows count, and why the others do not."""
    windows = f"{len(verdict.windows)} windows" if len(verdict.windows) > 1 else "1 window"
    silent = sum(not window.probabilities for window in verdict.windows)
    left = {"silent": silent, "out of scope": verdict.scope.windows}
    reasons = ", ".join(f"{count} {reason}" for reason, count in left.items() if count)
    return f"{verdict.counted} of {windows} judged, {reasons}" if reasons else f"judged in {windows}"


def warnings(verdict: Verdict) -> list[str]:
    """Say what is odd about the file."""
    return [WARNINGS[name] for name in verdict.warnings]


def refused(error: AudioError) -> str:
    """Say in one sentence why there is no verdict, as plain text."""
    return f"{printable(error.path, 80)} {error.problem}. {error.remedy}."


def detector_rows(verdict: Verdict) -> list[dict[str, str]]:
    """Return what each detector says of the whole file; the one that decides is marked."""
    return [
        {
            "Detector": DETECTORS[name] + (" (decides)" if name == verdict.detector else ""),
            "Probability of AI": "–" if answer.call == "out_of_scope" else share(answer.probability),
            "Says": marked(answer.call),
        }
        for name, answer in verdict.by_detector.items()
    ]


def span(window: Window) -> str:
    """Return when a window is: `0:05 to 0:10`."""
    return f"{clock(window.start)} to {clock(window.end)}"


def clock(seconds: float) -> str:
    """Return a time as players show it; half seconds as such."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}" if rest % 1 >= 0.05 else f"{int(minutes)}:{int(rest):02d}"


def timeline_alt(verdict: Verdict) -> str:
    """Say what the timeline shows, for those who do not see it."""
    counted = [window.calibrated[verdict.detector] for window in verdict.windows if window.counts]
    low, high = min(counted, default=0), max(counted, default=0)
    return (
        f"Probability of AI by window and detector: {len(counted)} of {len(verdict.windows)} windows count; the "
        f"{DETECTORS[verdict.detector]} detector goes from {share(low)} to {share(high)}"
    )
