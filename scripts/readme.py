"""Write the reference run's results into README.md: `python -m scripts.readme`. No number there is typed (SPEC E6)."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.artifacts import ADDITIONS, ROOT

README = ROOT / "README.md"
REFERENCE = ROOT / "artifacts" / "reference" / "results.json"  # of the run on the real clips; the only part in git
BEGIN, END = "<!-- results: written by `python -m scripts.readme` -->", "<!-- end of results -->"


def table(results: Mapping[str, Any]) -> str:
    """Return the README's words and table for a results file."""
    test = next(iter(results["models"].values()))["test"]
    encoder = results["encoder"]
    lines = [
        f"Test split: {test['n']} clips of {test['songs']} songs, none of them in training. "
        f"In brackets: {results['confidence']:.0%} intervals, bootstrap over songs.",
        "",
        "| Model | AUC | AI caught | Human called AI | AUC on degraded files | AUC on generators never heard "
        "| Human sources never heard, called AI |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, model in sorted(results["models"].items(), key=lambda item: -item[1]["val"]["roc_auc"]):
        found = model["test"]
        low, high = found["intervals"]["recall_human"]
        cells = [_share(found, "roc_auc", ".3f"), _share(found, "recall_ai")]
        cells += [f"{1 - found['recall_human']:.0%} [{1 - high:.0%}, {1 - low:.0%}]"]
        cells += [_degraded(results["robustness"], key), *_unheard(results["leave_out"], key)]
        name = model["name"] + (" (+)" if key in ADDITIONS else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"Sorted by validation AUC. Transformer embeddings: {encoder['description']} ({encoder['mode']})."]
    lines += [
        "",
        _reading(results),
        "",
        "What may be said, in sentences that the program makes from these numbers:",
        "",
    ]
    lines += [f"- {sentence}" for sentence in results["summary"]["may"]]
    lines += ["", "And what may not:", "", *(f"- {sentence}" for sentence in results["summary"]["may_not"])]
    return "\n".join(lines)


def _degraded(found: Mapping[str, Any] | None, key: str) -> str:
    """Return the mean AUC over all changes, and the worst with its name."""
    if not found:
        return "not measured"
    areas = [line["auc"] for line in found["models"][key][1:]]
    worst = min(range(len(areas)), key=areas.__getitem__)
    return f"mean {sum(areas) / len(areas):.2f}, worst {areas[worst]:.2f} ({found['transforms'][1 + worst]})"


def _unheard(found: Mapping[str, Any] | None, key: str) -> tuple[str, str]:
    """Return AUC over generators held out in turn, and how often human sources held out in turn are accused."""
    if not found:
        return "not measured", "not measured"
    over = found["models"][key]
    judged, accused = "not measured", "not measured"
    if over["ai"]:
        judged = f"mean {over['mean_auc']:.2f}, worst {over['min_auc']:.2f} ({over['min_source']})"
    if over["human"]:
        low, high = over["human"]["interval"]
        accused = f"{over['human']['error']:.0%} [{low:.0%}, {high:.0%}] of {over['human']['n']} clips"
    return judged, accused


def _reading(results: Mapping[str, Any]) -> str:
    """Return how each model's threshold was chosen and what the mark means."""
    rule = results["threshold_rule"]
    human = rule["val_clips"]["human"]
    reasons = {
        "fpr": f"where at most {rule['max_fpr']:.0%} of the {human} human validation clips reach it",
        "balanced": "where it is right most often on validation, both classes counting alike",
        "fixed": f"a probability of {rule['fixed']:g}",
    }
    return (
        f"Each model calls AI what reaches its own threshold: {reasons[rule['rule']]}. (+): beyond the prescribed four."
    )


def _share(found: Mapping[str, Any], field: str, form: str = ".0%") -> str:
    low, high = found["intervals"][field]
    return f"{found[field]:{form}} [{low:{form}}, {high:{form}}]"


def with_results(readme: str, results: Mapping[str, Any]) -> str:
    """Return the README with its block of results written anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(results)}\n{END}{after}"


def main(readme: Path = README, reference: Path = REFERENCE) -> int:
    """Rewrite the block; return the exit code."""
    results = json.loads(reference.read_text(encoding="utf-8"))
    readme.write_text(with_results(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
