"""The model card of the run that ships, written from its results; no number in it is typed."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core.artifacts import DETECTORS, LABELS, SPLITS, Clip
from core.errors import printable
from core.evaluation.summary import area, bracketed
from core.verdict.rule import limits
from scripts.readme import both_lists, results_table

Results = Mapping[str, Any]
UNKNOWN = "not recorded"
LICENCE_COLUMNS = ("licence", "license")


class Material(NamedTuple):
    """Clips of one source, origin and licence."""

    label: str
    source: str
    origin: str
    licence: str
    clips: int


def material(clips: Sequence[Clip], manifest: Path | None) -> list[Material]:
    """Return what the clips are, counted; origins and licences are those of the manifest's columns, if it has any."""
    facts = _facts(manifest)
    counted = Counter((LABELS[clip.label], clip.source, *facts.get(clip.path, ("", UNKNOWN))) for clip in clips)
    return [Material(*names, clips=count) for names, count in sorted(counted.items())]


def _facts(manifest: Path | None) -> dict[str, tuple[str, str]]:
    """Return origin and licence by the clip's path."""
    if manifest is None or not manifest.is_file():
        return {}
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    licence = next((name for name in LICENCE_COLUMNS if rows and name in rows[0]), "")
    return {row.get("path") or "": (row.get("origin") or "", row.get(licence) or UNKNOWN) for row in rows}


def model_card(results: Results, materials: Sequence[Material]) -> str:
    """Return the card as Markdown."""
    parts = (_head(results), _training(results, materials), _figures(results), _held_out(results),
             _never(results), _making(results))  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(results: Results) -> Iterator[str]:
    data, encoder, deciding = results["data"], results["encoder"], results["verdict"]["detector"]
    trained = sum(cell["clips"] for cell in data["counts"] if cell["split"] == "train")
    yield "# Model card: the detectors that ship with this project"
    yield ""
    yield (
        f"{len(DETECTORS)} detectors of AI-generated music, made from {data['clips']} real clips of {data['songs']} "
        f"songs, {trained} of them to train on, and evaluated on {results['made'][:10]}. The {DETECTORS[deciding]} "
        "detector gives the verdict; the others stand beside it. This folder holds weights, results and no audio."
    )
    yield ""
    yield f"Transformer: {_plain(encoder['description'])}."


def _training(results: Results, materials: Sequence[Material]) -> Iterator[str]:
    yield "## Training material"
    yield ""
    yield "The clips are not part of the project. Songs are never split over training, validation and test."
    yield ""
    yield from _markdown_table(
        ("Class", "Source", "Clips: train", "val", "test", "Songs"),
        [
            (*names, *(str(_count(results, names, split, "clips")) for split in SPLITS),
             str(sum(_count(results, names, split, "songs") for split in SPLITS)))
            for names in sorted({(cell["label"], cell["source"]) for cell in results["data"]["counts"]})
        ],
    )  # fmt: skip
    yield ""
    yield "Licences, as the manifest of the clips records them; `none found` grants nothing:"
    yield ""
    yield from _markdown_table(
        ("Class", "Source", "Origin", "Licence of the material", "Clips"),
        [(part.label, part.source, part.origin, part.licence, str(part.clips)) for part in materials],
    )


def _count(results: Results, names: tuple[str, str], split: str, what: str) -> int:
    cells = results["data"]["counts"]
    return sum(cell[what] for cell in cells if (cell["label"], cell["source"], cell["split"]) == (*names, split))


def _figures(results: Results) -> Iterator[str]:
    yield "## Results"
    yield ""
    yield results_table(results)
    yield ""
    yield both_lists(results)


def _held_out(results: Results) -> Iterator[str]:
    """Yield what the detector that decides makes of each source that its models never heard."""
    name, leave_out = results["verdict"]["detector"], results["leave_out"]
    yield "## Sources never heard"
    yield ""
    if not leave_out:
        yield "Not measured."
        return
    yield (
        f"Each source was held out in turn, and models trained without it. The {DETECTORS[name]} detector, at its own "
        "threshold:"
    )
    yield ""
    rows = []
    for source in leave_out["sources"]:
        scores = source["models"][name]
        share = bracketed(scores["recall"], scores["recall_interval"])
        rows.append((source["label"], source["source"], str(source["n"]), str(source["songs"]), share,
                     area(scores["auc"], scores["auc_interval"])))  # fmt: skip
    yield from _markdown_table(("Class", "Source", "Clips", "Songs", "Called rightly", "AUC"), rows)


def _never(results: Results) -> Iterator[str]:
    yield "## What it must not be used for"
    yield ""
    yield "- To accuse anybody, to pay or not to pay, to publish or take down, or wherever there is no other evidence."
    yield "- On speech, noises or music unlike the material above; Detect says `out of scope` where it notices."
    yield "- To train or to tune a generator against."
    yield "- Commercially, without looking into the licences above."
    yield from (f"- {_plain(sentence)}" for sentence in limits(results))


def _making(results: Results) -> Iterator[str]:
    shipped = results["shipped"]
    largest = max(change["largest_change"] for change in shipped["rounding"].values())
    moved = max(abs(change["test_auc"] - change["test_auc_before"]) for change in shipped["rounding"].values())
    yield "## How it was made"
    yield ""
    yield f"    python -m scripts.ship --run {shipped['from_run']}"
    yield ""
    yield (
        "Weights are rounded: to float16, the largest matrices to 8 bits with a scale per row. That moved a "
        f"probability by at most {largest:.4f} and a test AUC by at most {moved:.4f}, over {shipped['clips']} clips "
        f"and {len(DETECTORS)} detectors. The results on validation and test clips, thresholds and the verdict's rule "
        "are those of the rounded weights. Taken over from the run before rounding: "
        f"{', '.join(name.replace('_', ' ') for name in shipped['taken_over'])}; and, among the fusion's figures, "
        "those of plain concatenation, which does not ship."
    )


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(map(_plain, row))} |"


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is: names are the user's own words."""
    safe = "".join(f"\\{c}" if c in "\\`*_<>|#" else c for c in printable(text, limit=2000))
    return safe.replace("](", "]\\(")  # no link and no image
