"""What may be said after a run and what may not, each sentence from its numbers and with its n.

This is the full list, kept in results.json and printed by the pipeline; `dashboard.overview.limits` says the weightiest
of what may not be said in a line each, from the same numbers.

A sentence of "may" stands by itself. One of "may_not" names a claim, and after the colon what speaks against it.
Sources are the user's own words: whoever shows the sentences must treat them as plain text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import printable
from core.metrics.claims import Compared, claims, compared
from core.metrics.intervals import with_interval

Results = Mapping[str, Any]

STEADY = 0.02  # AUC that a detector may lose through a change and still be called steady
_BESIDE = ("cannot be told from that", "is higher", "is lower")  # by what may be claimed: 0, 1, -1
MISSED = 0.5  # share of a new source's AI clips below which it is named


def summary(results: Results) -> dict[str, list[str]]:
    """Return what may be claimed of the detector that validation chose, and what may not."""
    may = (_headline, _songs, _band, _better, _above_shortcuts, _steady, _new_sources, _strict, _seeds)
    may_not = (
        _equal,
        _shortcuts,
        _breaks,
        _seen_changes,
        _worst_source,
        _missed_sources,
        _new_humans,
        _calibration,
        _absent,
    )
    return {
        "may": [said for part in may for said in part(results)],
        "may_not": [said for part in may_not for said in part(results)],
    }


def best(results: Results) -> Mapping[str, Any]:
    """Return the figures of the detector that validation chose."""
    model: Mapping[str, Any] = results["models"][results["best"]]
    return model


# What may be said


def _headline(results: Results) -> Iterator[str]:
    model, val = best(results), results["threshold_rule"]["val_clips"]
    test, intervals = model["test"], model["test"]["intervals"]
    accused = bracketed(1 - test["recall_human"], complement(intervals["recall_human"]))
    chosen = "fixed beforehand" if results["threshold_rule"]["rule"] == "fixed" else "chosen on validation too"
    yield (
        f"On {_of(test)} that no model was trained on, the {model['name']}, chosen of {len(results['models'])} on "
        f"{val['human'] + val['ai']} validation clips, has AUC {area(test['roc_auc'], intervals['roc_auc'])}. At its "
        f"threshold, {chosen}, it catches {bracketed(test['recall_ai'], intervals['recall_ai'])} of the AI clips and "
        f"calls {accused} of the human ones AI."
    )


def _songs(results: Results) -> Iterator[str]:
    songs = best(results)["songs"]
    right = bracketed(songs["accuracy"], songs["intervals"]["accuracy"])
    yield (
        f"Judged by all of its test clips, each of {songs['n']} songs gets one score: AUC "
        f"{area(songs['roc_auc'], songs['intervals']['roc_auc'])}, {right} called rightly."
    )


def _band(results: Results) -> Iterator[str]:
    result = best(results)["calibration"]["band_result"]
    if not result["inside"]:
        return
    decided = result["n"] - result["inside"]
    yield (
        f"With an uncertain band it gives a verdict on {decided} of {result['n']} test clips, and "
        f"{bracketed(result['error'], result['error_interval'])} of these are wrong."
    )


def _better(results: Results) -> Iterator[str]:
    names = [results["models"][name]["name"] for name, claim in _rivals(results) if claim > 0]
    if names:
        yield f"On these {best(results)['test']['n']} clips its AUC is higher than that of {joined(names)}."


def _above_shortcuts(results: Results) -> Iterator[str]:
    if (shortcuts := results["shortcuts"]) is None:
        return
    ahead = _above_music_free(results)
    for kind, what in (("files", "the files as stored"), ("heard", "what the models are given")):
        audit = shortcuts[kind]
        gain = audit["detectors_against"][results["best"]]
        if ahead[kind] > 0:
            yield (
                f"It does better than a classifier that hears no music: on {_of(audit)}, facts about {what} give AUC "
                f"{area(audit['test_auc'], audit['test_auc_interval'])}, {signed(gain)} in its favour."
            )


def _steady(results: Results) -> Iterator[str]:
    if (robustness := results["robustness"]) is None:
        return
    changed = robustness["models"][results["best"]][1:]
    kept = [name for name, line in _transforms(results) if (line["auc_change_interval"] or (-1,))[0] >= -STEADY]
    if kept:
        yield (
            f"On {_of(robustness)}, {len(kept)} of {len(changed)} changes cost it at most {STEADY:g} of AUC, by the "
            f"whole interval: {joined(kept)}."
        )


def _new_sources(results: Results) -> Iterator[str]:
    if (leave_out := results["leave_out"]) is None:
        return
    overall = leave_out["models"][results["best"]]
    if overall["ai"]:
        yield (
            f"On {_of(overall['ai'])} from {_sources(overall['ai']['sources'], 'AI')} held out in turn, which its "
            f"models never heard, it has a mean AUC of {overall['mean_auc']:.2f} and catches "
            f"{bracketed(1 - overall['ai']['error'], complement(overall['ai']['interval']))}. There, autoencoder, "
            f"transformer and CNN were trained for {leave_out['schedule_share']:.0%} of their usual time."
        )


def _strict(results: Results) -> Iterator[str]:
    overall = results["leave_out"] and results["leave_out"]["models"][results["best"]]
    if not overall or not (strict := overall["strict"]) or not overall["ai"]:
        return
    human, ai, test = strict["human"], strict["ai"], strict["test"]
    yield (
        f"With a stricter threshold, {strict['threshold']:.3g} instead of {best(results)['threshold']:.3g}, chosen on "
        f"human sources held out in turn, it calls {bracketed(human['error'], human['interval'])} of their "
        f"{human['n']} clips AI, each source judged by what the others ask for. It then catches "
        f"{bracketed(1 - ai['error'], complement(ai['interval']))} of the {ai['n']} clips from AI sources never heard "
        f"and {bracketed(1 - test['missed'], complement(test['missed_interval']))} of the AI test clips."
    )


def _seeds(results: Results) -> Iterator[str]:
    if (seeds := results["seeds"]) is None or len(seeds["seeds"]) < 2:
        return
    spread = seeds["models"][results["best"]]["roc_auc"]
    yield (
        f"Trained {len(seeds['seeds'])} times with other seeds, its AUC on {seeds['n']} test clips is "
        f"{spread['mean']:.3f} on average, from {spread['min']:.3f} to {spread['max']:.3f} "
        f"(standard deviation {spread['deviation']:.3f})."
    )


# What may not be said


def _equal(results: Results) -> Iterator[str]:
    name, n = best(results)["name"], best(results)["test"]["n"]
    rivals = [(results["models"][key]["name"], claim) for key, claim in _rivals(results)]
    if equal := [rival for rival, claim in rivals if claim == 0]:
        yield f"That the {name} is the best: on {n} test clips its AUC cannot be told from that of {joined(equal)}."
    if better := [rival for rival, claim in rivals if claim < 0]:
        yield f"That the {name} is the best: on {n} test clips the AUC of {joined(better)} is higher."


def _shortcuts(results: Results) -> Iterator[str]:
    if (shortcuts := results["shortcuts"]) is None:
        return
    for kind, what in (("files", "about the files as stored"), ("heard", "about the sound that the models are given")):
        audit, beside = shortcuts[kind], _BESIDE[_above_music_free(results)[kind]]
        if audit["test_auc_interval"] is None or audit["test_auc_interval"][0] > 0.5:
            yield (
                f"That it hears nothing but music: facts {what}, none of them musical, give AUC "
                f"{area(audit['test_auc'], audit['test_auc_interval'])} on the same {_of(audit)}; its own, "
                f"{best(results)['test']['roc_auc']:.2f}, {beside}."
            )


def _breaks(results: Results) -> Iterator[str]:
    if (robustness := results["robustness"]) is None:
        return
    clean, changed = robustness["models"][results["best"]][0], _transforms(results)
    if not changed:
        return
    name, line = min(changed, key=lambda change: change[1]["auc"])
    if _moved(changed, "auc_change", "auc_change_p", line) < 0:
        yield (
            f"That it holds on degraded files: after {name} its AUC on {_of(robustness)} is "
            f"{area(line['auc'], line['auc_interval'])} instead of {clean['auc']:.2f}."
        )
    for kind, what, class_name in (
        ("positive", "of human clips are called AI", "human"),
        ("negative", "of AI clips are missed", "ai"),
    ):
        name, line = max(changed, key=lambda change: change[1][f"false_{kind}_rate"])
        share = bracketed(line[f"false_{kind}_rate"], line[f"false_{kind}_interval"])
        if _moved(changed, f"false_{kind}_rate", f"false_{kind}_p", line, clean[f"false_{kind}_rate"]) <= 0:
            continue
        yield (
            f"That its threshold holds on degraded files: after {name} {share} {what} "
            f"(n = {robustness['clips'][class_name]}) instead of {clean[f'false_{kind}_rate']:.0%}."
        )


def _seen_changes(results: Results) -> Iterator[str]:
    if results["robustness"] and results["degraded_copies"]:
        yield (
            "That degraded files were new to it: the models were trained on degraded versions of their clips too, by "
            "codecs, band limits, noise, gain and tempo like those of the test. Only pitch, reverb and trim were new."
        )


def _worst_source(results: Results) -> Iterator[str]:
    if (leave_out := results["leave_out"]) is None:
        return
    worst = leave_out["models"][results["best"]]["min_source"]
    for source in leave_out["sources"]:
        judged = source["models"][results["best"]]
        if (source["label"], source["source"]) == ("ai", worst) and (judged["auc_interval"] or (0, 0))[1] < 1:
            yield (
                f"That it recognises every new generator: on {_of(source)} of {printable(worst)}, never heard before, "
                f"its AUC is {area(judged['auc'], judged['auc_interval'])}, the lowest of "
                f"{_sources(leave_out['models'][results['best']]['ai_sources'], 'AI')}."
            )


def _missed_sources(results: Results) -> Iterator[str]:
    if (leave_out := results["leave_out"]) is None:
        return
    for source in leave_out["sources"]:
        judged = source["models"][results["best"]]
        if source["label"] == "ai" and judged["recall"] < MISSED:
            yield (
                f"That it catches {printable(source['source'])}: on {_of(source)} from there, which it never heard, it "
                f"catches {bracketed(judged['recall'], judged['recall_interval'])}."
            )


def _new_humans(results: Results) -> Iterator[str]:
    if (leave_out := results["leave_out"]) is None:
        return
    human = leave_out["models"][results["best"]]["human"]
    allowed = results["threshold_rule"]["max_fpr"]
    if human and (human["interval"] or (0, 1))[1] > allowed:
        claim = f"calls at most {allowed:.0%} of" if results["threshold_rule"]["rule"] == "fpr" else "is as right on"
        yield (
            f"That it {claim} human music from elsewhere{' AI' if claim.startswith('calls') else ''}: on {_of(human)} "
            f"from {_sources(human['sources'], 'human')} it never heard it calls "
            f"{bracketed(human['error'], human['interval'])} AI."
        )


def _calibration(results: Results) -> Iterator[str]:
    calibration = best(results)["calibration"]
    yield (
        f"That its score is a probability: on {calibration['n']} test clips scores and shares of AI differ by "
        f"{calibration['ece_before']:.2f} on average ({calibration['ece_after']:.2f} after a temperature of "
        f"{calibration['temperature']:.2f}), and where AI music is rarer than here, a larger share of alarms is false."
    )


def _absent(results: Results) -> Iterator[str]:
    parts = (
        ("shortcuts", "Whether the files give the classes away", ""),
        ("robustness", "How it fares on degraded files", "--set audit.robustness_clips=200"),
        ("leave_out", "How it fares on sources it never heard", "--set audit.leave_out=all"),
        ("seeds", "How much its figures owe to the seed", "--set train.seeds=5"),
    )
    for part, what, setting in parts:
        if results[part] is None:
            command = f"python -m scripts.pipeline run --run {results['run']} {setting}".strip()
            yield f"{what}: not measured in this run. Run `{command}`."


# Words


def area(value: float, interval: Sequence[float] | None) -> str:
    """Return an AUC with its interval: `0.98 [0.95, 0.99]`."""
    return with_interval(value, interval, ".2f")


def bracketed(share: float, interval: Sequence[float] | None) -> str:
    """Return a share with its interval: `93% [88%, 96%]`."""
    return with_interval(share, interval, ".0%")


def signed(difference: Mapping[str, Any], places: int = 2) -> str:
    """Return a difference with its interval: `+0.07 [+0.01, +0.16]`."""
    low, high = difference["low"], difference["high"]
    return with_interval(difference["value"], None if low is None else (low, high), f"+.{places}f")


def joined(names: Sequence[str]) -> str:
    """Return names as a list in a sentence."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _of(tested: Mapping[str, Any]) -> str:
    return f"{tested['n']} clips of {tested['songs']} songs"


