"""What the audit found as rows of tables and as text alternatives of charts: plain text, for foreign names stand in it.

One dictionary per row. Every chart of the audit has its table here.
"""

from collections.abc import Mapping, Sequence

from core import palette
from core.errors import printable
from dashboard.drawing import theme
from dashboard.reading.results import Measurement, Model, Results
from dashboard.reading.robustness import ChangedSound, ChangeScores, Fact, HeldOutSource, LeaveOut, Robustness, Spread
from dashboard.robustness.words import AREA, KNOWN, of
from dashboard.sentences import chart_alt, decimals, percent, percents

# Shortcuts


def shortcut_rows(robustness: Robustness, results: Results) -> list[dict[str, str]]:
    """Return every detector's AUC and how far it is above the classifiers without music; those come last."""
    found = robustness.shortcuts or {}
    gains = {kind: f"Above {KNOWN[kind]}" for kind in found}
    rows = [
        {"": model.name, "AUC": decimals(model.scores["roc_auc"])}
        | {title: _signed(found[kind].gains[model.key]) for kind, title in gains.items()}
        for model in results.models
    ]
    return rows + [
        {"": f"No music: {KNOWN[kind]}", "AUC": decimals(shortcut.area)} | dict.fromkeys(gains.values(), "–")
        for kind, shortcut in found.items()
    ]


def fact_rows(robustness: Robustness) -> list[dict[str, str]]:
    """Return every fact's AUC on validation and test, of the files and of the sound given to the detectors."""
    facts = {kind: {fact.title: fact for fact in found.facts} for kind, found in (robustness.shortcuts or {}).items()}
    titles = dict.fromkeys(title for known in facts.values() for title in known)
    return [
        {"Fact": printable(title)}
        | {
            f"{KNOWN[kind]}, {split}": _fact_cell(known.get(title), field)
            for kind, known in facts.items()
            for split, field in (("validation", "val_auc"), ("test", "test_auc"))
        }
        for title in titles
    ]


def _fact_cell(fact: Fact | None, field: str) -> str:
    return "–" if fact is None else f"{getattr(fact, field):.2f}"


def shortcut_alt(results: Results, without_music: Mapping[str, Measurement]) -> str:
    """Say what the chart of AUCs with and without music shows."""
    values = ", ".join(f"{title} {of(area)}" for title, area in without_music.items())
    return f"{chart_alt(results, 'roc_auc', 'AUC')}. Without music: {values}"


def fact_alt(files: Sequence[Fact], heard: Sequence[Fact]) -> str:
    """Say what the chart of facts shows."""
    given = {fact.name: f" ({fact.test_auc:.2f} of the sound as given)" for fact in heard}
    told = ", ".join(f"{fact.title} {fact.test_auc:.2f}{given.get(fact.name, '')}" for fact in files)
    return f"Test AUC of single facts about the files: {told}"


# Sources never heard


def ranked(sources: Sequence[HeldOutSource], model: Model, measure: str) -> list[HeldOutSource]:
    """Return sources with the ones a detector finds hardest first."""
    own = {source.name: source.models[model.key] for source in sources}
    return sorted(sources, key=lambda s: (own[s.name].area if measure == AREA else own[s.name].right).value)


def source_rows(found: LeaveOut, models: Sequence[Model], measure: str) -> list[dict[str, str]]:
    """Return one row per held-out source, with every detector's figure; plain text."""
    return [
        {
            "Class": f"{palette.SIGNS[source.label]} {theme.NAMES[source.label]}",
            "Source": printable(source.name),
            "Clips": f"{source.n:,}",
            "Songs": f"{source.songs:,}",
        }
        | {model.name: _source_cell(source, model, measure) for model in models}
        for source in found.sources
    ]


def source_alt(sources: Sequence[HeldOutSource], model: Model, measure: str) -> str:
    """Say what the chart of one class's sources shows."""
    kind = theme.NAMES[sources[0].label]
    what = "AUC" if measure == AREA else "share of clips called AI"
    values = ", ".join(f"{printable(source.name)} {_source_cell(source, model, measure)}" for source in sources)
    return f"{kind} sources never heard, {what} by the {model.name}, with intervals: {values}"


def _source_cell(source: HeldOutSource, model: Model, measure: str) -> str:
    own = source.models[model.key]
    return of(own.area) if measure == AREA else percents(own.called_ai(source.label))


# Changed sound


def detector_rows(found: ChangedSound, models: Sequence[Model]) -> list[dict[str, str]]:
    """Return one row per detector: what the changes cost it; plain text."""
    return [_detector_row(found, model) for model in models]


def _detector_row(found: ChangedSound, model: Model) -> dict[str, str]:
    clean, *changed = found.models[model.key]
    worst = min(changed, key=lambda line: line.area.value)
    called, missed = (max(getattr(line, field).value for line in changed) for field in ("called_ai", "missed"))
    return {
        "Detector": model.name,
        "AUC unchanged": of(clean.area),
        "AUC at worst": of(worst.area),
        "Changes that cost AUC": f"{sum(line.loss.high < 0 for line in changed)} of {len(changed)}",
        f"{palette.SIGNS['human']} Human called AI": f"{percent(clean.called_ai.value)} → {percent(called)}",
        f"{palette.SIGNS['ai']} AI missed": f"{percent(clean.missed.value)} → {percent(missed)}",
    }


def change_rows(found: ChangedSound, model: Model) -> list[dict[str, str]]:
    """Return one row per change with all of one detector's figures; plain text."""
    return [
        {
            "Change": printable(name),
            "AUC": of(line.area),
            "AUC lost or won": _signed(line.loss) if place else "–",
            f"{palette.SIGNS['human']} Human called AI": percents(line.called_ai),
            f"{palette.SIGNS['ai']} AI missed": percents(line.missed),
        }
        for place, (name, line) in enumerate(zip(found.names, found.models[model.key], strict=True))
    ]


def _signed(found: Measurement) -> str:
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def change_alt(found: ChangedSound, lines: Sequence[int], model: Model, measure: str) -> str:
    """Say what a chart of some of the changes shows."""
    what = "AUC" if measure == AREA else "Human clips called AI and AI clips missed"
    values = ", ".join(
        f"{printable(found.names[n])} {_change_cell(found.models[model.key][n], measure)}" for n in (0, *lines)
    )
    return f"{what} by the {model.name} after each change, with intervals: {values}"


def _change_cell(line: ChangeScores, measure: str) -> str:
    return of(line.area) if measure == AREA else f"{percents(line.called_ai)} and {percents(line.missed)}"


# Seeds


def seed_rows(robustness: Robustness, models: Sequence[Model]) -> list[dict[str, str]]:
    """Return one row per detector with its spread over the trainings."""
    found = robustness.seeds.models if robustness.seeds else {}
    titles = {"roc_auc": "AUC", "accuracy": "Accuracy"}
    return [
        {"Detector": model.name} | {title: _spread(found[model.key][field]) for field, title in titles.items()}
        for model in models
        if found
    ]


def _spread(found: Spread) -> str:
    deviation = "" if found.deviation is None else f" ± {found.deviation:.3f}"
    return f"{found.mean:.3f}{deviation} ({min(found.values):.3f} to {max(found.values):.3f})"


def seed_alt(robustness: Robustness, models: Sequence[Model]) -> str:
    """Say what the chart of trainings shows."""
    values = ", ".join(f"{row['Detector']} {row['AUC']}" for row in seed_rows(robustness, models))
    return f"AUC over trainings with other seeds, mean, deviation and range: {values}"
