"""The evaluation's promises, on invented answers whose truth is known: thresholds, audit and what may be said."""

import copy
import csv
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from core import storage
from core.artifacts import ADDITIONS, DETECTORS, Run
from core.config import Config, with_settings
from core.evaluation import detectors
from core.evaluation.audit import robustness_results, seed_results, shortcut_results
from core.evaluation.evidence import Evidence, shown
from core.evaluation.song_rules import scope_of, verdict_results
from core.evaluation.summary import summary
from core.evaluation.unheard import leave_out_results
from core.metrics import intervals
from scripts import pipeline as command
from tests.support.invented_run import SETTINGS

CONFIG = with_settings(Config(), SETTINGS)


@pytest.fixture(scope="module")
def evidence(made: Run) -> Evidence:
    return Evidence(made, CONFIG)


@pytest.fixture(scope="module")
def results(made: Run) -> dict[str, Any]:
    return made.read_results()


def rewrite(path: Path, **changes: np.ndarray) -> None:
    with np.load(path, allow_pickle=False) as file:
        storage.write_npz(path, {**file, **changes})


def certain(labels: np.ndarray, right: np.ndarray | bool) -> np.ndarray:
    """Return answers near 0 and 1 that are right where asked."""
    return np.where((labels == 1) == right, 0.9, 0.1)


# Thresholds


def test_no_model_accuses_more_human_validation_clips_than_allowed(evidence: Evidence) -> None:
    human = (evidence.splits == "val") & (evidence.labels == 0)
    assert len(set(evidence.thresholds.values())) == len(DETECTORS), "each model has its own"
    for name, threshold in evidence.thresholds.items():
        assert np.mean(evidence.probabilities[name][human] >= threshold) <= 0.05


def test_a_threshold_does_not_move_with_the_test_clips(made: Run, evidence: Evidence) -> None:
    other = Evidence(made, CONFIG)
    other.probabilities["cnn"] = np.where(other.splits == "test", 0.99, other.probabilities["cnn"])
    assert other.threshold(other.probabilities["cnn"]) == evidence.thresholds["cnn"]


@pytest.mark.parametrize("rule", ["fixed", "balanced"])
def test_the_rule_of_the_settings_is_followed(made: Run, rule: str) -> None:
    config = with_settings(CONFIG, [f"evaluation.threshold_rule={rule}", "evaluation.threshold=0.31"])
    thresholds = Evidence(made, config).thresholds
    assert (set(thresholds.values()) == {0.31}) == (rule == "fixed")


def test_accuracy_confusion_and_predictions_use_each_models_own_threshold(made: Run, results: dict[str, Any]) -> None:
    with made.predictions.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    for name in DETECTORS:
        model, own_rows = results["models"][name], [row for row in rows if row["model"] == name]
        assert all((float(r["probability"]) >= model["threshold"]) == (r["prediction"] == "ai") for r in own_rows)
        assert model["test"]["accuracy"] == pytest.approx(np.mean([r["label"] == r["prediction"] for r in own_rows]))
        (tn, fp), _ = model["test"]["confusion"]
        assert fp == sum(r["label"] == "human" and r["prediction"] == "ai" for r in own_rows)
        assert tn + fp == 20


def test_the_best_detector_is_the_best_on_validation_whatever_the_test_says(made: Run) -> None:
    evidence = Evidence(made, CONFIG)
    for name, values in evidence.probabilities.items():
        helped = "val" if name == "ae_classifier" else "test"
        hopeless = np.full(len(values), 0.5)
        evidence.probabilities[name] = np.where(evidence.splits == helped, evidence.labels, hopeless)
    assert evidence.best() == "ae_classifier"


# Every model


def test_every_model_has_every_figure_with_an_interval_around_it(results: dict[str, Any]) -> None:
    assert list(results["models"]) == list(DETECTORS)
    assert len(results["comparisons"]) == 15
    for name, model in results["models"].items():
        assert model["addition"] == (name in ADDITIONS)
        for split in ("train", "val", "test"):
            assert {"eer", "tpr_at_1_fpr", "tpr_at_5_fpr", "average_precision"} <= model[split]["intervals"].keys()
            for field, (low, high) in model[split]["intervals"].items():
                assert low - 1e-9 <= model[split][field] <= high + 1e-9, field
        assert model["test"]["intervals"]["recall_ai"][0] < model["test"]["intervals"]["recall_ai"][1]


