"""The graph of phases: what each needs, what is still valid, what must run.

The only list of phases. It loads none of them, so that pages may ask it too; a phase is imported when it runs.
"""

import importlib
import logging
import platform
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core import storage
from core.artifacts import SKIPPED_COLUMNS, PhaseRecord, Run
from core.config import Config
from core.data.places import Listing, Place, check_sources
from core.data.splits import check_enough_songs
from core.errors import PASSING, ArtifactError, ConfigError, printable
from core.machine import peak_memory_mb

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase:
    """One step of the work. Its outputs are valid as long as its settings, libraries and input files are the same."""

    name: str  # of its file in core/phases, and as `--only` takes it
    code: str  # as logs and the plan call it
    title: str  # what it does, as pages say it
    needs: tuple[str, ...]
    sections: tuple[str, ...]  # of the config
    reads: Callable[[Run], list[Path]]  # files of earlier phases
    makes: Callable[[Run], list[Path]]  # its main files, for the plan; its record names every one
    libraries: tuple[str, ...]
    version: int = 1  # raise it when the phase's code changes what it writes
    lists_clips: bool = False  # whether it is given the listing of the clips, and stands as long as that is the same


TRAINING = ("train.recipe", "train.augment", "train.seed")
BASELINES = ("cnn", "ae_classifier", "transformer_classifier", "fine_spectrum")


def _copies(run: Run, *names: str) -> list[Path]:
    """Return the degraded versions of the training clips that a run has."""
    return [path for path in (run.copies(name) for name in names) if path.exists()]


PHASES: tuple[Phase, ...] = (
    Phase(
        "prepare", "P1", "Read, check and split the clips",
        (), ("audio", "spectrogram", "split", "train.waveform_copies"),
        lambda run: [],
        lambda run: [run.clips_table, run.skipped_table, run.dataset, run.filterbank, run.fine_spectrum],
        ("numpy", "scipy", "soundfile", "soxr", "librosa"),
        version=2,
        lists_clips=True,
    ),
    Phase(
        "autoencoder", "P2a", "Train the autoencoder",
        ("prepare",), (*TRAINING, "autoencoder"),
        lambda run: [run.clips_table, run.dataset, *_copies(run, "log_mel")],
        lambda run: [run.checkpoint("ae_multitask_best"), run.ae_latents, run.ae_losses],
        ("torch",),
    ),
    Phase(
        "transformer", "P2b", "Make the transformer embeddings",
        ("prepare",), (*TRAINING, "transformer"),
        lambda run: [run.clips_table, run.filterbank, *_copies(run, "filterbank")],
        lambda run: [run.checkpoint("transformer_best"), run.transformer_embeddings],
        ("torch", "transformers"),
    ),
    Phase(
        "baselines", "P3", "Train CNN and classifiers",
        ("prepare", "autoencoder", "transformer"), (*TRAINING, "baselines"),
        lambda run: [run.clips_table, run.dataset, run.fine_spectrum, run.ae_latents, run.transformer_embeddings,
                     *_copies(run, "log_mel", "fine_spectrum")],
        lambda run: [run.checkpoint(f"{name}_best") for name in BASELINES],
        ("torch",),
        version=2,
    ),
    Phase(
        "hybrid", "P4", "Train the fusions",
        ("prepare", "autoencoder", "transformer"), (*TRAINING, "hybrid"),
        lambda run: [run.clips_table, run.dataset, run.filterbank, run.fine_spectrum, run.ae_latents,
                     run.transformer_embeddings, run.checkpoint("ae_multitask_best"),
                     run.checkpoint("transformer_best"), *_copies(run, "fine_spectrum")],
        lambda run: [run.checkpoint("hybrid_best"), run.checkpoint("three_way_best"), run.fusion],
        ("torch",),
        version=2,
    ),
    Phase(
        "audit", "P5a", "Ask the models where it is hard",
        ("prepare", "autoencoder", "transformer", "baselines", "hybrid"),
        ("audio", "audit", "train", "autoencoder", "transformer", "baselines", "hybrid"),
        lambda run: [run.clips_table, run.dataset, run.filterbank, run.fine_spectrum, run.front_end,
                     run.checkpoint("ae_multitask_best"), run.checkpoint("transformer_best"),
                     run.checkpoint("hybrid_best"), run.checkpoint("three_way_best"),
                     *(run.checkpoint(f"{name}_best") for name in BASELINES)],
        lambda run: [run.shortcuts, run.robustness],
        ("numpy", "scipy", "librosa", "soundfile", "soxr", "torch"),
    ),
    Phase(
        "evaluate", "P5", "Evaluate on the test clips",
        ("prepare", "autoencoder", "transformer", "baselines", "hybrid", "audit"),
        ("evaluation", "autoencoder", "hybrid", "audio", "train.waveform_copies", "detect"),
        lambda run: [run.clips_table, run.skipped_table, run.ae_latents, run.ae_losses, run.transformer_embeddings,
                     run.transformer_note, run.fine_spectrum, run.baseline_probabilities, run.fusion, run.shortcuts,
                     run.robustness, run.leave_out, run.seeds],
        lambda run: [run.results_file, run.comparison_table, run.predictions, run.scope],
        ("numpy", "scikit-learn"),
        version=4,
    ),
    Phase(
        "explain", "P6", "Make what the pages show of each clip",
        ("prepare", "autoencoder", "transformer", "baselines", "hybrid"),
        ("explain", "evaluation.tsne_perplexity"),
        lambda run: [run.clips_table, run.dataset, run.filterbank, run.fine_spectrum, run.ae_latents,
                     run.transformer_embeddings, run.transformer_note, run.fusion,
                     run.checkpoint("ae_multitask_best"), run.checkpoint("transformer_best"),
                     run.checkpoint("fine_spectrum_best")],
        lambda run: [run.log_mel, run.reconstructions, run.attention_maps, run.artefact_contributions, run.map],
        ("numpy", "scikit-learn", "torch", "transformers"),
    ),
)  # fmt: skip
NAMES = tuple(phase.name for phase in PHASES)


