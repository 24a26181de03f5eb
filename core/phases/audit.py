"""What the models answer where it is hard. The evaluation turns the answers into figures.

*Shortcuts*: for every clip, what its file and its sound say without any music in it.
*Robustness*: the test clips after codecs, band limits, noise and other changes.
*Seeds* and *unseen sources*: the same trainings again, with other seeds, or without some sources (`retraining`).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from core import storage
from core.artifacts import DETECTORS, LABELS, Clip, Run
from core.audio.clips import read_clip, read_recording
from core.audio.transforms import TRANSFORMS
from core.config import Config
from core.data.places import place_of
from core.errors import ArtifactError
from core.evaluation import shortcuts
from core.features.front_end import Pictures, as_prepared, heard, pictures
from core.figures import audit as audit_figures
from core.figures.style import save_figures
from core.machine import worker_threads
from core.models.attribution import artefact_view
from core.models.fine_spectrum import FineSpectrumClassifier
from core.phases import retraining
from core.phases.phase import Made, command
from core.progress import progress
from core.storage import Array
from core.training import checkpoints
from core.verdict.detector import Detector

BLOCK = 8  # clips per file of intermediate results: what a kill can cost
SEED = 0  # of the transforms that have chance in them, and of which songs are tested


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Ask the models; write shortcuts, robustness and, where asked for, seeds and leave-one-source-out."""
    clips = run.read_clips()
    root = place_of(run.read_description()[0]).root
    config = as_prepared(run, config)
    _require_audio(root, clips)
    files = [_write_shortcuts(run, root, clips, config), *_write_artefacts(run, clips, config)]
    notes: list[str] = []
    for path in (run.robustness, run.seeds, run.leave_out):
        storage.delete(path)
    if config.audit.robustness_clips:
        files.append(_write_robustness(run, root, clips, config, fingerprint))
    if config.train.seeds > 1:
        files.append(retraining.write_seeds(run, config, fingerprint))
    if config.audit.leave_out:
        path, notes = retraining.write_leave_out(run, config, fingerprint)
        files.append(path)
    for file in run.work.glob(f"audit-{fingerprint}-*.npz"):
        file.unlink()
    return Made(files, tuple(notes))


def _require_audio(root: Path, clips: Sequence[Clip]) -> None:
    """Refuse to begin when the audio is no longer where the run was prepared from."""
    missing = [clip.path for clip in clips if not (root / clip.path).is_file()]
    if missing:
        remedy = "The audit listens to the clips again: put them back, or start a new run from where they are now"
        raise ArtifactError(root / missing[0], f"{len(missing)} of {len(clips)} audio files are gone", remedy)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(worker_threads())


# Shortcuts


def _write_shortcuts(run: Run, root: Path, clips: Sequence[Clip], config: Config) -> Path:
    """Measure what is not music in every file, and in the sound as the models hear it."""

    def measured(clip: Clip) -> tuple[list[float], list[float]]:
        recording = read_recording(root / clip.path, config.audio)
        in_file = shortcuts.measure(recording, config.audio)
        waveform = heard(recording.clip.waveform, config)
        sound = shortcuts.measure_sound(waveform[:, None], config.audio.sample_rate, config.audio)
        return [in_file[name] for name in shortcuts.FEATURES], list(sound)

    with _threads() as pool:
        rows = list(progress(pool.map(measured, clips), "shortcuts", len(clips)))
    features, sounds = (np.array(part) for part in zip(*rows, strict=True))
    names = {"names": np.array(shortcuts.FEATURES), "heard_names": np.array(shortcuts.SoundFacts._fields)}
    storage.write_npz(run.shortcuts, {"features": features, "heard": sounds, **names})
    return run.shortcuts


# Artefacts