def test_a_song_is_judged_once_by_all_its_clips(made: Run, results: dict[str, Any]) -> None:
    assert results["models"]["cnn"]["songs"]["n"] == 50
    paired = Evidence(made, CONFIG)
    test = np.flatnonzero(paired.splits == "test")
    paired.groups = paired.groups.astype(object)
    for first, second in zip(test[:20:2], test[1:20:2], strict=True):
        paired.groups[second] = paired.groups[first]
    paired.groups = paired.groups.astype(str)
    assert detectors.song_results(paired, "cnn")["n"] == 40


def test_calibration_is_chosen_on_validation_and_measured_on_test(evidence: Evidence, results: dict[str, Any]) -> None:
    calibration = results["models"]["cnn"]["calibration"]
    assert sum(part["n"] for part in calibration["bins"]["after"]) == calibration["n"] == 50
    assert calibration["band"]["low"] <= calibration["band"]["high"]
    assert calibration["band_result"]["n"] - calibration["band_result"]["inside"] == round(
        50 * calibration["band_result"]["coverage"]
    )
    other = copy.copy(evidence)
    other.probabilities = {"cnn": np.where(evidence.splits == "test", 0.5, evidence.probabilities["cnn"])}
    moved = detectors.calibration_results(other, "cnn")
    assert moved["temperature"] == calibration["temperature"]
    assert moved["band"] == calibration["band"]
    assert moved["ece_before"] != calibration["ece_before"]


def test_the_three_way_fusion_is_compared_with_the_hybrid_and_with_the_fine_spectrum(results: dict[str, Any]) -> None:
    fusion, area = results["three_way"], {name: model["test"]["roc_auc"] for name, model in results["models"].items()}
    for other in ("hybrid", "fine_spectrum"):
        assert fusion["against"][other]["roc_auc"]["value"] == pytest.approx(area["three_way"] - area[other])
    for label in ("human", "ai"):
        assert sum(weights[label]["mean"] for weights in fusion["mean_weights"].values()) == pytest.approx(1)
    assert set(fusion["without"]) == {"autoencoder", "transformer", "fine_spectrum"}


# Audit


def test_a_fact_that_tells_the_classes_apart_is_found_and_one_that_is_hidden_from_the_models_is_not_theirs(
    results: dict[str, Any],
) -> None:
    shortcuts = results["shortcuts"]
    assert shortcuts["files"]["features"][0]["name"] == "bandwidth"
    assert shortcuts["files"]["test_auc"] > 0.65 > shortcuts["heard"]["test_auc"]
    low, high = shortcuts["files"]["test_auc_interval"]
    assert low < shortcuts["files"]["test_auc"] < high
    gain = shortcuts["files"]["detectors_against"]["cnn"]["value"]
    assert gain == pytest.approx(results["models"]["cnn"]["test"]["roc_auc"] - shortcuts["files"]["test_auc"])


def test_what_noise_does_is_said_of_the_tested_clips_at_the_validation_threshold(
    evidence: Evidence, results: dict[str, Any]
) -> None:
    with np.load(evidence.run.robustness, allow_pickle=False) as file:
        rows, answers = file["rows"], file["probability_hybrid"]
    labels = evidence.labels[rows]
    clean, _, noise = results["robustness"]["models"]["hybrid"]
    assert clean["auc_change"] == 0
    assert noise["auc"] == pytest.approx(roc_auc_score(labels, answers[2]))
    assert noise["auc_change"] == pytest.approx(noise["auc"] - clean["auc"])
    accused = answers[2][labels == 0] >= evidence.thresholds["hybrid"]
    assert noise["false_positive_rate"] == pytest.approx(accused.mean())
    missed = answers[2][labels == 1] < evidence.thresholds["hybrid"]
    assert noise["false_negative_rate"] == pytest.approx(missed.mean())
    for line in (clean, noise):
        for rate in ("false_positive", "false_negative"):
            low, high = line[f"{rate}_interval"]
            assert low < high
            assert low <= line[f"{rate}_rate"] <= high