@dataclass(frozen=True)
class Status:
    """Whether a phase's outputs stand, and if not, why."""

    phase: Phase
    valid: bool
    reason: str
    damaged: tuple[Path, ...] = ()


def phase_named(name: str) -> Phase:
    """Return a phase by the name `--only` takes."""
    for phase in PHASES:
        if phase.name == name:
            return phase
    raise ConfigError(f"phase {name}", "there is no such phase", f"Choose from {', '.join(NAMES)}")


def settings_of(phase: Phase, config: Config, listing: Listing) -> dict[str, Any]:
    """Return everything but input files that a phase's outputs depend on."""
    return {
        "version": phase.version,
        "libraries": {name: version(name) for name in phase.libraries},
        "config": config.sections(phase.sections),
        **({"clips": listing.fingerprint} if phase.lists_clips else {}),
    }


def status(phase: Phase, run: Run, config: Config, listing: Listing) -> Status:
    """Compare what a phase was made from with what it would be made from now, and its files with their hashes."""
    record = run.read_record(phase.name)
    if record is None:
        return Status(phase, False, "not made yet")
    settings = settings_of(phase, config, listing)
    if record.settings != settings:
        return Status(phase, False, f"changed: {', '.join(_differences(record.settings, settings))}")
    changed = [name for name, digest in _inputs(phase, run).items() if record.inputs.get(name) != digest]
    if changed:
        return Status(phase, False, f"changed: {', '.join(changed)}")
    damaged = [run.folder / name for name, digest in record.outputs.items() if not _is_whole(run.folder / name, digest)]
    if damaged:
        names = ", ".join(run.relative(path) for path in damaged)
        return Status(phase, False, f"missing or damaged: {names}", tuple(damaged))
    if phase.lists_clips and (readable := _readable_now(run, listing)):
        return Status(phase, False, f"can be read now: {', '.join(map(printable, readable))}")
    return Status(phase, True, f"up to date, made {record.finished}")