def _sources(n: int, kind: str) -> str:
    return f"{n} {kind} source" if n == 1 else f"{n} {kind} sources"


def complement(interval: Sequence[float] | None) -> tuple[float, float] | None:
    """Return the interval of what a share leaves to one; None of none."""
    return None if interval is None else (1 - interval[1], 1 - interval[0])


# What may be called higher or lower


def _rivals(results: Results) -> list[tuple[str, int]]:
    """Return every other detector, and whether the best one's AUC is higher (1), lower (-1) or cannot be told (0)."""
    rivals, differences = [], []
    for pair in results["comparisons"]:
        if results["best"] in (pair["first"], pair["second"]):
            mine, difference = pair["first"] == results["best"], compared(pair["roc_auc"])
            rivals.append(pair["second"] if mine else pair["first"])
            differences.append(difference if mine else difference._replace(value=-difference.value))
    return list(zip(rivals, claims(differences), strict=True))


def _above_music_free(results: Results) -> dict[str, int]:
    """Say whether the best detector's AUC is above that of each classifier that hears no music: 1, -1 or 0."""
    kinds = ("files", "heard")
    gains = [compared(results["shortcuts"][kind]["detectors_against"][results["best"]]) for kind in kinds]
    return dict(zip(kinds, claims(gains), strict=True))


def _moved(
    changed: Sequence[tuple[str, Mapping[str, Any]]],
    field: str,
    p_value: str,
    picked: Mapping[str, Any],
    clean: float = 0.0,
) -> int:
    """Say whether the change that a sentence picks moved a figure up, down or not for sure, of all it picks from."""
    interval = field.replace("_rate", "") + "_interval"
    lines = [line for _, line in changed]
    told = claims(Compared(line[field] - clean, line[p_value], line[interval] is not None) for line in lines)
    return next(claim for line, claim in zip(lines, told, strict=True) if line is picked)


def _transforms(results: Results) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what became of the best detector after every change, clean clips left out."""
    robustness = results["robustness"]
    return list(zip(robustness["transforms"], robustness["models"][results["best"]], strict=True))[1:]
