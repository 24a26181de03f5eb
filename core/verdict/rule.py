"""How a song's windows become one call, read from a run's results; and the sentences that say so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import storage
from core.artifacts import DETECTORS, Run
from core.errors import ArtifactError, printable
from core.metrics.calibration import Band, apply_temperature
from core.metrics.intervals import TOO_FEW
from core.metrics.songs import song_score, voting
from core.verdict.answer import Call, ScopeAnswer
from core.verdict.scope import Scope, ScopeResult

Results = Mapping[str, Any]


@dataclass(frozen=True)
class SongRule:
    """One detector's way from windows to a call, chosen on validation songs."""

    temperature: float
    band: Band  # calibrated probabilities without a call
    val_songs: int
    test_songs: int
    test_decided: int
    test_wrong: int  # of those decided
    unheard_songs: int = 0  # of human sources held out in turn, which had a say in the upper limit

    def calibrated(self, probabilities: Sequence[float]) -> list[float]:
        """Return each window's probability after the temperature."""
        return [float(p) for p in apply_temperature(probabilities, self.temperature)]

    def song(self, probabilities: Sequence[float]) -> float:
        """Return the song's score: the mean of its windows' log-odds over the temperature, as a probability."""
        return song_score(probabilities, self.temperature)

    def call(self, probability: float) -> Call:
        """Say what a song of this score is called."""
        if self.band.low <= probability < self.band.high:
            return "uncertain"
        return "ai" if probability >= self.band.high else "human"


@dataclass(frozen=True)
class Rule:
    """The rule of a run."""

    detector: str  # the one that decides
    max_error: float  # on validation songs
    max_accused: float  # of the songs from human sources never heard
    hop_seconds: float
    max_outside: float  # share of windows out of scope up to which a song is judged
    models: Mapping[str, SongRule]


def read_rule(run: Run, results: Results) -> Rule:
    """Return the rule in a run's results.

    Raises
    ------
    ArtifactError : the results were made before there was one, or are damaged.
    """
    try:
        stored = results["verdict"]
        models = {name: _song_rule(stored["models"][name]) for name in DETECTORS}
        wrong, hop, outside = (float(stored[name]) for name in ("max_error", "hop_seconds", "max_outside"))
        accused = float(results["threshold_rule"]["max_fpr"])
        rule = Rule(str(stored["detector"]), wrong, accused, hop, outside, models)
        models[rule.detector]
    except (KeyError, TypeError, ValueError) as error:
        problem = "made by another version: it holds no rule for whole songs"
        raise ArtifactError(run.results_file, problem, run.remedy("evaluate")) from error
    return rule


def _song_rule(stored: Mapping[str, Any]) -> SongRule:
    test = stored["test"]
    return SongRule(
        float(stored["temperature"]),
        Band(float(stored["low"]), float(stored["high"])),
        int(stored["val_songs"]),
        int(test["n"]),
        int(test["n"] - test["inside"]),
        int(test["errors"]),
        int(stored["unheard"]["human"]["n"]) if stored["unheard"] else 0,
    )


def read_scope(run: Run) -> Scope:
    """Return what a run learned about its kind of sound."""
    remedy = run.remedy("evaluate")
    arrays = storage.read_npz(run.scope, Scope._fields, remedy)
    if not all(np.isfinite(part).all() for part in arrays.values()):
        raise ArtifactError(run.scope, "damaged: it holds numbers that are not finite", remedy)
    values: dict[str, Any] = {name: part if part.ndim else float(part) for name, part in arrays.items()}
    return Scope(**values)


def judged_scope(windows: Sequence[ScopeResult], max_outside: float) -> ScopeAnswer:
    """Sum up the audible windows: the file is out of scope where more than a share of them is."""
    reasons = [window.reason for window in windows if window.reason]
    outside = len(reasons) / len(windows)
    usual = max(sorted(set(reasons)), key=reasons.count, default="")
    noise, unlike = (float(np.median(values)) for values in zip(*windows, strict=True))
    judged = any(voting([bool(window.reason) for window in windows], max_outside))
    return ScopeAnswer(noise, unlike, outside, len(reasons), "" if judged else usual)


# Sentences


def rule_sentence(
    rule: Rule, seconds: float, windows: int, silent: int, scope: ScopeAnswer, silence_dbfs: float
) -> str:
    """Say how the call was made, from the numbers it was made with."""
    return " ".join(_rule_sentences(rule, seconds, windows, silent, scope, silence_dbfs))


