"""Make the run that ships with the project from an evaluated one: its detectors and results, no audio.

python -m scripts.ship --run NAME [--to FOLDER]

Weights are rounded, every clip is answered anew with the rounded ones, and the evaluation is made again on these
answers. What the audit found (degraded files, sources never heard, shortcuts, seeds) is taken over; results.json and
the model card say so. Detect and the dashboard use the run on a fresh clone, before anything is trained.
"""

import argparse
import re
import shutil
import sys

if __name__ == "__main__":
    from scripts import environment

    environment.adopt()  # before torch is loaded

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core import storage
from core.artifacts import CHECKPOINTS, DETECTORS, FUSIONS, Run, open_run
from core.config import Config
from core.errors import ArtifactError, ConfigError, DetectorError, printable
from core.evaluation import summary
from core.metrics.ranking import roc_auc
from core.phases import evaluate
from core.phases.baselines import probability_of_ai, read_fine_spectrum
from core.phases.hybrid import fusion_outputs
from core.pipeline import NAMES
from core.storage import Array
from core.training import checkpoints
from core.training.batches import predict
from core.verdict.detector import BATCH, Detector
from core.verdict.run import PRETRAINED
from scripts.ship_card import Material, material, model_card

MAX_BYTES = 25_000_000
BLOCK = 256  # clips whose filterbanks are in memory at once
# Parts of the results that rounding is not measured on again: they would need the audio, or other trainings.
TAKEN_OVER = (
    "reconstruction", "shortcuts", "robustness", "leave_out", "seeds", "end_to_end", "autoencoder_variants", "phases",
)  # fmt: skip
AS_THEY_ARE = ("clips_table", "skipped_table", "front_end", "ae_losses", "map", "artefact_reference")
TEXTS = (".json", ".csv", ".md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    top = argparse.ArgumentParser(
        prog="python -m scripts.ship", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--run", required=True, metavar="NAME", help="an evaluated run")
    top.add_argument("--to", type=Path, default=PRETRAINED, metavar="FOLDER", help="by default artifacts/pretrained")
    options = top.parse_args(arguments)
    try:
        shipped = ship(open_run(options.run), options.to)
    except DetectorError as error:
        print(error, file=sys.stderr)
        return 2
    for line in report(shipped):
        print(line)
    return 0


def ship(run: Run, folder: Path) -> Run:
    """Write what ships of a run into a folder; an earlier shipped run there is replaced, all of it or not at all.

    Raises
    ------
    ArtifactError : the run is not evaluated, is a demo or itself a shipped one, or is too large to ship.
    ConfigError : the folder holds something else.
    """
    folder = folder.absolute()
    storage.mend_folder(folder)
    _check(run, folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        made, work = Run(partial / folder.name), Run(partial / "work" / folder.name)
        _write(run, made, work)
        _check_size(made)
        _check_texts(run, made)
        storage.replace_folder(made.folder, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Run(folder)


def _check(run: Run, folder: Path) -> None:
    _, _, demo = run.read_description()
    run.read_results()
    if run.shipped or demo:
        problem = "is a shipped run already" if run.shipped else "is a demo, whose models know nothing of real music"
        raise ArtifactError(run.folder, problem, "Name a run that was trained on real clips")
    if folder.exists() and any(folder.iterdir()) and not Run(folder).shipped:
        raise ConfigError(f"--to {folder}", "it holds something else than a shipped run", "Name an empty folder")


def _write(run: Run, made: Run, work: Run) -> None:
    """Write the run that ships; `work` is a place for the evaluation's files that do not."""
    _, config, _ = run.read_description()
    plain = replace(config, transformer=replace(config.transformer, weights=_name(config.transformer.weights)))
    for target in (made, work):
        target.write_description({"root": "", "human": "", "ai": "", "manifest": ""}, plain, demo=False)
    for name in CHECKPOINTS:
        _round(run, made, f"{name}_best")
    for name in AS_THEY_ARE:
        _copy(getattr(run, name), getattr(made, name))
    for history in (run.folder / "history").glob("*.csv"):
        _copy(history, made.folder / "history" / history.name)
    for name in NAMES:
        _record(run, made, name)
    storage.write_json(made.transformer_note, _note(run, config))
    evaluate_rounded(run, made, work, plain)


def _name(weights: str) -> str:
    """Return the name of pretrained weights without the folder they lie in."""
    return Path(weights).name if Path(weights).is_absolute() else weights


def _note(run: Run, config: Config) -> dict[str, Any]:
    folder = config.transformer.weights
    note = storage.read_json(run.transformer_note, run.remedy("transformer"))
    plain = {key: value.replace(folder, _name(folder)) if isinstance(value, str) else value
             for key, value in note.items()}  # fmt: skip
    return plain | {"modes": [note["mode"]]}  # of the other mode, embeddings do not ship


def _round(run: Run, made: Run, name: str) -> None:
    content = checkpoints.read(run.checkpoint(name), run.remedy(CHECKPOINTS[name.removesuffix("_best")]))
    transformer = content["config"]["transformer"]
    transformer = transformer | {"weights": _name(transformer["weights"])}
    config = content["config"] | {"transformer": transformer}
    checkpoints.save_rounded(made.checkpoint(name), content | {"config": config})


def _record(run: Run, made: Run, phase: str) -> None:
    """Keep what a phase took; of its files most do not ship."""
    if record := run.read_record(phase):
        made.write_record(replace(record, settings={}, inputs={}, outputs={}))


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


# Answers of the rounded weights


def evaluate_rounded(run: Run, made: Run, work: Run, config: Config) -> None:
    """Answer every clip of the run with the rounded weights and evaluate the answers."""
    before = {name: _probabilities(run, name) for name in DETECTORS}
    _answer(run, made, work)
    for path in (run.clips_table, run.skipped_table, run.ae_losses, run.fine_spectrum, run.leave_out):
        _copy(path, work.folder / run.relative(path))
    _copy(made.transformer_note, work.transformer_note)
    evaluate.run(work, config, "")
    after = {name: _probabilities(work, name) for name in DETECTORS}
    results = _results(run, work.read_results(), before, after)
    for path in (work.comparison_table, work.comparison_json, work.predictions, work.attention_weights, work.scope):
        _copy(path, made.folder / work.relative(path))
    storage.write_json(made.results_file, results)
    card = model_card(results, _material(run))
    storage.write_atomic(made.card, lambda file: file.write(card.encode()))


def _answer(run: Run, made: Run, work: Run) -> None:
    """Write what the rounded models make of every clip, as the phases do: whole for `work`, small for `made`."""
    clips, detector = run.read_dataset(), Detector(made)
    models, device = detector.models, detector.device
    latents, embeddings = _embed(run, detector, clips.log_mel)
    fine = read_fine_spectrum(run)
    inputs = {"cnn": clips.log_mel, "ae_classifier": latents, "transformer_classifier": embeddings,
              "fine_spectrum": fine}  # fmt: skip
    names = run.clip_ids(clips.clips)
    baselines = dict(names)
    for name, values in inputs.items():
        answers = probability_of_ai(name, models[name], values, device)
        baselines |= run.split_arrays(clips.clips, answers, f"{name}_")
    fusion = _all_arrays(run.fusion, run.remedy("hybrid"))  # of the plain concatenation, which does not ship
    for name, branches in FUSIONS.items():
        outputs = fusion_outputs(models[name], (latents, embeddings, fine)[: len(branches)], device)  # type: ignore[arg-type]
        for key, values in outputs.items():
            fusion |= run.split_arrays(clips.clips, values, f"{name}_{key}_")
    embedding_arrays = run.split_arrays(clips.clips, embeddings)
    all_embeddings = _all_arrays(run.transformer_embeddings, run.remedy("transformer"))
    storage.write_npz(work.ae_latents, names | run.split_arrays(clips.clips, latents))
    storage.write_npz(work.transformer_embeddings, all_embeddings | embedding_arrays)
    small = {made.ae_latents: _halved(run.split_arrays(clips.clips, latents)),
             made.transformer_embeddings: _halved(embedding_arrays)}  # fmt: skip
    fused = {name: values for name, values in fusion.items() if "_fused_" in name}
    shipped = _halved({name: values for name, values in fused.items() if name.startswith(tuple(FUSIONS))})
    slim = {name: values for name, values in fusion.items() if name not in fused} | shipped
    for target, arrays in {
        work.fusion: fusion, work.baseline_probabilities: baselines,
        made.fusion: slim, made.baseline_probabilities: baselines,
        **{path: names | arrays for path, arrays in small.items()},
    }.items():  # fmt: skip
        storage.write_npz(target, arrays, compresslevel=9)


def _embed(run: Run, detector: Detector, log_mel: Array) -> tuple[Array, Array]:
    """Return the autoencoder's latent and the transformer's embedding of every clip."""
    filterbanks, models = storage.read_npy(run.filterbank, run.remedy("prepare")), detector.models
    encode, transformer = models["ae_multitask"].encode, models["transformer"]
    (latents,) = predict(
        lambda x: (encode(x),),  # type: ignore[operator]
        [torch.from_numpy(log_mel).unsqueeze(1)], detector.device, BATCH, "latents",
    )  # fmt: skip
    parts: list[torch.Tensor] = []
    for start in range(0, len(log_mel), BLOCK):
        block = torch.from_numpy(filterbanks[start : start + BLOCK].astype(np.float32))
        parts += predict(lambda x: (transformer(x).embedding,), [block], detector.device, BATCH, f"clips from {start}")
    return latents.numpy(), torch.cat(parts).numpy()


def _all_arrays(path: Path, remedy: str) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
    return storage.read_npz(path, names, remedy)


def _halved(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: values.astype(np.float16) for name, values in arrays.items()}


def _probabilities(run: Run, name: str) -> Array:
    if name in FUSIONS:
        return run.read_splits(run.fusion, "hybrid", f"{name}_probability_")
    return run.read_splits(run.baseline_probabilities, "baselines", f"{name}_")


# Results


def _results(
    run: Run, results: dict[str, Any], before: Mapping[str, Array], after: Mapping[str, Array]
) -> dict[str, Any]:
    """Return the evaluation of the rounded weights, with what is taken over from the run's and what rounding did."""
    original = run.read_results()
    taken = {name: original[name] for name in TAKEN_OVER if name in original}
    clips = run.read_clips()
    test = np.array([clip.split == "test" for clip in clips])
    labels = np.array([clip.label for clip in clips])[test]
    rounding = {
        name: {
            "largest_change": float(np.abs(after[name] - before[name]).max()),
            "test_auc_before": roc_auc(labels, before[name][test]),
            "test_auc": roc_auc(labels, after[name][test]),
        }
        for name in DETECTORS
    }
    shipped = {"from_run": run.name, "evaluated": original["made"], "clips": len(clips), "rounding": rounding,
               "taken_over": [name for name in taken if original[name] is not None]}  # fmt: skip
    results = results | taken | {"shipped": shipped}
    # "NAME", not this run: commands in the summary are for a run that can be gone on with
    return results | {"summary": summary.summary(results | {"run": "NAME"})}


def _material(run: Run) -> list[Material]:
    data, _, _ = run.read_description()
    return material(run.read_clips(), Path(data["root"]) / data["manifest"] if data["manifest"] else None)


# Size and privacy


def sizes(run: Run) -> dict[str, int]:
    """Return the bytes of every file of a run by name, largest first."""
    files = {run.relative(path): path.stat().st_size for path in run.folder.rglob("*") if path.is_file()}
    return dict(sorted(files.items(), key=lambda item: -item[1]))


def _check_size(run: Run) -> None:
    bytes_of = sizes(run)
    if (total := sum(bytes_of.values())) > MAX_BYTES:
        name, largest = next(iter(bytes_of.items()))
        raise ArtifactError(
            name, f"the run is too large to ship: {total / 1e6:.1f} MB, of which {largest / 1e6:.1f} MB are this file; "
            f"at most {MAX_BYTES / 1e6:.0f} MB are allowed", "Ship a run with a smaller transformer",
        )  # fmt: skip


def _check_texts(run: Run, made: Run) -> None:
    """Refuse to ship a text that names a folder of this machine."""
    data, _, _ = run.read_description()
    private = [name for name in {data["root"], str(Path.home()), str(run.folder)} if len(name) > 1]
    absolute = re.compile(r"(?:^|[\s\"',(])(?:/(?:home|Users|root|tmp|var|mnt|work|data)/|[A-Za-z]:\\)", re.MULTILINE)
    for path in made.folder.rglob("*"):
        if path.suffix not in TEXTS:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if absolute.search(text) or any(name in text for name in private):
            problem = "it names a folder of this machine, and would be published with it"
            raise ArtifactError(made.relative(path), problem, "Make the run from a manifest with relative paths")


def report(run: Run) -> Iterator[str]:
    """Yield the lines that say how large each part is and what rounding did."""
    bytes_of = sizes(run)
    for name, size in bytes_of.items():
        if size > 50_000:
            yield f"{size / 1e6:7.2f} MB  {printable(name)}"
    small = [size for size in bytes_of.values() if size <= 50_000]
    yield f"{sum(small) / 1e6:7.2f} MB  {len(small)} smaller files"
    yield f"{sum(bytes_of.values()) / 1e6:7.2f} MB  in all, of {MAX_BYTES / 1e6:.0f} allowed"
    shipped = run.read_results()["shipped"]
    for name, change in shipped["rounding"].items():
        yield (
            f"{DETECTORS[name]}: rounding moved a probability by at most {change['largest_change']:.4f} on "
            f"{shipped['clips']} clips; test AUC {change['test_auc_before']:.4f} before, {change['test_auc']:.4f} after"
        )


if __name__ == "__main__":
    sys.exit(main())
