"""What the report alone shows as tables: typed results in, rows of plain text out.

Whoever writes HTML must escape every cell: sources, devices and settings are the user's own words. Column titles may
hold the two class marks as Markdown (`theme.MARKS`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.artifacts import DETECTORS
from core.config import Config, to_dict
from core.errors import printable
from dashboard.drawing import theme
from dashboard.reading.results import Results, estimate, number
from dashboard.reading.robustness import LeaveOut, Overall
from dashboard.reading.runs import PhaseState
from dashboard.robustness.words import auc_text
from dashboard.sentences import counted, duration, percents

Rows = list[dict[str, str]]

NOTHING = "–"


# Sources never heard


def unheard_rows(leave_out: LeaveOut, results: Results) -> Rows:
    """Return every detector's figures over the sources that were held out in turn."""
    return [_unheard(leave_out, model.key, leave_out.models[model.key]) for model in results.models]


def _unheard(leave_out: LeaveOut, key: str, over: Overall) -> dict[str, str]:
    worst = min(leave_out.of("ai"), key=lambda source: source.models[key].area.value, default=None)
    return {
        "Detector": DETECTORS[key],
        f"{theme.MARKS['ai']} AI caught": percents(over.ai.error.complement) if over.ai else NOTHING,
        f"{theme.MARKS['human']} Human called AI": percents(over.human.error) if over.human else NOTHING,
        "Mean AUC": NOTHING if over.mean_auc is None else f"{over.mean_auc:.2f}",
        "Lowest AUC": f"{auc_text(worst.models[key].area)} {printable(worst.name)}" if worst else NOTHING,
    }


# Scores as probabilities


def calibration_rows(models: Mapping[str, Any], results: Results) -> Rows:
    """Return how far every detector's scores are from probabilities, and what its uncertain band does.

    Parameters
    ----------
    models : as in results.json.
    """
    return [{"Detector": model.name} | _calibration(models[model.key]["calibration"]) for model in results.models]


def _calibration(calibration: Mapping[str, Any]) -> dict[str, str]:
    band, outcome = calibration["band"], calibration["band_result"]
    decided = outcome["n"] - outcome["inside"]
    coverage = estimate(outcome["coverage"], outcome["coverage_interval"])
    return {
        "Calibration error": f"{number(calibration['ece_before']):.3f}",
        "after scaling": f"{number(calibration['ece_after']):.3f}",
        "Uncertain between": f"{number(band['low']):.3g} and {number(band['high']):.3g}",
        "Verdict on": f"{decided:,} of {outcome['n']:,}: {percents(coverage)}",
        "Wrong among these": percents(estimate(outcome["error"], outcome["error_interval"])) if decided else NOTHING,
    }


# How it was made


def phase_rows(phases: Sequence[PhaseState]) -> Rows:
    """Return what each phase did and took."""
    return [
        {
            "Phase": phase.title,
            "Time": duration(phase.seconds) if phase.done else "to do",
            "Memory": f"{phase.peak_mb / 1000:.1f} GB" if phase.done else NOTHING,
            "Device": printable(phase.device) or NOTHING,
        }
        for phase in phases
    ]


def setting_rows(config: Config) -> Rows:
    """Return the settings that differ from their defaults."""
    chosen, default = (dict(_flat(to_dict(settings))) for settings in (config, Config()))
    return [
        {"Setting": name, "In this run": _value(value), "Default": _value(default[name])}
        for name, value in chosen.items()
        if value != default[name]
    ]


def _value(setting: object) -> str:
    return printable(str(setting)) or NOTHING


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def skipped_rows(results: Results) -> Rows:
    """Return how many files were left out, by reason."""
    return [
        {"Reason": printable(reason.replace("_", " ")), "Files": f"{n:,}"} for reason, n in results.skipped.items() if n
    ]


def reconstruction(errors: Mapping[str, Any]) -> str:
    """Say how well the autoencoder rebuilds what it never saw, beside the plainest guess."""
    rebuilt, plain = number(errors["test_mse"]), number(errors["mean_spectrogram_mse"])
    return (
        f"The autoencoder rebuilds {counted(errors['n'], 'test clip')} with a mean error of {rebuilt:.3f} "
        f"({errors['unit']}); the mean spectrogram of the training clips, taken for every clip, has {plain:.3f}."
    )
