"""Write the reference run's results where they are quoted; no number there is typed.

python -m scripts.readme        the table in README.md, and the lists in artifacts/reference/WHAT_MAY_BE_SAID.md

Both follow from artifacts/reference/results.json, the one part of the run on the real clips that is in git. The two
lists are the sentences that every run ends with, made from its own numbers.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.artifacts import ADDITIONS, LABELS, ROOT
from core.errors import printable
from core.evaluation.summary import bracketed, complement
from core.metrics.intervals import with_interval

README = ROOT / "README.md"
REFERENCE = ROOT / "artifacts" / "reference" / "results.json"
SAID = REFERENCE.with_name("WHAT_MAY_BE_SAID.md")
BEGIN, END = "<!-- results: written by `python -m scripts.readme` -->", "<!-- end of results -->"

Results = Mapping[str, Any]


def main(
    arguments: Sequence[str] | None = None, *, readme: Path = README, reference: Path = REFERENCE, said: Path = SAID
) -> int:
    """Run the command: write both files; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.readme", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    results = json.loads(reference.read_text(encoding="utf-8"))
    readme.write_text(with_results(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
    said.write_text(what_may_be_said(results), encoding="utf-8")
    return 0


def with_results(readme: str, results: Results) -> str:
    """Return the README with its block of results written anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_clips(results['data'])}\n\n{results_table(results)}\n{END}{after}"


def _clips(data: Results) -> str:
    """Return what the run was made from."""
    sources = {label: len({cell["source"] for cell in data["counts"] if cell["label"] == label}) for label in LABELS}
    return (
        f"{data['clips']} clips of {data['songs']} songs, from {sources['human']} human sources and {sources['ai']} "
        "generators."
    )


def what_may_be_said(results: Results) -> str:
    """Return the page of what may and what may not be said of a run."""
    return f"# What may be said of the results\n\n{results_table(results)}\n\n{both_lists(results)}\n"


def both_lists(results: Results) -> str:
    """Return what may and what may not be said, as Markdown lists."""
    may, may_not = (
        "\n".join(f"- {sentence}" for sentence in results["summary"][which]) for which in ("may", "may_not")
    )
    may_title = "What may be said, in sentences that the program makes from these numbers:"
    return f"{may_title}\n\n{may}\n\nAnd what may not:\n\n{may_not}"


def results_table(results: Results) -> str:
    """Return every detector's figures as a Markdown table, and how it is to be read."""
    test, encoder = next(iter(results["models"].values()))["test"], results["encoder"]
    ranked = sorted(results["models"], key=lambda name: -results["models"][name]["val"]["roc_auc"])
    lines = [
        f"Test split: {test['n']} clips of {test['songs']} songs, none of them in training. "
        f"In brackets: {results['confidence']:.0%} intervals, bootstrap over songs.",
        "",
        "| Model | AUC | AI caught | Human called AI | AUC on degraded files | AUC on generators never heard "
        "| Human sources never heard, called AI |",
        "|---|---|---|---|---|---|---|",
        *(_row(results, name) for name in ranked),
        "",
        f"Sorted by validation AUC. Transformer embeddings: {encoder['description']} ({encoder['mode']}).",
        "",
        _threshold_rule(results["threshold_rule"]),
    ]
    return "\n".join(lines)


def _row(results: Results, name: str) -> str:
    """Return a detector's row."""
    model = results["models"][name]
    test = model["test"]
    cells = [
        model["name"] + (" (+)" if name in ADDITIONS else ""),
        with_interval(test["roc_auc"], test["intervals"]["roc_auc"], ".3f"),
        bracketed(test["recall_ai"], test["intervals"]["recall_ai"]),
        bracketed(1 - test["recall_human"], complement(test["intervals"]["recall_human"])),
        _degraded(results["robustness"], name),
        *_unheard(results["leave_out"], name),
    ]
    return f"| {' | '.join(cells)} |"


def _degraded(robustness: Results | None, name: str) -> str:
    """Return the mean AUC over all changes, and the worst with its name."""
    if not robustness:
        return "not measured"
    areas = [change["auc"] for change in robustness["models"][name][1:]]
    worst = min(range(len(areas)), key=areas.__getitem__)
    changes = robustness["transforms"][1:]
    return f"mean {sum(areas) / len(areas):.2f}, worst {areas[worst]:.2f} ({changes[worst]})"


def _unheard(leave_out: Results | None, name: str) -> tuple[str, str]:
    """Return AUC over generators held out in turn, and how often human sources held out in turn are accused."""
    if not leave_out:
        return "not measured", "not measured"
    overall = leave_out["models"][name]
    area, accused = "not measured", "not measured"
    if overall["ai"]:
        area = f"mean {overall['mean_auc']:.2f}, worst {overall['min_auc']:.2f} ({printable(overall['min_source'])})"
    if human := overall["human"]:
        accused = f"{bracketed(human['error'], human['interval'])} of {human['n']} clips"
    return area, accused


def _threshold_rule(rule: Results) -> str:
    """Return how each model's threshold was chosen and what the mark means."""
    human = rule["val_clips"]["human"]
    reasons = {
        "fpr": f"where at most {rule['max_fpr']:.0%} of the {human} human validation clips reach it",
        "balanced": "where it is right most often on validation, both classes counting alike",
        "fixed": f"a probability of {rule['fixed']:g}",
    }
    return (
        f"Each model calls AI what reaches its own threshold: {reasons[rule['rule']]}. Thresholds are on the "
        "models' own scale and for single clips; `scripts.detect` judges whole songs, by calibrated "
        "probabilities and the limits beside them. (+): beyond the prescribed four."
    )


if __name__ == "__main__":
    sys.exit(main())
