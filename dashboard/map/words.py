"""What the map says in words, numbers first: values in, plain text out."""

import pandas as pd

from core.errors import printable
from dashboard.drawing import theme
from dashboard.map.choice import COLOURS
from dashboard.reading.embeddings import TITLES, Agreement, EmbeddingMap
from dashboard.reading.results import Results
from dashboard.sentences import SPLIT_NAMES, counted, percent

HOW = (
    ":material/left_click: Click a mark, or take the lasso :material/lasso_select: or the box :material/select: "
    "above the map and draw it round some marks: the clips are listed here."
)
MODES = {"frozen": "frozen", "finetuned": "fine-tuned"}


def about_map(embedding_map: EmbeddingMap, embedding: str, n: int) -> str:
    """Say how the map was made and what may not be read from it, as plain text."""
    return (
        f"t-SNE of {len(embedding_map.rows):,} of {n:,} clips by one embedding ({TITLES[embedding]}), perplexity "
        f"{embedding_map.perplexity:g}; the axes have no unit. Distances between clusters and their sizes "
        "mean nothing. The neighbours below are those of the original space, not of this picture."
    )


def about_encoder(results: Results, embedding: str) -> str:
    """Say which encoder made the transformer embeddings that a map shows or that its fusion was given."""
    if embedding == "ae":
        return ""
    encoder, mode = results.encoder, embedding.removeprefix("transformer_")
    used = MODES.get(encoder.mode, encoder.mode)
    said = f"Transformer embeddings by: {printable(encoder.name)}, {MODES.get(mode, used)}"
    said += f" (the detectors use the {used} ones)." if mode in MODES and mode != encoder.mode else "."
    return said if encoder.kind == "ast-pretrained" else f"{said} It stands in for the pretrained AST."


def about_agreement(agreement: Agreement | None, shown: pd.DataFrame) -> str:
    """Say how well the classes part in the original space, with n and with what chance would give."""
    if agreement is None:
        return "Too few shown clips, or of one class only: how well the classes part cannot be said."
    by_label = ", ".join(f"{theme.NAMES[label]} {percent(share)}" for label, share in agreement.by_label.items())
    counted_n = f"{agreement.n:,} of {len(shown):,}" if agreement.n < len(shown) else f"{agreement.n:,}"
    return (
        f"{percent(agreement.share)} of the {agreement.k} nearest neighbours are of the same class ({by_label}); "
        f"chance would give {percent(agreement.chance)}. "
        f"Counted in the original space for {counted_n} shown clips, the same song left out."
    )


def about_neighbours(near: pd.DataFrame, among: pd.DataFrame, split: str) -> str:
    """Say of which classes and songs a clip's neighbours are; `near` is from `near_clips`."""
    if near.empty:
        return "There are no clips to compare with."
    counts = near["label"].value_counts()
    classes = ", ".join(f"{counts.get(label, 0)} {name}" for label, name in theme.NAMES.items())
    base = percent(float(among["label"].eq("ai").mean()))
    same = int(near["same_song"].ne("").sum())
    kind = f"{SPLIT_NAMES[split].lower()} clips" if split in SPLIT_NAMES else "clips"
    return (
        f"Of the {len(near)} nearest of {len(among):,} {kind}: {classes} "
        f"(of all of them, {base} are AI). Cosine similarity {near['similarity'].iloc[0]} to "
        f"{near['similarity'].iloc[-1]}. "
        + (f"{counted(same, 'neighbour')} of the same song." if same else "None of them is of the same song.")
    )


def about_chosen(chosen: pd.DataFrame, shown: int, model: str, name: str) -> str:
    """Say how many clips are chosen, of which classes, and on how many of them a detector is wrong."""
    counts = chosen["label"].value_counts()
    classes = ", ".join(f"{counts.get(label, 0):,} {title}" for label, title in theme.NAMES.items())
    wrong = int((~chosen[f"right_{model}"].astype(bool)).sum())
    return f"{len(chosen):,} of {shown:,} shown clips chosen: {classes}; {name} is wrong on {wrong:,}."


def map_alt(shown: pd.DataFrame, embedding: str, colour: str, agreed: str) -> str:
    """Say what the map shows, for those who cannot see it."""
    counts = shown["label"].value_counts()
    classes = ", ".join(f"{counts.get(label, 0):,} {name}" for label, name in theme.NAMES.items())
    title = f"Map of the {TITLES[embedding].lower()} embedding, coloured by {COLOURS[colour].lower()}"
    return f"{title}: {classes}. {agreed}"


def locator_alt(shown: pd.DataFrame, row: int, near: pd.DataFrame) -> str:
    """Say how many of a clip's neighbours are on the map as it is shown, and whether the clip is."""
    there = int(near.index.isin(shown.index).sum())
    place = "The selected clip" if row in shown.index else "Without the selected clip, which is not on it: the map"
    return f"{place} and {there} of its {len(near)} neighbours on the map"


def locator_key(shown: pd.DataFrame, row: int, near: pd.DataFrame) -> str:
    """Say what the marks of the still map are, as Markdown."""
    counts = near.loc[near.index.isin(shown.index), "label"].value_counts()
    marks = [f"{theme.labelled(label)} neighbours ({counts[label]})" for label in theme.NAMES if label in counts]
    cross = "×: the selected clip. " if row in shown.index else ""
    return f"{cross}{', '.join(marks)}{'. ' if marks else ''}Grey: all {len(shown):,} on the map."