def _differences(old: Any, new: Any, path: str = "") -> list[str]:  # noqa: ANN401 - nested plain values
    """Return the dotted names of the settings that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return [line for name in names for line in _differences(old.get(name), new.get(name), f"{path}.{name}")]
    return [] if old == new else [path.removeprefix(".").removeprefix("config.")]


def _inputs(phase: Phase, run: Run) -> dict[str, str]:
    """Return the hashes of the files a phase reads, as the phases that made them recorded them."""
    records = [record for name in phase.needs if (record := run.read_record(name))]
    made = {name: digest for record in records for name, digest in record.outputs.items()}
    return {name: made.get(name, "") for name in (run.relative(path) for path in phase.reads(run))}


def _readable_now(run: Run, listing: Listing) -> list[str]:
    """Return the files that were skipped because they could not be opened, and now can be."""
    rows = storage.read_csv(run.skipped_table, SKIPPED_COLUMNS, run.remedy("prepare"))
    return [row["path"] for row in rows if row["reason"] in PASSING and _opens(listing.root / row["path"])]


def _opens(path: Path) -> bool:
    try:
        if not path.is_file():  # opening a pipe could wait for ever
            return False
        with path.open("rb", buffering=0) as file:
            return bool(file.read(1))
    except (OSError, ValueError):
        return False


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and storage.sha256(path) == digest


def execute(
    run: Run,
    config: Config,
    place: Place,
    *,
    only: Collection[str] = (),
    force: Collection[str] = (),
    demo: bool = False,
) -> None:
    """Run the phases that are not valid, in order; skip the others and say so.

    Parameters
    ----------
    only : names of the phases to run; empty: all. What they need must then be there and valid.
    force : names of phases to run although they are valid; their files are deleted first.

    Raises
    ------
    ResourceError : another command is at work on one of the phases.
    """
    selected = [phase for phase in PHASES if not only or phase.name in only]
    for name in force:
        if phase_named(name) not in selected:
            raise ConfigError(f"--force {name}", "it is not among the phases of --only", f"Add {name} to --only")
    needed = {name for phase in selected for name in phase.needs} - {phase.name for phase in selected}
    with ExitStack() as locks:
        for name in sorted(needed):
            locks.enter_context(storage.lock(run.lock(name), shared=True))
        for phase in selected:
            locks.enter_context(storage.lock(run.lock(phase.name)))
        if len(selected) == len(PHASES):
            storage.sweep(run.folder)
        listing = place.listing(config.split)  # once: with many clips it takes a while
        for phase in PHASES:
            if phase.name in needed:
                _require(run, status(phase, run, config, listing))
        if config.audit.leave_out and config.audit.leave_out != "all":
            check_sources(config.audit.leave_out, {clip.source for clip in listing.candidates})
        check_enough_songs([clip.label for clip in listing.candidates], [clip.group for clip in listing.candidates])
        # All is checked: only now may what a run holds be deleted, and its description be another one.
        for name in force:
            _forget(run, phase_named(name))
        run.write_description(place.to_dict(), config, demo=demo)
        for phase in selected:
            _execute_phase(run, config, listing, phase)


def _execute_phase(run: Run, config: Config, listing: Listing, phase: Phase) -> None:
    """Run one phase unless its outputs are valid, and record what it made."""
    before = status(phase, run, config, listing)
    if before.valid:
        log.info("%s %s: %s, skipped", phase.code, phase.name, before.reason)
        return
    log.info("%s %s: starting (%s)", phase.code, phase.name, before.reason)
    for path in [*before.damaged, run.record(phase.name)]:
        storage.delete(path)
    settings, inputs = settings_of(phase, config, listing), _inputs(phase, run)
    module = importlib.import_module(f"core.phases.{phase.name}")
    start = time.monotonic()
    made = module.run(run, config, storage.fingerprint([settings, inputs]), *([listing] if phase.lists_clips else []))
    seconds = time.monotonic() - start
    outputs = {run.relative(path): storage.sha256(path) for path in made.files}
    record = PhaseRecord(
        phase.name,
        settings,
        inputs,
        outputs,
        round(seconds, 2),
        round(peak_memory_mb()),
        _device(),
        _now(),
        made.notes,
    )
    run.write_record(record)
    for note in made.notes:
        log.info("%s %s: %s", phase.code, phase.name, note)
    log.info("%s %s: done in %.1f s", phase.code, phase.name, seconds)


def _forget(run: Run, phase: Phase) -> None:
    """Delete what a phase made, so that it begins anew."""
    record = run.read_record(phase.name)
    for path in [*(run.folder / name for name in (record.outputs if record else ())), run.record(phase.name)]:
        storage.delete(path)


def _require(run: Run, needed: Status) -> None:
    """Refuse to build on a phase that is missing, out of date or damaged."""
    if not needed.valid:
        raise ArtifactError(f"phase {needed.phase.name}", needed.reason, run.remedy(needed.phase.name))


def _device() -> str:
    from core.device import choose_device

    return f"{choose_device().description}, {platform.machine()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def statuses(run: Run, config: Config, listing: Listing) -> Sequence[Status]:
    """Return the status of every phase, in order; what stands after an invalid phase is not valid either."""
    known: list[Status] = []
    for phase in PHASES:
        alone = status(phase, run, config, listing)
        before = [other.phase.name for other in known if not other.valid and other.phase.name in phase.needs]
        after = Status(phase, False, f"after {', '.join(before)}")
        known.append(after if alone.valid and before else alone)
    return known
