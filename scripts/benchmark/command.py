"""Measure every step beside the plain way to do it, on this machine.

python -m scripts.benchmark                        everything: about half an hour on two cores, 4 GB of temporary files
python -m scripts.benchmark read cnn --rounds 9    some steps
python -m scripts.benchmark ast --ast FOLDER       with pretrained weights instead of random ones
python -m scripts.benchmark plan --run mine        the plan's estimate beside a run that is already there
python -m scripts.benchmark detect                 a scan of files beside a plain loop, with the models that ship
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
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from tabulate import tabulate

from core.artifacts import Run, open_run
from core.config import Config, with_settings
from core.data.places import Place, folders
from core.demo import clips as demo_clips
from core.device import choose_device
from core.errors import ConfigError, DetectorError
from core.estimate import Estimate, estimate
from core.pipeline import NAMES, execute
from scripts import demo
from scripts.benchmark import dashboard as benchmark_dashboard
from scripts.benchmark import detect as benchmark_detect
from scripts.benchmark import read as benchmark_read
from scripts.benchmark.dashboard import TargetRow
from scripts.benchmark.models import PROBE_FOLDS, PROBE_SONGS, convolutional, embedding
from scripts.benchmark.rounds import Row, StepError, our_environment, workers

CONFIG = Config()
FEWEST_CLIPS = 32  # a quarter of them must still make three splits


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    rounds: int = 5
    clips: int = 4000  # of the data set that `memory` makes, `plan` is about and `dashboard` shows
    ast: str = ""  # folder with pretrained weights; empty: random ones
    run: str = ""  # to compare the plan with, to scan with, to show in the dashboard; empty: a demo run, the newest


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


# The steps


def read(options: Options) -> Outcome:
    """Time reading clips to log-mels, and the whole of the prepare phase."""
    return Outcome(benchmark_read.reading(options.clips, options.rounds))


def memory(options: Options) -> Outcome:
    """Measure peak memory and time of preparing a quarter of the data set and all of it, in fresh processes."""
    return Outcome(benchmark_read.memory(options.clips))


def detect(options: Options) -> Outcome:
    """Time a scan beside the plain loop over the same files, and one song; measure the scan's memory."""
    return Outcome(*benchmark_detect.measure(options.run, options.rounds))


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
    step.__name__: step for step in (read, memory, cnn, autoencoder, ast, plan, detect, dashboard)
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
        "--run",
        default="",
        metavar="NAME",
        help="run for `plan` (default: a demo run), `detect` (as scripts.detect) and `dashboard` (the newest)",
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