def test_a_new_source_is_judged_by_its_folds_own_validation_threshold(run: Run) -> None:
    """Scores of the second fold are a tenth of the first's: at one shared threshold nothing of it would be caught."""
    with np.load(run.leave_out, allow_pickle=False) as file:
        source, row, role = file["source"], file["row"], file["role"]
    labels = np.array([clip.label for clip in run.read_clips()])[row]
    scale = np.where(source == "suno", 0.1, 1.0)
    rewrite(run.leave_out, probability_cnn=certain(labels, True) * scale)
    leave_out = leave_out_results(Evidence(run, CONFIG))
    assert leave_out is not None
    suno = next(part for part in leave_out["sources"] if part["source"] == "suno")
    assert suno["models"]["cnn"]["recall"] == suno["models"]["cnn"]["auc"] == 1
    assert suno["models"]["cnn"]["recall_interval"] == intervals.wilson(40, 40)
    assert suno["n"] == int(((source == "suno") & (role == "held_out")).sum()) == 40


def test_a_new_source_is_ranked_against_the_other_class_only(run: Run) -> None:
    with np.load(run.leave_out, allow_pickle=False) as file:
        source, row, role = file["source"], file["row"], file["role"]
    labels = np.array([clip.label for clip in run.read_clips()])[row]
    answers = certain(labels, True)
    unheard = (source == "suno") & (role == "held_out")
    answers[unheard] = 0.5  # above every human clip, below every other AI clip
    answers[(source == "fma") & (role == "held_out")] = 0.95  # every human clip is accused
    rewrite(run.leave_out, probability_cnn=answers)
    leave_out = leave_out_results(Evidence(run, CONFIG))
    assert leave_out is not None
    by_name = {part["source"]: part["models"]["cnn"] for part in leave_out["sources"]}
    assert by_name["suno"]["auc"] == 1
    assert by_name["suno"]["against"] == 20
    assert by_name["fma"]["auc"] == by_name["fma"]["recall"] == 0
    over = leave_out["models"]["cnn"]
    assert (over["ai_sources"], over["mean_auc"], over["min_auc"]) == (3, 1, 1)
    assert (over["human"]["n"], over["human"]["error"]) == (80, 0.5)
    assert over["human"]["interval"][0] < 0.5 < over["human"]["interval"][1]


def odd_humans(run: Run) -> None:
    """Let every human clip of one source, and no other, lie a little above the threshold of models new to it."""
    with np.load(run.leave_out, allow_pickle=False) as file:
        source, row, role = file["source"], file["row"], file["role"]
    labels = np.array([clip.label for clip in run.read_clips()])[row]
    answers = certain(labels, True)
    answers[(source == "fma") & (role == "held_out")] = 0.6  # thresholds lie at one half
    rewrite(run.leave_out, probability_cnn=answers)


def test_a_stricter_threshold_rises_above_the_human_sources_that_were_held_out(run: Run) -> None:
    odd_humans(run)
    leave_out = leave_out_results(Evidence(run, CONFIG))
    assert leave_out is not None
    strict = leave_out["models"]["cnn"]["strict"]
    lower = float(np.log(0.6 / 0.4))  # log-odds of the odd source above one half
    assert strict["log_odds_added"] > lower
    raised = expit(logit(Evidence(run, CONFIG).thresholds["cnn"]) + strict["log_odds_added"])
    assert strict["threshold"] == pytest.approx(raised)
    assert strict["ai"]["error"] == 0, "all AI clips lie far above"


def test_a_stricter_threshold_is_judged_on_sources_that_had_no_say_in_it(run: Run) -> None:
    """The odd source alone asks for a higher threshold: by what the others ask for, all its clips are accused."""
    odd_humans(run)
    leave_out = leave_out_results(Evidence(run, CONFIG))
    assert leave_out is not None
    over = leave_out["models"]["cnn"]
    assert over["strict"]["human"]["n"] == over["human"]["n"] == 80
    assert over["strict"]["human"]["error"] == over["human"]["error"] == 0.5


