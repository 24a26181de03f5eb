"""What fusion weights and removals say, in words and table rows: values in, text out. No foreign name passes here."""

from collections.abc import Mapping, Sequence

import pandas as pd

from core import palette
from core.metrics.intervals import TOO_FEW
from dashboard.drawing import theme
from dashboard.drawing.theme import NBSP
from dashboard.reading.attention import BRANCHES, OTHERS, Attention, Correlation, Fusion
from dashboard.reading.attention_maps import SECOND, Maps, MeanMaps, Stretch
from dashboard.reading.results import DetectorDifference, Measurement, UsedEncoder
from dashboard.sentences import counted, percent, percents, signed

CLASSES = {"human": "human", "ai": "AI"}  # in the middle of a sentence
WORTH_SAYING = "**Attention weight is where it looked, not what decided.**"


# Over all test clips


def verdicts_changed(fusion: Fusion) -> str:
    """Say what removing each branch does to the verdicts."""
    parts = [f"**{fusion.removals[name].verdicts_changed}** without the {BRANCHES[name]}" for name in fusion.branches]
    return f"Verdicts that change, of {fusion.model.n:,}: {', '.join(parts)}."


def looked_and_decided(fusion: Fusion, label: str, moved: Mapping[str, float]) -> str:
    """Say for one class which branch has most weight and whose removal moves the score furthest, and if they differ.

    Parameters
    ----------
    moved : by branch, by how many log-odds its removal moves the score on average.
    """
    weights = {name: fusion.weights[name][label].mean for name in fusion.branches}
    first, second = sorted(weights, key=lambda name: -weights[name].value)[:2]
    furthest = max(moved, key=lambda name: moved[name])
    effect = ", ".join(f"{BRANCHES[name]} {moved[name]:.1f}" for name in sorted(moved, key=lambda name: -moved[name]))
    clip = f"{theme.MARKS[label]} On {CLASSES[label]} clips"
    if not weights[first].low > weights[second].high:  # also where there is no interval
        shares = ", ".join(f"{BRANCHES[name]} {percent(weights[name].value)}" for name in fusion.branches)
        return (
            f"{clip} no branch has clearly most weight ({shares}); "
            f"removing the {BRANCHES[furthest]} moves the score furthest (log-odds: {effect})."
        )
    lead = f"{clip} the {BRANCHES[first]} has most weight ({percent(weights[first].value)})"
    if first == furthest:
        return f"{lead}, and removing it moves the score furthest, too (log-odds: {effect})."
    return (
        f"{lead}, **but** removing the {BRANCHES[furthest]} moves the score furthest (log-odds: {effect}): "
        "weight and effect disagree."
    )


def disagreement(n: int, clips: int, branches: int) -> str:
    """Say in how many clips the most weight is not on the branch that mattered most."""
    return (
        f"In **{n} of {clips:,}** test clips the branch with most weight is not the one whose removal moves the score "
        f"furthest. Weights drawn by lot would give about {clips * (1 - 1 / branches):.0f}."
    )


def correlated(correlation: Correlation, branch: str, confidence: float) -> str:
    """Say how far a weight foretells the effect of its branch's removal."""
    rho = correlation.rho
    strength = next(word for limit, word in ((0.3, "weakly"), (0.6, "moderately"), (2, "closely")) if rho.value < limit)
    verdict = f"{strength} foretells" if rho.low > 0 else "belies" if rho.high < 0 else "does not detectably foretell"
    ends = f"{confidence:.0%} interval {rho.low:+.2f} to {rho.high:+.2f}" if rho.supported else TOO_FEW
    return (
        f"The weight {verdict} how far removing the {BRANCHES[branch]} moves the score, either way: rank correlation "
        f"{rho.value:+.2f} ({ends}; "
        f"{correlation.n:,} clips, {counted(correlation.songs, 'song')})."
    )


def removal_rows(fusion: Fusion) -> list[dict[str, str]]:
    """Return what the fusion does with all branches and without each, on the test clips."""
    model = fusion.model
    recall = {label: model.scores[f"recall_{label}"] for label in theme.NAMES}
    whole = {"Removed": "nothing", **_shares(model.wrong, model.clips, recall), "Verdicts changed": "–"}
    return [whole] + [
        {
            "Removed": BRANCHES[name], **_shares(removal.wrong, removal.clips, removal.recall),
            "Verdicts changed": f"{removal.verdicts_changed} of {model.n:,}",
        }
        for name, removal in fusion.removals.items()
    ]  # fmt: skip


def _shares(wrong: Mapping[str, int], clips: Mapping[str, int], recall: Mapping[str, Measurement]) -> dict[str, str]:
    """Return how many clips of each class are called AI, with the share and its interval."""
    return {
        f"{theme.MARKS['human']} Human called AI": f"{wrong['human']} of {clips['human']}: "
        f"{percents(recall['human'].complement)}",
        f"{theme.MARKS['ai']} AI caught": f"{clips['ai'] - wrong['ai']} of {clips['ai']}: {percents(recall['ai'])}",
    }


def against_rows(fusion: Fusion) -> list[dict[str, str]]:
    """Return how the fusion does beside other detectors on the same clips."""
    return [
        {
            f"{fusion.model.name} less": OTHERS[other],
            **{
                title: _difference(differences[figure])
                for figure, title in (("roc_auc", "AUC"), ("accuracy", "Accuracy"))
            },
        }
        for other, differences in fusion.against.items()
    ]


def _difference(difference: DetectorDifference) -> str:
    return f"{signed(difference.value)}, p{NBSP}={NBSP}{difference.p_value:.2g}"