def _write_artefacts(run: Run, clips: Sequence[Clip], config: Config) -> list[Path]:
    """Draw what the fine-spectrum detector hears in the test clips it is surest of, one human and one AI."""
    model, _ = checkpoints.load(run.checkpoint("fine_spectrum_best"), run.remedy("baselines"))
    assert isinstance(model, FineSpectrumClassifier)
    fine = storage.read_npy(run.fine_spectrum, run.remedy("prepare"))
    probability = run.read_splits(run.baseline_probabilities, "baselines", "fine_spectrum_")
    reference = human_reference(clips, fine)
    views = {}
    for label, name in enumerate(LABELS):
        rows = [clip.row for clip in clips if clip.split == "test" and clip.label == label]
        surest = max(rows, key=lambda row: probability[row] if label else -probability[row])
        view = artefact_view(model, np.array(fine[surest]), reference, config.audio.sample_rate)
        views[f"{name}: {Path(clips[surest].path).name}"] = (label, view)
    return save_figures({run.figure("artefacts"): audit_figures.plot_artefacts(views)})


def human_reference(clips: Sequence[Clip], fine: Array) -> Array:
    """Return the mean fine spectrum of the human training clips, (SIZE,)."""
    rows = [clip.row for clip in clips if clip.split == "train" and clip.label == 0]
    return np.asarray(fine[rows].mean(axis=0, dtype=np.float64), dtype=np.float32)


# Robustness


def _write_robustness(run: Run, root: Path, clips: Sequence[Clip], config: Config, fingerprint: str) -> Path:
    """Ask every detector about the tested clips, as they are and after every transform."""
    rows = tested_rows(clips, config.audit.robustness_clips)
    detector = Detector(run)
    parts = []
    for start in progress(range(0, len(rows), BLOCK), f"robustness ({BLOCK} clips a step)"):
        file = run.work / f"audit-{fingerprint}-{start:05d}.npz"
        if not file.exists():
            block = [clips[row] for row in rows[start : start + BLOCK]]
            storage.write_npz(file, _answers(detector, root, block))
        parts.append(storage.read_npz(file, list(DETECTORS), f"Delete {file} and run the phase again"))
    arrays = {f"probability_{name}": np.concatenate([part[name] for part in parts], axis=1) for name in DETECTORS}
    named = {
        "rows": np.array(rows),
        "transforms": np.array(["clean", *(transform.name for transform in TRANSFORMS)]),
        "kinds": np.array(["clean", *(transform.kind for transform in TRANSFORMS)]),
    }
    storage.write_npz(run.robustness, named | arrays)
    return run.robustness


def tested_rows(clips: Sequence[Clip], most: int) -> list[int]:
    """Return the rows of at most so many test clips, song by song in random order, both classes alike."""
    test = [clip for clip in clips if clip.split == "test"]
    rng = np.random.default_rng(SEED)
    chosen: list[int] = []
    for label in (0, 1):
        songs = sorted({clip.group for clip in test if clip.label == label})
        left = most - most // 2 if label else most // 2
        for song in rng.permutation(songs):
            rows = [clip.row for clip in test if clip.group == song and clip.label == label][:left]
            chosen += rows
            left -= len(rows)
    return sorted(chosen)


def _answers(detector: Detector, root: Path, clips: Sequence[Clip]) -> dict[str, Array]:
    """Return each detector's probabilities (1 + transforms, clips); a clip is read once for all transforms."""
    rate = detector.config.audio.sample_rate

    def versions(clip: Clip) -> list[Pictures]:
        waveform = read_clip(root / clip.path, detector.config.audio).waveform
        changed = (transform.apply(waveform, rate, SEED) for transform in TRANSFORMS)
        return [pictures(version, detector.config) for version in (waveform, *changed)]

    with _threads() as pool:
        seen = list(pool.map(versions, clips))
    flat = detector.read([seen[clip][place] for place in range(len(TRANSFORMS) + 1) for clip in range(len(clips))])
    return {name: values.reshape(len(TRANSFORMS) + 1, len(clips)) for name, values in flat.items()}


if __name__ == "__main__":
    command("audit")
