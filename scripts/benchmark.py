"""Measure every step beside the plain way to do it, on this machine (SPEC F1, F2).

python -m scripts.benchmark                        everything: about half an hour on two cores, 4 GB of temporary files
python -m scripts.benchmark read cnn --rounds 9    some steps
python -m scripts.benchmark ast --ast FOLDER       with pretrained weights instead of random ones
python -m scripts.benchmark plan --run mine        the plan's estimate beside a run that is already there
python -m scripts.benchmark dashboard --run mine   the dashboard in a browser, on that run's rows over and over

The plain way is what tutorials show: librosa one file at a time, float32 PyTorch, ASTFeatureExtractor and ASTModel one
clip at a time, in a process started the ordinary way. Ours runs as the product does, with the variables that
scripts/environment.py sets; rows with "…" give the plain way these too, so that what is left is the code's own gain.
Every way has a process of its own. A round runs all ways back to back; a ratio compares times of one round.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import soundfile as sf
import soxr
import torch
from tabulate import tabulate

from core import demo_clips, demo_songs, storage
from core.artifacts import Run, open_run
from core.audio import read_clip
from core.config import Config, with_settings
from core.data import MANIFEST_COLUMNS, Place, folders, manifest
from core.device import choose_device
from core.errors import ConfigError, DetectorError
from core.estimate import Estimate, estimate
from core.features import log_mel
from core.models import frames
from core.phases import prepare
from core.pipeline import NAMES, execute
from core.storage import Array
from scripts import benchmark_dashboard, demo
from scripts.benchmark_dashboard import TargetRow
from scripts.benchmark_models import PROBE_FOLDS, PROBE_SONGS, THREADS, ast_extractor, convolutional, embedding
from scripts.benchmark_rounds import (
    Row,
    StepError,
    Way,
    Work,
    in_rounds,
    our_environment,
    plain_environment,
    result,
    scaled,
    seconds_and_peak,
    workers,
)

CONFIG = Config()
READ_CLIPS = 128  # per round: enough that starting threads does not matter
FEWEST_CLIPS = 32  # a quarter of them must still make three splits
CLIP_BYTES = 600_000  # of a made-up file on average: stereo WAV and mono FLAC in equal parts
MUSIC_SECONDS = 60.0
KINDS = {".wav": ("human", 44_100, 2, "44.1 kHz stereo WAV"), ".flac": ("ai", 32_000, 1, "32 kHz mono FLAC")}
ALL, QUARTER = "all.csv", "quarter.csv"


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    rounds: int = 5
    clips: int = 4000  # of the data set that `memory` makes, `plan` is about and `dashboard` shows
    ast: str = ""  # folder with pretrained weights; empty: random ones
    run: str = ""  # to compare the plan with, and to show in the dashboard; empty: a demo run, the newest evaluated


@dataclass(frozen=True)
class PhaseRow:
    """A phase's expected and measured time and memory, and what is expected for the whole data set."""

    phase: str
    expected: Estimate
    measured: tuple[float, float] | None  # seconds, MB; None: the run has no such phase
    whole: Estimate

    def cells(self) -> dict[str, object]:
        """Return the row as it is printed."""
        seconds, memory = self.measured or (None, None)
        return {
            "phase": self.phase,
            "at most": f"{self.expected.seconds:,.1f} s",
            "measured": "not run" if seconds is None else f"{seconds:,.1f} s",
            "ratio": "" if seconds is None else f"{seconds / self.expected.seconds:.2f}",
            "memory": f"{self.expected.memory_mb:,.0f} MB",
            "measured so far": "" if memory is None else f"{memory:,.0f} MB",
            "whole data set, at most": f"{self.whole.seconds:,.0f} s",
            "its memory": f"{self.whole.memory_mb:,.0f} MB",
        }


class Outcome(NamedTuple):
    """What a step found."""

    rows: Sequence[Row | PhaseRow | TargetRow]
    remarks: tuple[str, ...] = ()


# Reading and storing


