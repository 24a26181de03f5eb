"""The benchmark's step on Detect: files per second beside the plain loop, memory that stays, one song.

The plain loop asks the same function about one file after the other, in one process. Ours is what `scripts.detect`
does: windows of several files go through the models together, and many files are spread over processes.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from core.artifacts import ROOT, Run
from core.demo import clips as demo_clips
from core.demo import songs as demo_songs
from core.verdict.judge import Judge, answer, answers
from core.verdict.run import choose_run
from scripts.benchmark.rounds import (
    Row,
    Way,
    Work,
    in_rounds,
    our_environment,
    plain_environment,
    scaled,
    seconds_and_peak,
    workers,
)
from scripts.detect.engine import in_this_process

TIMED, FEW, MANY = 48, 100, 400  # files: of a round; of the command and of a small scan; of a larger one
SONGS, PER_SONG = 8, 3  # made-up clips of each class, that the files repeat
SONG_SECONDS = 180
PLAIN_LOOP = """
import sys
from pathlib import Path
from core.artifacts import Run
from core.verdict.judge import Judge, answer
judge = Judge(Run(Path(sys.argv[1])))
for path in sorted(Path(sys.argv[2]).iterdir()):
    answer(path, judge)
"""


def measure(name: str, rounds: int) -> tuple[list[Row], tuple[str, ...]]:
    """Measure scans and one song with a run's models; without a name, with those that `scripts.detect` would take.

    Raises
    ------
    ArtifactError : there is no evaluated run.
    """
    run = choose_run(name or None).folder
    with tempfile.TemporaryDirectory() as place, workers(plain_environment(), our_environment()) as (plain, ours):
        small, few, many = (make_files(Path(place, str(count)), count) for count in (TIMED, FEW, MANY))
        song = make_song(Path(place, "song", "song.wav"))
        times = in_rounds(
            rounds,
            {
                "plain": Way(plain, loop, (small, run)),
                "tuned": Way(ours, loop, (small, run)),
                "ours": Way(ours, shared, (small, run)),
                "plain song": Way(plain, one_song, (song, run)),
                "our song": Way(ours, one_song, (song, run)),
            },
        )
        differing = ours.call(different, small, run)
        command, plain_command = (seconds_of(words, run) for words in (our_words(few, run), plain_words(few, run)))
        cold, plain_cold = (seconds_of(words, run) for words in (our_words(song, run), plain_words(song, run)))
        peaks = [peak(files, run) for files in (few, many)]
    each = {way: scaled(seconds, 1e3 / TIMED) for way, seconds in times.items()}
    rows = [
        Row("a file of 5 s, models loaded", "ms", each["plain"], each["ours"], "one process; answers that differ:",
            differing),
        Row("… same environment", "ms", each["tuned"], each["ours"]),
        Row(f"{FEW} such files, the whole command", "s", (plain_command,), (command,), "loading included, once"),
        Row(f"a song of {SONG_SECONDS // 60} minutes, models loaded", "s", times["plain song"], times["our song"],
            "asked: under 3"),
        Row("… the whole command", "s", (plain_cold,), (cold,), "loading included, once"),
    ]  # fmt: skip
    return rows, (
        f"Run {run.name}. Ours: {FEW / command:.1f} files per second with loading; the plain loop: "
        f"{FEW / plain_command:.1f}. Peak memory of a process that scans: {peaks[0]:,.0f} MB with {FEW} files, "
        f"{peaks[1]:,.0f} MB with {MANY}.",
    )


def make_files(folder: Path, count: int) -> Path:
    """Write clips of made-up music over and over under names of their own."""
    clips = sorted(demo_clips.make(folder.with_name("clips"), SONGS, PER_SONG, seed=0).rglob("*.wav"))
    folder.mkdir()
    for number in range(count):
        os.link(clips[number % len(clips)], folder / f"{number:05d}.wav")
    return folder


def make_song(path: Path) -> Path:
    """Write a song of made-up music, in stereo at 44.1 kHz, into a folder of its own."""
    path.parent.mkdir()
    piece = 0.1 * demo_songs.perform(demo_songs.PALETTES[0], SONG_SECONDS / 6, np.random.default_rng(0))
    rate = 44_100
    music = soxr.resample(piece, demo_songs.RATE, rate)
    sf.write(path, np.tile(np.outer(music, (1.0, 0.9)), (6, 1)), rate, subtype="PCM_16")
    return path


def loop(folder: Path, run: Path) -> Work:
    """Build the plain loop."""
    judge, files = Judge(Run(run)), sorted(folder.iterdir())
    return lambda: [answer(path, judge) for path in files]


def shared(folder: Path, run: Path) -> Work:
    """Build what `scripts.detect` does in one process, models loaded."""
    judge, files = Judge(Run(run)), sorted(folder.iterdir())
    return lambda: list(answers(files, judge))


def scan(folder: Path, run: Path) -> Work:
    """Build a scan in one process from its beginning; no answer is kept."""
    files = sorted(folder.iterdir())
    return lambda: deque(in_this_process(files, Run(run)), maxlen=0)


def one_song(path: Path, run: Path) -> Work:
    """Build the verdict on one file."""
    judge = Judge(Run(run))
    return lambda: judge.judge(path)


def different(folder: Path, run: Path) -> int:
    """Return how many answers are other than the plain loop's, in any bit."""
    pairs = zip(loop(folder, run)(), shared(folder, run)(), strict=True)
    return sum(plain != ours for plain, ours in pairs)


def our_words(path: Path, run: Path) -> list[str]:
    """Return the command as a user types it."""
    return ["-m", "scripts.detect", str(path), "--run", run.name]


def plain_words(path: Path, run: Path) -> list[str]:
    """Return the plain loop as a command, over a folder or the folder of a file."""
    return ["-c", PLAIN_LOOP, str(run), str(path if path.is_dir() else path.parent)]


def seconds_of(words: list[str], run: Path) -> float:
    """Return how long a command takes in a process of its own, started the ordinary way."""
    start = time.perf_counter()
    variables = plain_environment() | {"SMD_ARTIFACTS": str(run.parent)}
    subprocess.run([sys.executable, *words], cwd=ROOT, env=variables, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)  # fmt: skip
    return time.perf_counter() - start


def peak(folder: Path, run: Path) -> float:
    """Return the peak memory in MB of a fresh process that scans a folder."""
    with workers(our_environment()) as (worker,):
        return float(worker.call(seconds_and_peak, scan, folder, run)[1])
