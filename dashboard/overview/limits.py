"""What the results do not show, in short, for the Overview and the report: `Results` in, Markdown sentences out.

A line each, most weighty first. The full list, with every number and with what may be said, is made once
by `core.evaluation.summary` and kept in results.json: the Overview folds it away, and the pipeline prints it.
"""

from collections.abc import Sequence

from core.evaluation.summary import joined
from core.metrics.claims import claims
from core.metrics.intervals import TOO_FEW
from dashboard.drawing import theme
from dashboard.reading.results import Results
from dashboard.reading.robustness import Robustness
from dashboard.robustness.words import auc_text, cost
from dashboard.sentences import counted, listed, percents

FEW_SONGS = 100  # of one class; below this the interval is wider than most differences people ask about


def limits(results: Results, robustness: Robustness) -> list[str]:
    """Say what these results do not show, most weighty first, each sentence from the numbers."""
    return [
        sentence
        for sentence in (
            _demo(results),
            _unheard(results, robustness),
            _changed(results, robustness),
            _music_alone(results, robustness),
            _few_songs(results),
            _ranking(results),
            _generators(results),
            _absent(results),
            _encoder(results),
            f"**Whole songs.** Every verdict is about {results.seconds:g} seconds.",
            _proof(robustness),
        )
        if sentence
    ]


def _demo(results: Results) -> str:
    return "**Anything about real music.** The demo's clips are made by code." if results.demo else ""


def _generators(results: Results) -> str:
    sources = results.sources_in("ai")
    kinds = counted(len(sources), "source")
    return f"**AI music in general.** The AI clips come from {kinds}: {listed(sources)}."


def _unheard(results: Results, robustness: Robustness) -> str:
    """Tell what is known of generators that were new to the models."""
    if robustness.leave_out and (held_out := robustness.leave_out.models[results.headline.key].ai):
        return (
            f"**Generators never heard.** Of {counted(held_out.n, 'clip')} from "
            f"{counted(held_out.sources, 'AI source')}, each held out in turn, "
            f"the {results.headline.name} catches {percents(held_out.error.complement)}."
        )
    new = set(results.sources_in("ai", "test")) - set(results.sources_in("ai", "train"))
    return "" if new else "**Generators never heard.** Every AI source in the test was also in the training."


def _changed(results: Results, robustness: Robustness) -> str:
    """Tell what is known of sound that was changed on its way."""
    if robustness.changes is None:
        return "**Changed sound.** How re-encoding, noise or pitch shift matter was not measured."
    _, *changed = robustness.changes.models[results.headline.key]
    costly = cost(changed)
    worst = min((line.area for line in changed), key=lambda area: area.value)
    if not costly:
        return ""
    return (
        f"**Changed sound.** {costly} of {len(changed)} changes clearly cost the {results.headline.name} AUC, at worst "
        f"to {auc_text(worst)}."
    )


def _music_alone(results: Results, robustness: Robustness) -> str:
    """Tell what a classifier without music reaches, or else whether the sample rates differ."""
    if robustness.shortcuts is None:
        return _native_rates(results)
    files, heard = robustness.shortcuts["files"].area, robustness.shortcuts["heard"].area
    if max(area.low if area.supported else 1.0 for area in (files, heard)) <= 0.5:
        return ""
    return (
        f"**That music alone gives AI away.** Facts about the files alone reach AUC {auc_text(files)}, about the sound "
        f"as given to the detectors {auc_text(heard)}."
    )


def _absent(results: Results) -> str:
    absent = [
        source
        for label in theme.NAMES
        for source in results.sources_in(label)
        if source not in results.sources_in(label, "test")
    ]
    return f"**Sources without a test clip:** {listed(absent)}." if absent else ""


def _native_rates(results: Results) -> str:
    human, ai = results.native_rates["human"], results.native_rates["ai"]
    if set(human) == set(ai):
        return ""
    return (
        f"**That music alone gives AI away.** Human files come at {_kilohertz(human)}, AI files at {_kilohertz(ai)}: "
        "a detector may profit from that difference."
    )


def _kilohertz(rates: Sequence[int]) -> str:
    return " and ".join(f"{rate / 1000:g}" for rate in rates) + " kHz"


def _few_songs(results: Results) -> str:
    songs = {label: results.count("songs", split="test", label=label) for label in theme.NAMES}
    if min(songs.values()) >= FEW_SONGS:
        return ""
    area = results.headline.scores["roc_auc"]
    return f"**Small differences.** {songs['human']} human and {songs['ai']} AI songs were tested; " + (
        f"the AUC may lie anywhere from {area.low:.2f} to {area.high:.2f}." if area.supported else f"{TOO_FEW}."
    )


def _ranking(results: Results) -> str:
    """Tell which detectors the headline one cannot be told from, and which did better."""
    best, names = results.headline, {model.key: model.name for model in results.models}
    rivals = {
        names[pair.second if best.key == pair.first else pair.first]: pair.area
        if best.key == pair.first
        else pair.area.turned
        for pair in results.comparisons
        if best.key in (pair.first, pair.second)
    }
    told = dict(zip(rivals, claims(area.compared for area in rivals.values()), strict=True))
    equal, better = ([name for name, claim in told.items() if claim == wanted] for wanted in (0, -1))
    said = [f"On these clips it cannot be told from {joined(equal)}."] if equal else []
    said += [f"{joined(better)} did better here."] if better else []
    return f"**That {best.name} is the best.** {' '.join(said)}" if said else ""


def _encoder(results: Results) -> str:
    if results.encoder.kind == "ast-pretrained":
        return ""
    return "**Anything about the pretrained AST.** Another encoder stood in for it."


def _proof(robustness: Robustness) -> str:
    once = "one split only" if robustness.seeds else "one split and one training only"
    return f"**Proof.** A score about one clip is a hint, and the models saw {once}."
