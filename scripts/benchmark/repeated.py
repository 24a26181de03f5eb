"""A run of many clips for the benchmark: an evaluated run's rows over and over, each copy with names of its own.

The copies sound alike; only their scores and places on the map are moved a little, so that as many differ as would in
a real run. Counts in results.json stay those of the run that was repeated.
"""

import shutil
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from core import storage
from core.artifacts import CLIP_COLUMNS, LABELS, PREDICTION_COLUMNS, SPLITS, Clip, Run
from core.errors import DataError
from core.storage import Array, Stream

FUSION_COLUMNS = ("path", "label", "split", "autoencoder", "transformer")
UNREAD = ("filterbank", "copies_", "transformer_cls", "robustness", "leave_out", "seeds", "shortcuts", "given_cls")
SHIFT = 0.05  # standard deviation by which a copy's log-odds move
SPREAD = 0.02  # the same for its place on the map, in shares of the map's own
BLOCK = 256  # rows of an array at a time
EDGE = 1e-7  # of a score: float32 tells nothing nearer to 0 or 1


@dataclass(frozen=True)
class Repeated:
    """Which clip of a run stands in each row of the larger one, and the how-manieth time. Both arrays (m,)."""

    clips: tuple[Clip, ...]  # of the run that is repeated
    rows: Array
    numbers: Array

    @cached_property
    def splits(self) -> Array:
        """Split of each of the run's own clips, (n,)."""
        return np.array([clip.split for clip in self.clips])

    @cached_property
    def copies(self) -> tuple[Clip, ...]:
        """The larger run's clips."""
        pairs = zip(self.rows.tolist(), self.numbers.tolist(), strict=True)
        return tuple(self._copy(row, self.clips[source], number) for row, (source, number) in enumerate(pairs))

    def _copy(self, row: int, clip: Clip, number: int) -> Clip:
        group = f"{clip.group} copy {number}" if number else clip.group
        return replace(clip, row=row, path=f"copy_{number}/{clip.path}", group=group)

    def of_split(self, split: str) -> tuple[Array, Array]:
        """Return the larger run's rows of a split, and the place of each one's source within that split."""
        in_split = np.flatnonzero(self.splits[self.rows] == split)
        first = int(np.flatnonzero(self.splits == split)[0])
        return in_split, self.rows[in_split] - first

    def moved(self, name: str, scores: Array, rows: Array) -> Array:
        """Return scores of some rows, those of copies moved a little: a detector's are moved the same everywhere."""
        rng = np.random.default_rng([ord(letter) for letter in name])
        shifts = np.where(self.numbers > 0, rng.normal(0, SHIFT, len(self.rows)), 0)[rows]
        p = np.clip(scores.astype(np.float64), EDGE, 1 - EDGE)
        odds = np.log(p / (1 - p)) + shifts
        return np.where(shifts == 0, scores, 1 / (1 + np.exp(-odds))).astype(scores.dtype)


def repeat(run: Run, folder: Path, clips: int) -> Run:
    """Write a run of at least `clips` clips under the same name to a folder; the audio is linked, not copied.

    Raises
    ------
    ArtifactError, DataError, ResourceError : the run lacks files, or the folder lacks space or knows no links.
    """
    copies = repeated(run.read_clips(), clips)
    made = Run(folder / "artifacts" / run.name)
    factor = len(copies.rows) / len(copies.clips)
    storage.check_free_space(folder, round(factor * sum(file.stat().st_size for file in _features(run))))
    _link_audio(run, made, folder / "clips", int(copies.numbers.max()) + 1)
    storage.write_csv(made.clips_table, CLIP_COLUMNS, map(astuple, copies.copies))
    for file in _features(run):
        _repeat_file(file, made.features(file.name), copies)
    _copy_rest(run, made)
    _repeat_tables(run, made, copies)
    return made


def repeated(clips: tuple[Clip, ...], wanted: int) -> Repeated:
    """Plan a run of `wanted` clips, or of as many as there are if that is more, with the splits' shares as they are."""
    splits = np.array([clip.split for clip in clips])
    counts = {split: round(max(1.0, wanted / len(clips)) * int((splits == split).sum())) for split in SPLITS}
    counts[SPLITS[0]] += max(wanted, len(clips)) - sum(counts.values())
    parts = [_cycled(np.flatnonzero(splits == split), counts[split]) for split in SPLITS]
    return Repeated(clips, np.concatenate([rows for rows, _ in parts]), np.concatenate([n for _, n in parts]))