def right_about(undecided: pd.DataFrame, test: pd.DataFrame) -> str:
    """Say whether the hybrid is right about undecided clips as often as about all."""
    shares = [
        f"{clips['right_hybrid'].sum()} of {len(clips):,} ({percent(clips['right_hybrid'].mean())})"
        for clips in (undecided, test)
    ]
    return f"The hybrid is right about {shares[0]} of them; of all test clips, about {shares[1]}."


# One clip


def clip_rows(clip: pd.Series, fusion: Fusion) -> list[dict[str, str]]:
    """Return a clip's score with all branches and without each, as table rows."""
    key, threshold = fusion.model.key, fusion.model.threshold
    whole = {"Removed": "nothing", "Weight": "", "Score": f"{clip[f'p_{key}']:.3f}", "Log-odds moved": ""}
    rows = [whole | {"Says": _says(clip[f"p_{key}"] >= threshold)}]
    for name in fusion.branches:
        score = clip[f"p_without_{name}"]
        rows.append(
            {
                "Removed": BRANCHES[name],
                "Weight": f"{clip[f'weight_{name}']:.3f}",
                "Score": f"{score:.3f}",
                "Log-odds moved": f"{clip[f'change_{name}']:+.2f}",
                "Says": _says(score >= threshold),
            }
        )
    return rows


def _says(ai: bool) -> str:
    label = "ai" if ai else "human"
    return f"{palette.SIGNS[label]}{NBSP}{theme.NAMES[label]}"


def of_clip(clip: pd.Series, fusion: Fusion) -> str:
    """Say whether weight and effect agree in this clip."""
    most, furthest = str(clip["most"]), str(clip["furthest"])
    weight, change = percent(clip[f"weight_{most}"]), clip[f"change_{furthest}"]
    lead = f"{fusion.model.name}: most weight on the {BRANCHES[most]} ({weight})"
    said = f"moves the score furthest ({change:+.1f} log-odds)"
    if most == furthest:
        return f"{lead}; removing it also {said}."
    return f"{lead}, but removing the {BRANCHES[furthest]} {said}."


# The transformer's maps


def whose_attention(encoder: UsedEncoder) -> str:
    """Say whose attention it is, as plain text."""
    if encoder.kind == "ast-pretrained":
        return f"Attention of: {encoder.description} ({encoder.name}), {encoder.mode}."
    return f"Attention of: {encoder.description}. This is not the pretrained AST."


def what_it_follows(method: str) -> str:
    """Say what a method follows."""
    if method == "rollout":
        return (
            "Attention followed from [CLS] back through all layers, heads averaged (rollout, Abnar and Zuidema 2020)."
        )
    return "What [CLS] asks of each patch in the last layer alone, heads averaged."


def maps_made(maps: Maps, clips: pd.DataFrame) -> str:
    """Say how many clips have a map."""
    mapped = clips[clips.index.isin(maps.rows)]
    counts = ", ".join(f"{(mapped['split'] == split).sum():,} {split}" for split in ("test", "val", "train"))
    return f"Maps were made for {len(mapped):,} of {len(clips):,} clips, test clips first ({counts})."


def stretch(second: Stretch) -> str:
    """Say which second got most attention, as plain text."""
    return (
        f"Most attended {SECOND:g} s: from {second.start:.2f} s to {second.end:.2f} s "
        f"({percent(second.share)} of the attention; evenly spread, it would be {percent(second.even)})."
    )


def concentration(tenth: float) -> str:
    """Say how concentrated a map is, as plain text."""
    return f"The most attended tenth of the patches holds {percent(tenth)} of it."


def common(scale: str) -> str:
    """Say what the common colour scale leaves out."""
    return " One patch in 200 of all clips lies beyond these colours." if scale == "common" else ""


def striking(maps: MeanMaps) -> str:
    """Say whether the mean maps of the classes differ more than chance would have them."""
    patches = maps.difference.size
    return (
        f"{maps.striking} of {patches} patches differ by more than 1.96 standard errors over songs; if the encoder "
        f"looked at both classes alike, about {0.05 * patches:.0f} would."
    )


def mean_title(maps: MeanMaps, label: str) -> str:
    """Return the title of a class's mean map."""
    return f"{theme.labelled(label)} · {maps.clips[label]} clips, {counted(maps.songs[label], 'song')}"


# Text alternatives


def weights_alt(attention: Attention, key: str) -> str:
    """Say what the chart of weights shows."""
    fusion = attention.fusions[key]
    parts = [
        f"{BRANCHES[name]} {fusion.weights[name][label].mean.value:.2f} on {CLASSES[label]} clips"
        for name in fusion.branches
        for label in theme.NAMES
    ]
    return f"Fusion weights of {fusion.model.n} test clips by class. Means: {', '.join(parts)}"


def removal_alt(fusion: Fusion) -> str:
    """Say what the chart of removals shows."""
    parts = [f"without the {BRANCHES[name]} {removal.auc.value:.3f}" for name, removal in fusion.removals.items()]
    return f"AUC of the {fusion.model.name}: whole {fusion.model.scores['roc_auc'].value:.3f}, {', '.join(parts)}"


def mean_alt(maps: MeanMaps, label: str) -> str:
    """Say what a class's mean map shows."""
    mean = maps.mean[label]
    return (
        f"Mean attention map of {maps.clips[label]} {CLASSES[label]} test clips: "
        f"{mean.min():.1f} to {mean.max():.1f} times the even share"
    )


def map_alt(second: Stretch, tops: Sequence[float]) -> str:
    """Say what an attention map shows."""
    return (
        f"Attention over the clip's spectrogram: most around {tops[0]:.1f} s and {tops[1] / 1000:.1f} kHz. "
        + stretch(second)
    )
