"""The Overview's verdict in one sentence, and its cards: the headline detector at home and away."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.metrics.intervals import TOO_FEW
from dashboard.drawing import theme
from dashboard.reading.results import Measurement, Model, Results
from dashboard.reading.robustness import ChangedSound, LeaveOut, Robustness
from dashboard.robustness.words import cost, errs_more, errs_more_on_new_sources
from dashboard.sentences import auc_interval, counted

LEVELS = ((0.95, "very well"), (0.85, "well"), (0.7, "fairly well"), (0.5, "poorly"))  # by the lower end of the AUC
BROKEN = 0.5  # share of a class called wrongly from which a change defeats a threshold


def verdict(results: Results, robustness: Robustness) -> str:
    """Say at a glance how far the headline detector can be trusted: on what it knows, and beyond."""
    model = results.headline
    low = model.scores["roc_auc"].low
    if not model.scores["roc_auc"].supported:
        return f"Too few songs were tested to say how well the {model.name} tells AI from human."
    level = next((word for least, word in LEVELS if low > least), "no better than a coin")
    return (
        f"The {model.name} tells AI from human {level} on known sources, {_on_new_sources(robustness, model)} on new "
        f"ones, and {_on_changed_sound(robustness, model)} changed sound."
    )


def _on_new_sources(robustness: Robustness, model: Model) -> str:
    if robustness.leave_out is None:
        return "untested"
    overall = robustness.leave_out.models[model.key]
    if not all(part.error.supported for part in (overall.ai, overall.human) if part):
        return "on too few songs to say how well"
    return "worse" if errs_more_on_new_sources(robustness.leave_out, model) else "without clear loss"


def _on_changed_sound(robustness: Robustness, model: Model) -> str:
    if robustness.changes is None:
        return "is untested on"
    clean, *changed = robustness.changes.models[model.key]
    if any(max(line.missed.low, line.called_ai.low) >= BROKEN for line in changed):
        return "fails on some"
    if not clean.area.supported:
        return "was heard on too few songs of"
    if cost(changed) or any(errs_more(line, clean) for line in changed):
        return "errs more on some"
    return "shows no clear loss on"


@dataclass(frozen=True)
class Card:
    """The headline detector's figures under one condition. Texts are Markdown."""

    tested: str  # on how much
    shares: Mapping[str, Measurement]  # by what they are shares of
    area: str


CARDS = {  # by the part of the robustness they come from
    "": "New songs from sources it knows",
    "leave_out": "Sources it never heard",
    "robustness": "Changed sound, at worst",
}


def cards(results: Results, robustness: Robustness) -> dict[str, Card | None]:
    """Return the same figures where the headline detector is at home and where it is not; None: not measured."""
    model = results.headline
    return {
        "": _at_home(results),
        "leave_out": _away(robustness.leave_out, model) if robustness.leave_out else None,
        "robustness": _at_worst(robustness.changes, model) if robustness.changes else None,
    }


def _at_home(results: Results) -> Card:
    model = results.headline
    area = model.scores["roc_auc"]
    return Card(
        tested=f"{counted(model.n, 'test clip')}, {counted(model.songs, 'song')}",
        shares=_shares(model.scores["recall_ai"], model.scores["recall_human"].complement),
        area=f"AUC **{area.value:.3f}**; {auc_interval(area, results)}",
    )


def _away(leave_out: LeaveOut, model: Model) -> Card:
    overall = leave_out.models[model.key]
    pooled = [part for part in (overall.ai, overall.human) if part]
    clips, songs, sources = (sum(getattr(part, unit) for part in pooled) for unit in ("n", "songs", "sources"))
    mean = f"AUC **{overall.mean_auc:.2f}**, mean over AI sources" if overall.mean_auc is not None else "No AI source"
    return Card(
        tested=f"{counted(clips, 'clip')}, {counted(songs, 'song')}, {counted(sources, 'source')}",
        shares=_shares(
            overall.ai.error.complement if overall.ai else None, overall.human.error if overall.human else None
        ),
        area=mean,
    )


def _at_worst(changes: ChangedSound, model: Model) -> Card:
    _, *changed = changes.models[model.key]
    caught = min((line.missed.complement for line in changed), key=lambda share: share.value)
    accused = max((line.called_ai for line in changed), key=lambda share: share.value)
    area = min((line.area for line in changed), key=lambda area: area.value)
    return Card(
        tested=", ".join(
            (counted(changes.n, "test clip"), counted(changes.songs, "song"), counted(len(changed), "change"))
        ),
        shares=_shares(caught, accused),
        area=f"AUC **{area.value:.2f}**; "
        + (f"interval {area.low:.2f} to {area.high:.2f}" if area.supported else TOO_FEW),
    )


def _shares(caught: Measurement | None, accused: Measurement | None) -> dict[str, Measurement]:
    shares = {f"{theme.MARKS['ai']} AI caught": caught, f"{theme.MARKS['human']} Human called AI": accused}
    return {title: share for title, share in shares.items() if share}
