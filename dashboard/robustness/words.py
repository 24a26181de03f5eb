"""What `Robustness` says: for each question of the page an answer, rows of tables, and what each chart shows.

Answers are Markdown, foreign names through `literal`. Rows, one dictionary each, and the charts' alternatives are plain
text, for foreign names stand in them.
"""

from collections.abc import Iterator, Mapping, Sequence

from core import palette
from core.artifacts import Run
from core.errors import printable
from core.metrics.claims import claims
from dashboard.drawing import theme
from dashboard.reading.results import Measurement, Model, Results
from dashboard.reading.robustness import (
    ChangedSound,
    ChangeScores,
    Fact,
    HeldOutSource,
    LeaveOut,
    Overall,
    Robustness,
    Shortcut,
    Spread,
)
from dashboard.sentences import chart_alt, counted, decimals, literal, percent, percents, signed

MISSING = {  # what makes a part that is not there
    "shortcuts": "",
    "robustness": "--set audit.robustness_clips=200",
    "leave_out": "--set audit.leave_out=all",
    "seeds": "--set train.seeds=5",
}
KNOWN = {"files": "facts about files", "heard": "facts about sound as given"}
ERRORS, AREA = "Both error rates", "AUC"
CALLED = "Called AI"
SOURCES_BY, CHANGES_BY = ({name: name for name in names} for names in ((CALLED, AREA), (ERRORS, AREA)))


def command_for(run: Run, part: str) -> str:
    """Return what to type to make a part of the audit."""
    return run.command(MISSING[part])


def auc_text(area: Measurement) -> str:
    """Return an AUC with its interval in two decimals, which do not break: `0.94 [0.90, 0.97]`."""
    return decimals(area, 2)


# Worse than at home


def errs_more_on_new_sources(leave_out: LeaveOut, model: Model) -> bool:
    """Tell whether an error rate is above that on known sources, by the whole of both intervals."""
    overall = leave_out.models[model.key]
    pooled = {"human": overall.human, "ai": overall.ai}
    return any(
        part.error.low > model.scores[f"recall_{label}"].complement.high for label, part in pooled.items() if part
    )


def cost(changed: Sequence[ChangeScores]) -> int:
    """Count the changes that cost a detector AUC, by the paired test of each, corrected for how many there are."""
    return sum(claim < 0 for claim in claims(line.loss.compared for line in changed))


def errs_more(line: ChangeScores, clean: ChangeScores) -> bool:
    """Tell whether an error rate is above that on unchanged clips, by the whole of both intervals."""
    return line.missed.low > clean.missed.high or line.called_ai.low > clean.called_ai.high


# Is it the music or the file?


def music_or_file(robustness: Robustness, model: Model) -> str:
    """Say what a classifier without music reaches, and whether a detector does better."""
    if robustness.shortcuts is None:
        return ""
    files, heard = robustness.shortcuts["files"], robustness.shortcuts["heard"]
    reached = (
        f"A classifier that hears no music has AUC **{auc_text(files.area)}** from facts about the files, and "
        f"**{auc_text(heard.area)}** from facts about the sound that the detectors are given"
    )
    detector = f"The {model.name} has {auc_text(model.scores['roc_auc'])}"
    return f"**{_shortcut_answer(files, heard)}** {reached}. {detector}, {_ahead(files, heard, model)}."


def _shortcut_answer(files: Shortcut, heard: Shortcut) -> str:
    if not heard.area.supported or not files.area.supported:
        return "Too few songs were tested to say."
    if heard.area.low > 0.5:
        return "It may partly be the file."
    if files.area.low > 0.5:
        return "The files differ, but it was not found to reach the detectors."
    return "No shortcut of this kind was found."


def _ahead(files: Shortcut, heard: Shortcut, model: Model) -> str:
    ahead = [claim > 0 for claim in claims(shortcut.gains[model.key].compared for shortcut in (files, heard))]
    said = {
        (True, True): "clearly more than either",
        (False, True): "clearly more than the second only",
        (True, False): "clearly more than the first only",
    }
    return said.get((ahead[0], ahead[1]), "not clearly more than either")


def shortcut_advice(robustness: Robustness) -> list[str]:
    """Return what gives the classes away and what to do about it, as plain text; what is of one kind says of which."""
    if robustness.shortcuts is None:
        return []
    files, heard = (robustness.shortcuts[kind].advice[1:] for kind in ("files", "heard"))  # the first repeats the AUC
    both = [said for said in files if said in heard]
    by_kind = {"Files": files, "Sound as given": heard}
    told = [f"{kind}. {said}" for kind, all_said in by_kind.items() for said in all_said if said not in both]
    return [said.replace("`", "") for said in (*told, *both)]