def _rule_sentences(
    rule: Rule, seconds: float, windows: int, silent: int, scope: ScopeAnswer, silence_dbfs: float
) -> Iterator[str]:
    best, name = rule.models[rule.detector], DETECTORS[rule.detector]
    heard = windows - silent - (0 if scope.reason else scope.windows)
    yield (
        f"The {name} detector decides, the best on validation: its probability is the mean over {heard} "
        f"{'window' if heard == 1 else 'windows'} of {seconds:g} s, one every {rule.hop_seconds:g} s, of "
        f"the log-odds of AI, divided by a temperature of {best.temperature:.2f}."
    )
    yield _limits_of(best.band)
    unheard = (
        f", and raised for AI until at most {rule.max_accused:.0%} of {best.unheard_songs} songs from human sources "
        "held out in turn reach it"
    )
    yield (
        f"These limits were chosen on {best.val_songs} validation songs in scope, so that at most {rule.max_error:.0%} "
        f"of those called human and of those called AI are called wrongly{unheard if best.unheard_songs else ''}; of "
        f"{best.test_songs} test songs, {best.test_decided} were called human or AI, {best.test_wrong} of them wrongly."
    )
    yield (
        f"Windows quieter than {silence_dbfs:g} dBFS do not count ({silent} of {windows} here), nor those unlike the "
        f"training material ({scope.windows} of {windows}); where these are more than {rule.max_outside:.0%} of the "
        "audible ones, no call is made."
    )


def _limits_of(band: Band) -> str:
    human = f"Below {_percent(band.low)} a song is called human" if band.low > 0 else "No song is called human"
    ai = f"from {_percent(band.high)} on AI" if band.high <= 1 else "none AI"
    between = "" if band.low == band.high else ", and anything else uncertain"
    return f"{human}, {ai}{between}."


def limits(results: Results) -> tuple[str, ...]:
    """Say what a verdict may not be used for, from what was measured.

    Sources are the user's own words: whoever shows the sentences must treat them as plain text.
    """
    return (*_demo(results), _trained_on(results), _no_proof(results), *_unseen(results))


def _demo(results: Results) -> Iterator[str]:
    if results["demo"]:
        yield "The models were trained on demo clips made by code: what they say about real music means nothing."


def _trained_on(results: Results) -> str:
    cells = [cell for cell in results["data"]["counts"] if cell["split"] == "train"]
    parts = []
    for label, title in (("human", "human music"), ("ai", "AI music")):
        counts = [cell for cell in cells if cell["label"] == label]
        names = ", ".join(printable(name) for name in sorted({cell["source"] for cell in counts}))
        parts.append(f"{sum(cell['songs'] for cell in counts)} songs of {title} ({names})")
    return f"The models were trained on {parts[0]} and {parts[1]}; they know nothing of other music and generators."


def _no_proof(results: Results) -> str:
    rule = results["verdict"]
    test = rule["models"][rule["detector"]]["test"]
    wrong = (
        f"of the {test['n'] - test['inside']} test songs that were called human or AI, {test['errors']} got the "
        f"wrong call ({_ends(test['error_interval'], results['confidence'])})"
    )
    return f"A verdict is a hint, not a proof, and accuses nobody: {wrong}."


def _unseen(results: Results) -> Iterator[str]:
    """Say how it does on sources that were held out in turn: on whole songs, or else on clips."""
    name, leave_out = results["verdict"]["detector"], results["leave_out"]
    songs = results["verdict"]["models"][name]["unheard"]
    unheard, unit = (songs, "songs") if songs else (leave_out and leave_out["models"][name], "clips")
    if not unheard or not (ai := unheard["ai"]):
        yield "How often it catches generators that it never heard was not measured."
        return
    caught = ai["interval"] and [1 - end for end in reversed(ai["interval"])]
    wrong = f", and {songs['ai_called_human']['error']:.0%} human" if songs else ""
    yield (
        f"Of {ai['n']} {unit} from {ai['sources']} generators held out in turn, which its models had never heard, it "
        f"calls {1 - ai['error']:.0%} AI ({_ends(caught)}){wrong}."
    )
    if human := unheard["human"]:
        yield (
            f"Of {human['n']} {unit} from {human['sources']} human sources it had never heard, it calls "
            f"{human['error']:.0%} AI ({_ends(human['interval'])})."
        )


def _ends(interval: Sequence[float] | None, confidence: float | None = None) -> str:
    """Return a share's interval in words, or why there is none."""
    if interval is None:
        return TOO_FEW
    return f"{f'{confidence:.0%} ' if confidence else ''}interval {interval[0]:.0%} to {interval[1]:.0%}"


def _percent(share: float) -> str:
    """Return a limit so that it is not rounded to 0 % or 100 %."""
    return f"{share:.1%}" if 0.01 <= share <= 0.99 else f"{share:.3%}"