def test_a_song_is_called_ai_above_the_human_songs_of_sources_never_heard(run: Run) -> None:
    with np.load(run.leave_out, allow_pickle=False) as file:
        labels = np.array([clip.label for clip in run.read_clips()])[file["row"]]
    rewrite(run.leave_out, probability_cnn=certain(labels, True))
    calm = song_rule(run)
    odd_humans(run)
    odd = song_rule(run)
    assert odd["high"] > calm["high"]
    assert odd["low"] == calm["low"], "what is called human does not hang on it"
    added = odd["unheard"]["log_odds_added"]
    limit = (logit(Evidence(run, CONFIG).thresholds["cnn"]) + added) / odd["temperature"]
    assert odd["high"] == pytest.approx(expit(limit))
    assert odd["unheard"]["human"]["error"] == 0.5
    assert odd["unheard"]["ai"]["n"] == 120
    assert odd["unheard"]["ai_called_human"]["error"] == 0


def song_rule(run: Run) -> dict[str, Any]:
    evidence = Evidence(run, CONFIG)
    rule = verdict_results(evidence, *scope_of(evidence))["models"]["cnn"]
    return cast(dict[str, Any], rule)


def test_a_stricter_threshold_needs_a_rule_that_promises_something(run: Run) -> None:
    leave_out = leave_out_results(Evidence(run, with_settings(CONFIG, ["evaluation.threshold_rule=balanced"])))
    assert leave_out is not None
    assert all(over["strict"] is None for over in leave_out["models"].values())


def test_the_spread_over_seeds_is_that_of_the_trainings(evidence: Evidence, results: dict[str, Any]) -> None:
    with np.load(evidence.run.seeds, allow_pickle=False) as file:
        answers = file["probability_cnn"]
    areas = [roc_auc_score(evidence.test(evidence.labels), evidence.test(answer)) for answer in answers]
    spread = results["seeds"]["models"]["cnn"]["roc_auc"]
    assert spread["values"] == pytest.approx(areas)
    assert (spread["mean"], spread["deviation"]) == pytest.approx((np.mean(areas), np.std(areas, ddof=1)))


def test_what_the_audit_did_not_make_is_none_and_the_summary_gives_the_command(
    run: Run, results: dict[str, Any]
) -> None:
    for path in (run.shortcuts, run.robustness, run.leave_out, run.seeds):
        path.unlink()
    evidence = Evidence(run, CONFIG)
    parts = (shortcut_results, robustness_results, leave_out_results, seed_results)
    assert [part(evidence) for part in parts] == [None] * 4
    bare = results | dict.fromkeys(("shortcuts", "robustness", "leave_out", "seeds"))
    said = summary(bare)["may_not"]
    assert sum("not measured in this run" in sentence for sentence in said) == 4
    assert any("python -m scripts.pipeline run --run evaluated --set audit.leave_out=all" in s for s in said)
    assert command.audit_tables(bare) == []


# Words


def test_every_sentence_carries_its_n_and_comes_from_the_numbers(results: dict[str, Any]) -> None:
    changed = copy.deepcopy(results)
    best = changed["best"]
    changed["models"][best]["test"]["roc_auc"] = 0.4321
    for source in changed["leave_out"]["sources"]:
        source["models"][best]["recall"] = 0.123 if source["source"] == "suno" else 0.9
    said = summary(changed)
    assert "AUC 0.43 [" in said["may"][0]
    assert [s for s in said["may_not"] if s.startswith("That it catches ")] == [
        next(s for s in said["may_not"] if "suno" in s and "12% [" in s)
    ]
    for sentence in (*said["may"], *said["may_not"]):
        assert any(word in sentence for word in (" clips", " songs", "n = ")), sentence


def test_what_breaks_most_is_named_and_nothing_that_breaks_is_called_steady(results: dict[str, Any]) -> None:
    changed = copy.deepcopy(results)
    lines = changed["robustness"]["models"][changed["best"]]
    lines[0] |= {"auc": 1.0, "false_positive_rate": 0.05, "false_negative_rate": 0.05}
    accused = {"false_positive_rate": 0.4, "false_positive_interval": (0.2, 0.6), "false_positive_p": 0.02}
    missed = {"false_negative_rate": 0.9, "false_negative_interval": (0.7, 1.0), "false_positive_rate": 0.1}
    lines[1] |= {"auc": 0.99, "auc_change": -0.01, "auc_change_interval": (-0.015, 0.0)} | accused
    missed |= {"false_negative_p": 0.02, "false_positive_p": 0.2}
    lines[2] |= {"auc": 0.61, "auc_change": -0.39, "auc_change_interval": (-0.5, -0.3), "auc_change_p": 0.02} | missed
    said = summary(changed)
    steady = next(s for s in said["may"] if "at most 0.02 of AUC" in s)
    assert steady.endswith("1 of 2 changes cost it at most 0.02 of AUC, by the whole interval: mp3 64 kbit/s.")
    degraded = [s for s in said["may_not"] if "degraded" in s]
    assert "noise 20 dB SNR its AUC" in degraded[0]
    assert "mp3 64 kbit/s 40% [" in degraded[1]
    assert "noise 20 dB SNR 90% [" in degraded[2]
    lines[2] |= {"auc_change_p": 0.03, "false_negative_p": 0.03}  # the worst of two has two chances to be so by luck
    lines[1] |= {"false_positive_p": 0.03}
    assert not [s for s in summary(changed)["may_not"] if "degraded" in s]