def shortcut_rows(robustness: Robustness, results: Results) -> list[dict[str, str]]:
    """Return every detector's AUC and how far it is above the classifiers without music; those come last."""
    shortcuts = robustness.shortcuts or {}
    gains = {kind: f"Above {KNOWN[kind]}" for kind in shortcuts}
    rows = [
        {"": model.name, "AUC": decimals(model.scores["roc_auc"])}
        | {title: signed(shortcuts[kind].gains[model.key].value, 2) for kind, title in gains.items()}
        for model in results.models
    ]
    return rows + [
        {"": f"No music: {KNOWN[kind]}", "AUC": decimals(shortcut.area)} | dict.fromkeys(gains.values(), "–")
        for kind, shortcut in shortcuts.items()
    ]


def fact_rows(robustness: Robustness) -> list[dict[str, str]]:
    """Return every fact's AUC on validation and test, of the files and of the sound given to the detectors."""
    facts = {
        kind: {fact.title: fact for fact in shortcut.facts} for kind, shortcut in (robustness.shortcuts or {}).items()
    }
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
    values = ", ".join(f"{title} {auc_text(area)}" for title, area in without_music.items())
    return f"{chart_alt(results, 'roc_auc', 'AUC')}. Without music: {values}"


def fact_alt(files: Sequence[Fact], heard: Sequence[Fact]) -> str:
    """Say what the chart of facts shows."""
    given = {fact.name: f" ({fact.test_auc:.2f} of the sound as given)" for fact in heard}
    told = ", ".join(f"{fact.title} {fact.test_auc:.2f}{given.get(fact.name, '')}" for fact in files)
    return f"Test AUC of single facts about the files: {told}"


# Does it hold for a generator it never heard?


def never_heard(robustness: Robustness, model: Model) -> str:
    """Say what a detector makes of sources that it never heard, beside those that it knows."""
    if robustness.leave_out is None:
        return ""
    overall = robustness.leave_out.models[model.key]
    said = [
        "**Less well.**" if errs_more_on_new_sources(robustness.leave_out, model) else "**No clear loss was found.**"
    ]
    if overall.ai:
        known, caught = model.scores["recall_ai"], overall.ai.error.complement
        said.append(
            f"From {counted(overall.ai.sources, 'AI source')} it never heard, the {model.name} catches "
            f"**{percents(caught)}** of {counted(overall.ai.n, 'clip')} ({counted(overall.ai.songs, 'song')}), "
            f"instead of {percents(known)} from sources it knows.{_weakest(robustness.leave_out, model)}"
        )
    if overall.human:
        known = model.scores["recall_human"].complement
        said.append(
            f"Of {counted(overall.human.n, 'human clip')} from {counted(overall.human.sources, 'source')} "
            f"it never heard it calls **{percents(overall.human.error)}** AI, instead of {percents(known)}."
        )
    return " ".join([*said, *_stricter(overall, model)])


def _stricter(overall: Overall, model: Model) -> Iterator[str]:
    """Say what a threshold for new human sources does, where one was chosen."""
    if overall.strict is None:
        return
    caught = f" and catch {percents(overall.strict.ai.error.complement)} of those AI clips" if overall.strict.ai else ""
    yield (
        f"A stricter threshold, {overall.strict.threshold:.3g} instead of {model.threshold:.3g}, chosen on human "
        f"sources held out in turn, would call {percents(overall.strict.human.error)} of them AI{caught}."
    )


def _weakest(leave_out: LeaveOut, model: Model) -> str:
    source = min(leave_out.of("ai"), key=lambda source: source.models[model.key].right.value)
    right = source.models[model.key].right
    return f" Fewest of {literal(source.name)}: {percents(right)}, n = {source.n}." if right.value < 1 else ""


def measured(label: str, measure: str) -> str:
    """Say what the chart of one class's sources measures."""
    if measure == AREA:
        return "AUC against the other class"
    return {"ai": "share of clips caught", "human": "share of clips called AI"}[label]


