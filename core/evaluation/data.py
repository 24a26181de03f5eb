"""What the models were trained and tested on, and how each source of the test fares."""

from typing import Any

import numpy as np

from core import storage
from core.artifacts import LABELS, SKIPPED_COLUMNS
from core.data.splits import count_table, missing_sources
from core.evaluation.evidence import Evidence
from core.metrics.operating_points import predict


def data_results(evidence: Evidence) -> dict[str, Any]:
    """Return what the models were trained and tested on."""
    clips, run = evidence.clips, evidence.run
    sources, splits = [clip.source for clip in clips], [clip.split for clip in clips]
    skipped = storage.read_csv(run.skipped_table, SKIPPED_COLUMNS, run.remedy("prepare"))
    reasons = [row["reason"] for row in skipped]
    return {
        "clips": len(clips),
        "songs": len(set(evidence.groups.tolist())),
        "skipped": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "counts": count_table(splits, evidence.labels.tolist(), sources, evidence.groups.tolist()),
        "missing": missing_sources(sources, splits),
        "native_rates": {
            label: sorted({clip.native_rate for clip in clips if clip.label == value})
            for value, label in enumerate(LABELS)
        },
    }


def source_results(evidence: Evidence) -> list[dict[str, Any]]:
    """Return, for each source of the test split, the share of its clips that each model calls rightly."""
    sources = sorted({(clip.label, clip.source) for clip in evidence.clips if clip.split == "test"})
    return [_source(evidence, label, source) for label, source in sources]


def _source(evidence: Evidence, label: int, source: str) -> dict[str, Any]:
    key = ("test", label, source)
    rows = np.array([(clip.split, clip.label, clip.source) == key for clip in evidence.clips])
    return {
        "label": LABELS[label],
        "source": source,
        "clips": int(rows.sum()),
        "songs": len(np.unique(evidence.groups[rows])),
        "right": {
            name: float((predict(values[rows], evidence.thresholds[name]) == label).mean())
            for name, values in evidence.probabilities.items()
        },
    }