def test_nothing_is_said_against_a_detector_without_evidence(results: dict[str, Any]) -> None:
    changed = copy.deepcopy(results)
    for line in changed["robustness"]["models"][changed["best"]]:
        line |= {"auc": 1.0, "auc_change": 0.0, "auc_change_interval": (-0.3, 0.2)}
        line |= {f"false_{kind}_rate": 0.0 for kind in ("positive", "negative")}
        line |= {f"false_{kind}_interval": (0.0, 0.2) for kind in ("positive", "negative")}
    human = changed["leave_out"]["models"][changed["best"]]["human"]
    human |= {"error": 0.0, "interval": (0.0, 0.02)}
    for source in changed["leave_out"]["sources"]:
        source["models"][changed["best"]] |= {"auc": 1.0, "auc_interval": (1.0, 1.0), "recall": 1.0}
    said = summary(changed)
    assert not any("of AUC" in sentence for sentence in said["may"]), "an interval down to -0.3 is not steady"
    for claim in ("degraded files", "new generator", "human music from elsewhere"):
        assert not any(claim in sentence for sentence in said["may_not"]), claim


def test_a_rival_is_better_equal_or_worse_by_the_paired_test_seen_from_the_best(results: dict[str, Any]) -> None:
    changed = copy.deepcopy(results)
    changed["best"] = "hybrid"
    others = [name for name in DETECTORS if name != "hybrid"]
    for pair in changed["comparisons"]:
        if "hybrid" in (pair["first"], pair["second"]):
            other = pair["second"] if pair["first"] == "hybrid" else pair["first"]
            gain, p_value = {others[0]: (0.1, 0.01), others[1]: (-0.1, 0.01)}.get(other, (0.1, 0.02))
            value = gain if pair["first"] == "hybrid" else -gain
            pair["roc_auc"] |= {"value": value, "low": value - 0.05, "high": value + 0.05, "p_value": p_value}
    said = summary(changed)
    assert any(f"higher than that of {DETECTORS[others[0]]}." in s for s in said["may"])
    assert any(f"the AUC of {DETECTORS[others[1]]} is higher" in s for s in said["may_not"])
    equal = next(s for s in said["may_not"] if "cannot be told from" in s)
    assert all(DETECTORS[name] in equal for name in others[2:]), "p = .02 is no claim for the third of five"


def test_additions_are_marked_and_the_prescribed_four_are_not() -> None:
    assert [shown(name).endswith(" (+)") for name in DETECTORS] == [False] * 4 + [True] * 2


def test_the_console_tables_hold_the_results_numbers(results: dict[str, Any]) -> None:
    unheard, degraded, facts = (rows for _, rows in command.audit_tables(results))
    first = results["leave_out"]["sources"][0]["models"]["cnn"]
    assert unheard[0]["CNN"] == f"{first['auc']:.2f}, {first['recall']:.0%}"
    assert degraded[2]["Hybrid"] == results["robustness"]["models"]["hybrid"][2]["auc"]
    assert facts[0]["files"] == results["shortcuts"]["files"]["test_auc"]
    assert next(row for row in facts if row["fact"] == "bandwidth")["as the models hear"] == ""


def test_a_figure_is_printed_for_every_part_and_the_file_is_plain_json(made: Run) -> None:
    names = ("reliability", "shortcuts", "robustness", "leave_out", "seeds", "attention_three_way")
    assert [name for name in names if not made.figure(name).is_file()] == []
    assert json.loads(made.results_file.read_text(encoding="utf-8"))["threshold_rule"]["val_clips"]["human"] == 12