def how_held_out(robustness: Robustness, model: Model) -> str:
    """Say how the sources were held out, and how to read the charts."""
    share = robustness.leave_out.share if robustness.leave_out else 1.0
    trained = f"with {share:.0%} of the schedules of autoencoder, transformer and CNN, " if share < 1 else ""
    return (
        f"Large marks: {model.name}, hardest source first. Small circles: the other detectors. Dashed: the same figure "
        f"on sources it knows. Each source in turn was left out of training and validation, everything trained again "
        f"{trained}and the threshold chosen anew."
    )


def ranked(sources: Sequence[HeldOutSource], model: Model, measure: str) -> list[HeldOutSource]:
    """Return sources with the ones a detector finds hardest first."""
    scores = {source.name: source.models[model.key] for source in sources}
    return sorted(sources, key=lambda s: (scores[s.name].area if measure == AREA else scores[s.name].right).value)


def source_rows(leave_out: LeaveOut, models: Sequence[Model], measure: str) -> list[dict[str, str]]:
    """Return one row per held-out source, with every detector's figure; plain text."""
    return [
        {
            "Class": f"{palette.SIGNS[source.label]} {theme.NAMES[source.label]}",
            "Source": printable(source.name),
            "Clips": f"{source.n:,}",
            "Songs": f"{source.songs:,}",
        }
        | {model.name: _source_cell(source, model, measure) for model in models}
        for source in leave_out.sources
    ]


def source_alt(sources: Sequence[HeldOutSource], model: Model, measure: str) -> str:
    """Say what the chart of one class's sources shows."""
    kind = theme.NAMES[sources[0].label]
    what = "AUC" if measure == AREA else "share of clips called AI"
    values = ", ".join(f"{printable(source.name)} {_source_cell(source, model, measure)}" for source in sources)
    return f"{kind} sources never heard, {what} by the {model.name}, with intervals: {values}"


def _source_cell(source: HeldOutSource, model: Model, measure: str) -> str:
    scores = source.models[model.key]
    return auc_text(scores.area) if measure == AREA else percents(scores.called_ai(source.label))


# Does it hold after re-encoding?


def after_changes(robustness: Robustness, model: Model) -> str:
    """Say what changes to the sound cost a detector, and which costs most."""
    if robustness.changes is None:
        return ""
    changes = robustness.changes
    clean, changed = changes.models[model.key][0], dict(zip(changes.names, changes.models[model.key], strict=True))
    changed.pop(changes.names[0])
    costly = cost(list(changed.values()))
    if not clean.area.supported:
        answer = "**Too few songs were tested to say.**"
    elif not costly:
        answer = f"**In rank, yes.** None of {len(changed)} changes clearly costs the {model.name} AUC."
    else:
        worst = min(changed, key=lambda name: changed[name].area.value)
        answer = (
            f"**Not after every change.** {costly} of {len(changed)} clearly cost the {model.name} AUC, most "
            f"{literal(worst)}: **{auc_text(changed[worst].area)}** instead of {auc_text(clean.area)}."
        )
    return f"{answer} {_worst_errors(changes, changed, clean)}"


def _worst_errors(changes: ChangedSound, changed: Mapping[str, ChangeScores], clean: ChangeScores) -> str:
    worse = sum(errs_more(line, clean) for line in changed.values())
    missed = max(changed, key=lambda name: changed[name].missed.value)
    called = max(changed, key=lambda name: changed[name].called_ai.value)
    return (
        f"{f'At its threshold it clearly errs more after {worse}. ' if clean.area.supported else ''}"
        f"It misses up to **{percents(changed[missed].missed)}** of the AI clips "
        f"({literal(missed)}; unchanged {percent(clean.missed.value)}) and calls up to "
        f"**{percents(changed[called].called_ai)}** of the human clips AI ({literal(called)}; unchanged "
        f"{percent(clean.called_ai.value)})."
    )


def seen_changes(robustness: Robustness) -> str:
    """Say whether the detectors had met such changes in training."""
    if robustness.copies:
        return (
            f"The detectors were trained on {counted(robustness.copies, 'degraded version')} of each clip too: "
            "only pitch, reverberation and cuts were new to them."
        )
    return "The detectors were trained on unchanged clips only (compare: `--set train.waveform_copies=2`)."


def change_title(changes: ChangedSound, model: Model, measure: str) -> str:
    """Return the title over the charts of changes."""
    if measure == AREA:
        return f"**AUC of the {model.name}** ({counted(changes.n, 'test clip')}, {counted(changes.songs, 'song')})"
    human, ai = (
        f"{theme.MARKS[label]} {said} (n = {changes.clips[label]})"
        for label, said in (("human", "Human called AI"), ("ai", "AI missed"))
    )
    return f"**Errors of the {model.name} at its threshold**: {human}, {ai}; {counted(changes.songs, 'song')}"