def _cycled(rows: Array, count: int) -> tuple[Array, Array]:
    """Return rows over and over, and the how-manieth time; the last time may take only some, evenly spaced."""
    times, rest = divmod(count, len(rows))
    some = rows[np.arange(rest) * len(rows) // max(rest, 1)]
    numbers = np.append(np.repeat(np.arange(times), len(rows)), np.full(rest, times))
    return np.append(np.tile(rows, times), some), numbers


# Audio and description


def _link_audio(run: Run, made: Run, root: Path, copies: int) -> None:
    """Put a link to the clips' folder into `root` for each copy, and describe the run as listed by a manifest."""
    value = storage.read_json(run.description, run.remedy("prepare"))
    audio = Path(run.read_description()[0]["root"])
    root.mkdir(parents=True)
    try:
        for number in range(copies):
            (root / f"copy_{number}").symlink_to(audio.resolve(), target_is_directory=True)
    except OSError as error:
        remedy = "Allow links to be made (Windows: developer mode)"
        raise DataError(root, f"no link to a folder can be made ({error.strerror})", remedy) from error
    value["data"] = {"root": str(root), "human": "", "ai": "", "manifest": "manifest.csv"}
    storage.write_json(made.description, value)


# Arrays


def _features(run: Run) -> list[Path]:
    """Return the files of arrays that pages may read."""
    files = [run.log_mel, run.map, *sorted(run.features("x").parent.glob("*.np[yz]"))]  # the first two must be there
    for file in files[:2]:
        if not file.exists():
            storage.read_npy(file, run.remedy("explain"))  # says so
    return [file for file in dict.fromkeys(files) if not file.name.startswith(UNREAD)]


def _repeat_file(file: Path, to: Path, copies: Repeated) -> None:
    if file.suffix == ".npy":
        array = storage.read_npy(file, "")
        one_per_clip = len(array) == len(copies.clips)
        storage.write_npy(to, _stream(array, copies.rows) if one_per_clip else np.asarray(array))
        return
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    storage.write_npz(to, _placed(file, arrays, copies) if "rows" in arrays else _by_split(arrays, copies))


def _stream(array: Array, rows: Array) -> Stream:
    blocks = (np.asarray(array[rows[start : start + BLOCK]]) for start in range(0, len(rows), BLOCK))
    return Stream((len(rows), *array.shape[1:]), array.dtype, blocks)


def _by_split(arrays: dict[str, Array], copies: Repeated) -> dict[str, Array]:
    """Return arrays that hold one split each, named after it; scores of copies are moved a little."""
    result = dict(arrays)
    for split in SPLITS:
        rows, places = copies.of_split(split)
        for name in arrays:
            if name == split or name.endswith(f"_{split}"):
                values = arrays[name][places]
                score = values.ndim == 1 and name.removesuffix(f"_{split}") in _SCORES
                detector = name.removesuffix(f"_{split}").removesuffix("_probability")
                result[name] = copies.moved(detector, values, rows) if score else values
        if f"{split}_paths" in arrays:
            result[f"{split}_paths"] = np.array([copies.copies[row].path for row in rows])
    return result


_SCORES = {
    "cnn", "ae_classifier", "transformer_classifier", "fine_spectrum", "hybrid_probability", "three_way_probability",
}  # fmt: skip


def _placed(file: Path, arrays: dict[str, Array], copies: Repeated) -> dict[str, Array]:
    """Return arrays of the clips named in `rows`; places on a map are moved a little, or copies would hide each other.

    Test clips come first, and there are as many as the run's own settings allow.
    """
    where = np.full(len(copies.clips), -1)
    where[arrays["rows"]] = np.arange(len(arrays["rows"]))
    order = np.concatenate([copies.of_split(split)[0] for split in reversed(SPLITS)])
    rows = order[where[copies.rows[order]] >= 0][: _limit(file)]
    if file.stem == "map":
        rows = np.sort(rows)
    places, rng = where[copies.rows[rows]], np.random.default_rng(0)
    result = {name: array[places] if array.ndim > 1 else array for name, array in arrays.items()} | {"rows": rows}
    if file.stem == "map":
        for name, values in result.items():
            if values.ndim == 2:
                noise = rng.normal(0, SPREAD, values.shape) * values.std(axis=0)
                result[name] = (values + noise).astype(values.dtype)
    return result


def _limit(file: Path) -> int:
    explain = Run(file.parent.parent).read_description()[1].explain
    return explain.map_clips if file.stem == "map" else explain.attention_clips


# Tables, results, and what stays as it is


def _repeat_tables(run: Run, made: Run, copies: Repeated) -> None:
    """Write predictions, fusion weights and results.json with the copies' names."""
    results, remedy = run.read_results(), run.remedy("evaluate")
    weights = {line["path"]: line for line in storage.read_csv(run.attention_weights, FUSION_COLUMNS, remedy)}
    sources = [copies.clips[row].path for row in copies.rows]
    pairs = list(zip(copies.copies, sources, strict=True))
    lines = [(copy.path, *(weights[source][name] for name in FUSION_COLUMNS[1:])) for copy, source in pairs]
    storage.write_csv(made.attention_weights, FUSION_COLUMNS, lines)
    thresholds = {name: float(model["threshold"]) for name, model in results["models"].items()}
    storage.write_csv(made.predictions, PREDICTION_COLUMNS, _predictions(run, copies, thresholds))
    undecided = set(results["attention"]["undecided"])
    results["attention"]["undecided"] = [copy.path for copy, source in pairs if source in undecided]
    storage.write_json(made.results_file, results)


def _predictions(run: Run, copies: Repeated, thresholds: dict[str, float]) -> list[tuple[object, ...]]:
    predictions = storage.read_csv(run.predictions, PREDICTION_COLUMNS, run.remedy("evaluate"))
    place = {clip.path: row for row, clip in enumerate(copies.clips)}
    lines: list[tuple[object, ...]] = []
    for model in dict.fromkeys(line["model"] for line in predictions):
        scores = np.full(len(copies.clips), np.nan, np.float32)
        for line in predictions:
            if line["model"] == model:
                scores[place[line["path"]]] = float(line["probability"])
        moved = copies.moved(model, scores[copies.rows], np.arange(len(copies.rows)))
        for copy, score in zip(copies.copies, moved.tolist(), strict=True):
            called = LABELS[score >= thresholds[model]]
            lines.append(
                (copy.path, copy.group, copy.source, copy.split, LABELS[copy.label], model, f"{score:.9g}", called)
            )
    return lines


def _copy_rest(run: Run, made: Run) -> None:
    """Copy what is small and not one row per clip; link the checkpoints, which nothing here writes to."""
    for pattern in ("skipped.csv", "features/*.json", "results/*", "history/*", "phases/*.json"):
        for file in run.folder.glob(pattern):
            to = made.folder / file.relative_to(run.folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
    checkpoints = run.checkpoint("x").parent
    if checkpoints.is_dir():
        made.checkpoint("x").parent.symlink_to(checkpoints.resolve(), target_is_directory=True)