def make_clips(folder: Path, clips: int) -> None:
    """Write made-up music, no two clips alike, half of it in either kind of file; list all of it, and a quarter."""
    storage.check_free_space(folder, clips * CLIP_BYTES + 2 * prepare.bytes_needed(clips, CONFIG))
    rng = np.random.default_rng(0)
    music = 0.1 * demo_songs.perform(demo_songs.PALETTES[0], MUSIC_SECONDS, rng)
    rows: dict[str, list[tuple[str, int, str, str]]] = {ALL: [], QUARTER: []}
    for label, (suffix, (name, rate, channels, _)) in enumerate(KINDS.items()):
        (folder / name).mkdir()
        song, length = soxr.resample(music, demo_songs.RATE, rate), round(CONFIG.audio.seconds * rate)
        for number in range(clips // 2):
            start = rng.integers(len(song) - length)
            part = song[start : start + length] + 1e-3 * rng.standard_normal(length)
            path = f"{name}/{name}_{number:05d}{suffix}"
            sf.write(folder / path, np.outer(part, (1.0, 0.9)[:channels]), rate, subtype="PCM_16")
            for table in (ALL, QUARTER) if number < clips // 8 else (ALL,):
                rows[table].append((path, label, Path(path).stem, name))
    for table, lines in rows.items():
        storage.write_csv(folder / table, MANIFEST_COLUMNS, lines)


def plain_waveform(path: Path) -> Array:
    """Load a clip as librosa's tutorial does."""
    waveform: Array = librosa.load(path, sr=CONFIG.audio.sample_rate)[0]
    return waveform


def plain_log_mel(waveform: Array) -> Array:
    """Make a log-mel as librosa's tutorial does."""
    sizes = CONFIG.spectrogram
    power = librosa.feature.melspectrogram(
        y=waveform, sr=CONFIG.audio.sample_rate, n_fft=sizes.n_fft, hop_length=sizes.hop_length, n_mels=sizes.n_mels
    )
    decibels: Array = librosa.power_to_db(power, ref=np.max)
    return decibels


def plain_reading(folder: Path, suffix: str) -> Work:
    """Build the reading of clips to log-mels, one file after the other."""
    paths = sorted(folder.rglob(f"*{suffix}"))
    return lambda: [plain_log_mel(plain_waveform(path)) for path in paths]


def our_reading(folder: Path, suffix: str, threads: int) -> Work:
    """Build the reading of clips to log-mels as the prepare phase does it."""
    paths, pool = sorted(folder.rglob(f"*{suffix}")), ThreadPoolExecutor(threads)

    def read(path: Path) -> Array:
        return log_mel(read_clip(path, CONFIG.audio).waveform, CONFIG.audio, CONFIG.spectrogram)

    return lambda: list(pool.map(read, paths))


def plain_preparing(folder: Path, table: str, extracts: bool) -> Work:
    """Build a loop that reads the listed clips and stores the log-mels; `extracts`: AST's input too, not stored."""
    place = manifest(folder / table)
    paths = [place.root / clip.name for clip in place.candidates(CONFIG.split)]
    extractor = ast_extractor() if extracts else None

    def prepare_all() -> None:
        spectrograms = []
        for path in paths:
            waveform = plain_waveform(path)
            spectrograms.append(plain_log_mel(waveform))
            if extractor:
                extractor(waveform, sampling_rate=CONFIG.audio.sample_rate, return_tensors="np")
        with tempfile.TemporaryFile(dir=folder) as file:
            np.savez_compressed(file, X=np.stack(spectrograms))

    return prepare_all


def our_preparing(folder: Path, table: str) -> Work:
    """Build the whole prepare phase on the listed clips: checks, log-mels, AST's input, splits, both stores."""

    def prepare_all() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as artifacts:
            execute(Run(Path(artifacts) / "run"), CONFIG, manifest(folder / table), only=["prepare"])

    return prepare_all


def read(options: Options) -> Outcome:
    """Time reading clips to log-mels, and the whole of the prepare phase."""
    clips = min(options.clips, READ_CLIPS)
    with (
        tempfile.TemporaryDirectory() as name,
        workers(plain_environment(), our_environment()) as (plain, ours),
    ):
        make_clips(folder := Path(name), clips)
        ways = {}
        for suffix in KINDS:
            ways[f"plain {suffix}"] = Way(plain, plain_reading, (folder, suffix))
            ways[f"tuned {suffix}"] = Way(ours, plain_reading, (folder, suffix))
            ways[f"single {suffix}"] = Way(ours, our_reading, (folder, suffix, 1))
            ways[f"ours {suffix}"] = Way(ours, our_reading, (folder, suffix, THREADS))
        ways["plain store"] = Way(plain, plain_preparing, (folder, ALL, False))
        ways["plain both"] = Way(plain, plain_preparing, (folder, ALL, True))
        ways["ours store"] = Way(ours, our_preparing, (folder, ALL))
        times = in_rounds(options.rounds, ways)
        apart = {suffix: ours.call(largest_difference, folder, suffix) for suffix in KINDS}
    rows = [row for suffix in KINDS for row in _reading_rows(suffix, times, clips // 2, apart[suffix])]
    each = {way: scaled(seconds, 1e3 / clips) for way, seconds in times.items()}
    note = f"{clips} clips, fixed costs included; ours makes AST's input too"
    rows.append(Row("read and store a clip", "ms", each["plain store"], each["ours store"], note))
    note = "plain: ASTFeatureExtractor too"
    rows.append(Row("… with AST's input", "ms", each["plain both"], each["ours store"], note))
    return Outcome(rows)


def _reading_rows(suffix: str, times: dict[str, tuple[float, ...]], clips: int, apart: float) -> list[Row]:
    each = {way: scaled(times[f"{way} {suffix}"], 1e3 / clips) for way in ("plain", "tuned", "single", "ours")}
    note = f"{THREADS} threads; asked: 5; largest difference in dB:"
    return [
        Row(f"log-mel of a {KINDS[suffix][3]}", "ms", each["plain"], each["ours"], note, apart),
        Row("… same process, one thread", "ms", each["tuned"], each["single"]),
    ]


def largest_difference(folder: Path, suffix: str) -> float:
    """Return how far our log-mels are from librosa's at most, in dB."""
    pairs = zip(result(plain_reading, folder, suffix), result(our_reading, folder, suffix, 1), strict=True)
    return max(float(np.abs(plain - ours).max()) for plain, ours in pairs)


def memory(options: Options) -> Outcome:
    """Measure peak memory and time of preparing a quarter of the data set and all of it, in fresh processes."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        make_clips(folder := Path(name), options.clips)
        sizes = {table: len(manifest(folder / table).candidates(CONFIG.split)) for table in (QUARTER, ALL)}
        for table in sizes:
            with workers(plain_environment(), our_environment()) as (plain, ours):
                found["plain", table] = plain.call(seconds_and_peak, plain_preparing, folder, table, False)
                found["ours", table] = ours.call(seconds_and_peak, our_preparing, folder, table)
    plain_mb, our_mb = ([found[way, table][1] for table in sizes] for way in ("plain", "ours"))
    rows = [
        Row(f"peak memory, {clips:,} clips", "MB", (plain_mb[i],), (our_mb[i],), "asked: under 2,000 MB")
        for i, clips in enumerate(sizes.values())
    ]
    array = (sizes[ALL] - sizes[QUARTER]) * CONFIG.spectrogram.n_mels * frames(CONFIG) * 4 / 1e6
    growth = [max(mb[1] - mb[0], 1.0) for mb in (plain_mb, our_mb)]
    note = f"asked: at most the log-mel array's {array:,.0f} MB"
    rows.append(Row("… growth between them", "MB", (growth[0],), (growth[1],), note))
    seconds = [found[way, ALL][0] for way in ("plain", "ours")]
    note = "read and stored, once, from the first clip on; ours makes AST's input too"
    rows.append(Row(f"time, {sizes[ALL]:,} clips", "s", (seconds[0],), (seconds[1],), note))
    return Outcome(rows)


# The plan


def plan(options: Options) -> Outcome:
    """Compare the plan's estimate with a measured run, and estimate the whole data set."""
    with tempfile.TemporaryDirectory() as name:
        # What the plan keeps was measured another day: in a folder of its own it measures now.
        with workers(our_environment() | {"SMD_ARTIFACTS": name}) as (ours,):
            run = open_run(options.run) if options.run else Run(Path(name) / "demo")
            if not options.run:
                ours.call(run_demo, run.folder, options.ast)
            config, clips = run.read_description()[1], len(run.read_clips())
            expected, whole = (ours.call(estimate, config, number) for number in (clips, options.clips))
        rows = [PhaseRow(phase, expected[phase], _measured(run, phase), whole[phase]) for phase in NAMES]
        epochs = ", ".join(f"{path.stem} {_lines(path) - 1}" for path in sorted(run.history("*").parent.glob("*.csv")))
    minutes = sum(cost.seconds for cost in whole.values()) / 60
    return Outcome(
        rows,
        (
            f"{clips:,} clips measured. {options.clips:,} clips: at most {minutes:,.0f} min in all. The phases of a "
            "run share a process: measured memory is the largest so far.",
            f"Epochs until early stopping: {epochs}.",
        ),
    )


def run_demo(folder: Path, weights: str) -> None:
    """Run every phase on demo clips, as the demo does, in a folder of its own."""
    clips = demo_clips.make(folder.with_name("clips"), demo.SONGS_PER_CLASS, demo.CLIPS_PER_SONG, demo.SEED)
    settings = [*demo.DEMO_SETTINGS, *([f"transformer.weights={weights}"] if weights else [])]
    place: Place = folders(clips / demo_clips.HUMAN_FOLDER, clips / demo_clips.AI_FOLDER)
    execute(Run(folder), with_settings(CONFIG, settings), place, demo=True)


def _measured(run: Run, phase: str) -> tuple[float, float] | None:
    record = run.read_record(phase)
    return (record.seconds, record.peak_mb) if record else None


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


# The command


def cnn(options: Options) -> Outcome:
    """Time a training step and predictions of the CNN."""
    return Outcome(convolutional("cnn", min(CONFIG.baselines.cnn.batch_size, options.clips), options.rounds))


def autoencoder(options: Options) -> Outcome:
    """Time a training step and predictions of the multi-task autoencoder."""
    batch = min(CONFIG.autoencoder.recipe.batch_size, options.clips)
    return Outcome(convolutional("autoencoder", batch, options.rounds))


def ast(options: Options) -> Outcome:
    """Time the embedding of clips with the full-size Audio Spectrogram Transformer."""
    return Outcome(*embedding(options.ast, max(PROBE_FOLDS, min(PROBE_SONGS, options.clips // 8)), options.rounds))


def dashboard(options: Options) -> Outcome:
    """Time the dashboard in a browser, on a run's rows repeated to many clips, and measure its memory."""
    return Outcome(*benchmark_dashboard.measure(options.run, options.clips, options.rounds))


STEPS: dict[str, Callable[[Options], Outcome]] = {
    step.__name__: step for step in (read, memory, cnn, autoencoder, ast, plan, dashboard)
}


def machine() -> str:
    """Describe this machine in one line: everything that a time depends on."""
    abilities = torch.cpu.get_capabilities()
    native = [name for name in ("avx512_bf16", "amx_bf16", "bf16") if abilities.get(name)]
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{_cpu()}, {os.cpu_count()} cores, native bfloat16: {', '.join(native) or 'none'}; "
        f"{choose_device().description}; torch {torch.__version__}, {platform.system()}; load {load}"
    )


def _cpu() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(
        prog="python -m scripts.benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)} (default: all)")
    top.add_argument("--rounds", type=int, default=Options.rounds, metavar="N", help="repetitions (%(default)s)")
    top.add_argument("--clips", type=int, default=Options.clips, metavar="N", help="of the data set (%(default)s)")
    top.add_argument("--ast", default="", metavar="FOLDER", help="pretrained AST (default: random weights)")
    top.add_argument(
        "--run", default="", metavar="NAME", help="run for `plan` (default: a demo run) and `dashboard` (the newest)"
    )
    return top


def options_of(arguments: argparse.Namespace) -> Options:
    """Return the checked command line."""
    for step in arguments.steps:
        if step not in STEPS:
            raise ConfigError(step, "there is no such step", f"Choose from {', '.join(STEPS)}")
    for name, fewest in (("rounds", 1), ("clips", FEWEST_CLIPS)):
        if (number := getattr(arguments, name)) < fewest:
            raise ConfigError(f"--{name} {number}", "it is too small", f"Take at least {fewest}")
    return Options(arguments.rounds, arguments.clips, arguments.ast, arguments.run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps and print a table for each as it ends; return the exit code."""
    parsed = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    try:
        options = options_of(parsed)
        print(machine(), flush=True)
        for name in parsed.steps or STEPS:
            print(f"\n{name}: {STEPS[name].__doc__}\n", flush=True)
            outcome = STEPS[name](options)
            print(tabulate([row.cells() for row in outcome.rows], headers="keys", disable_numparse=True))
            for remark in outcome.remarks:
                print(remark, flush=True)
    except (DetectorError, StepError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