def change_key(measure: str) -> str:
    """Say how the charts of changes are read."""
    others = " Small circles: the other detectors. Dotted: a coin." if measure == AREA else ""
    return f"Dashed: the same clips unchanged.{others} Thresholds stay where clean validation clips put them."


def detector_rows(changes: ChangedSound, models: Sequence[Model]) -> list[dict[str, str]]:
    """Return one row per detector: what the changes cost it; plain text."""
    return [_detector_row(changes, model) for model in models]


def _detector_row(changes: ChangedSound, model: Model) -> dict[str, str]:
    clean, *changed = changes.models[model.key]
    worst = min(changed, key=lambda line: line.area.value)
    called, missed = (max(getattr(line, field).value for line in changed) for field in ("called_ai", "missed"))
    return {
        "Detector": model.name,
        "AUC unchanged": auc_text(clean.area),
        "AUC at worst": auc_text(worst.area),
        "Changes that cost AUC": f"{cost(changed)} of {len(changed)}",
        f"{palette.SIGNS['human']} Human called AI": f"{percent(clean.called_ai.value)} → {percent(called)}",
        f"{palette.SIGNS['ai']} AI missed": f"{percent(clean.missed.value)} → {percent(missed)}",
    }


def change_rows(changes: ChangedSound, model: Model) -> list[dict[str, str]]:
    """Return one row per change with all of one detector's figures; plain text."""
    return [
        {
            "Change": printable(name),
            "AUC": auc_text(line.area),
            "AUC lost or won": signed(line.loss.value, 2) if place else "–",
            f"{palette.SIGNS['human']} Human called AI": percents(line.called_ai),
            f"{palette.SIGNS['ai']} AI missed": percents(line.missed),
        }
        for place, (name, line) in enumerate(zip(changes.names, changes.models[model.key], strict=True))
    ]


def change_alt(changes: ChangedSound, lines: Sequence[int], model: Model, measure: str) -> str:
    """Say what a chart of some of the changes shows."""
    what = "AUC" if measure == AREA else "Human clips called AI and AI clips missed"
    values = ", ".join(
        f"{printable(changes.names[n])} {_change_cell(changes.models[model.key][n], measure)}" for n in (0, *lines)
    )
    return f"{what} by the {model.name} after each change, with intervals: {values}"


def _change_cell(line: ChangeScores, measure: str) -> str:
    return auc_text(line.area) if measure == AREA else f"{percents(line.called_ai)} and {percents(line.missed)}"


# How much is luck of the seed?


def luck(robustness: Robustness, model: Model) -> str:
    """Say how far a detector's AUC moves with the seed."""
    if robustness.seeds is None:
        return ""
    spread, times = robustness.seeds.models[model.key]["roc_auc"], len(robustness.seeds.seeds)
    if spread.deviation is None:
        return f"**One training only**: AUC {spread.mean:.3f} on {counted(robustness.seeds.n, 'test clip')}."
    return (
        f"**By {spread.deviation:.3f}** (standard deviation): trained {times} times with other seeds, the {model.name} "
        f"has AUC {spread.mean:.3f} on average on {counted(robustness.seeds.n, 'test clip')}, "
        f"from {min(spread.values):.3f} to {max(spread.values):.3f}."
    )


def seed_rows(robustness: Robustness, models: Sequence[Model]) -> list[dict[str, str]]:
    """Return one row per detector with its spread over the trainings."""
    spreads = robustness.seeds.models if robustness.seeds else {}
    titles = {"roc_auc": "AUC", "accuracy": "Accuracy"}
    return [
        {"Detector": model.name} | {title: _spread(spreads[model.key][field]) for field, title in titles.items()}
        for model in models
        if spreads
    ]


def _spread(spread: Spread) -> str:
    deviation = "" if spread.deviation is None else f" ± {spread.deviation:.3f}"
    return f"{spread.mean:.3f}{deviation} ({min(spread.values):.3f} to {max(spread.values):.3f})"


def seed_alt(robustness: Robustness, models: Sequence[Model]) -> str:
    """Say what the chart of trainings shows."""
    values = ", ".join(f"{row['Detector']} {row['AUC']}" for row in seed_rows(robustness, models))
    return f"AUC over trainings with other seeds, mean, deviation and range: {values}"
