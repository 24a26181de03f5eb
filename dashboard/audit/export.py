"""The list of an audit as a file for a spreadsheet: rows in, CSV out."""

import csv
import io
from collections.abc import Mapping, Sequence

import pandas as pd

from core.artifacts import DETECTORS
from core.storage import harmless, stored
from dashboard.reading.annotations import Annotation

FACTS = ("path", "song", "source", "split", "label")


def as_csv(chosen: pd.DataFrame, said: Mapping[str, Sequence[Annotation]], model: str, threshold: float) -> bytes:
    """Return a list as a CSV file: facts, every detector's score and verdict, and what people said.

    A spreadsheet takes a text that begins with = + - @ or a tab for a formula; such a text (a file's name, a note) gets
    an apostrophe in front. UTF-8 with a byte order mark, as spreadsheets want it.

    Parameters
    ----------
    chosen : clips with the verdicts to be exported.
    said : by path, what is current; several people's words stand in one cell, parted by " | ".
    """
    detectors = [name for name in DETECTORS if f"p_{name}" in chosen]
    answers = [column for name in detectors for column in (f"score_{name}", f"verdict_{name}")]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FACTS, *answers, "tags", "note", "who", "when", "model", "threshold"])
    for _, clip in chosen.iterrows():
        scores = [value for name in detectors for value in (f"{clip[f'p_{name}']:.6f}", clip[f"call_{name}"])]
        facts = [harmless(stored(str(clip[name]))) for name in FACTS]
        writer.writerow([*facts, *scores, *_words(said.get(clip["path"], ())), model, f"{threshold:.6g}"])
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "surrogateescape")


def _words(said: Sequence[Annotation]) -> list[str]:
    """Return tags, notes, names and times as cells."""
    words = [annotation for annotation in said if not annotation.empty]
    columns = (
        [", ".join(annotation.tags) for annotation in words],
        [annotation.note for annotation in words],
        [annotation.who for annotation in words],
        [annotation.made for annotation in words],
    )
    return [harmless(" | ".join(column)) for column in columns]
