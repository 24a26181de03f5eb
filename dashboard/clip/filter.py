"""Which clips a list shows: the widgets' choices in, the rows out (SPEC U3)."""

from dataclasses import dataclass

import pandas as pd

from dashboard.sentences import SPLIT_NAMES

VERDICTS = ("all", "right", "wrong")


@dataclass(frozen=True)
class ClipFilter:
    """What is asked for; an empty choice asks for nothing in particular."""

    splits: tuple[str, ...] = ()
    label: str = ""  # `human`, `ai`
    model: str = ""  # whose verdict
    verdict: str = "all"
    sources: tuple[str, ...] = ()
    text: str = ""  # part of the file's name, letter by letter

    def apply(self, clips: pd.DataFrame) -> pd.DataFrame:
        """Return the clips asked for, row numbers kept."""
        keep = pd.Series(True, index=clips.index)
        if self.splits:
            keep &= clips["split"].isin(self.splits)
        if self.label:
            keep &= clips["label"] == self.label
        if self.sources:
            keep &= clips["source"].isin(self.sources)
        if self.verdict != "all":
            keep &= clips[f"right_{self.model}"] == (self.verdict == "right")
        if self.text:
            keep &= clips["path"].str.contains(self.text, case=False, regex=False)
        return clips[keep]


def shown(n: int, of: int, splits: tuple[str, ...]) -> str:
    """Say how many clips are shown, and what training clips are not evidence of."""
    said = f"{n:,} of {of:,} clips"
    if not splits or "train" in splits:
        said += f". {SPLIT_NAMES['train']} clips were learned from: being right on them proves nothing."
    return said
