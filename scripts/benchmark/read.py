"""The benchmark's steps on reading: clips to log-mels, and preparing a data set in bounded memory."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf
import soxr

from core import storage
from core.artifacts import Run
from core.audio.clips import read_clip
from core.config import Config
from core.data.places import MANIFEST_COLUMNS, manifest
from core.demo import songs as demo_songs
from core.features.filterbanks import log_mel
from core.models.build import frames
from core.phases import prepare
from core.pipeline import execute
from core.storage import Array
from scripts.benchmark.models import THREADS, ast_extractor
from scripts.benchmark.rounds import (
    Row,
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
CLIP_BYTES = 600_000  # of a made-up file on average: stereo WAV and mono FLAC in equal parts
MUSIC_SECONDS = 60.0
KINDS = {".wav": ("human", 44_100, 2, "44.1 kHz stereo WAV"), ".flac": ("ai", 32_000, 1, "32 kHz mono FLAC")}
ALL, QUARTER = "all.csv", "quarter.csv"


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
            for manifest_name in (ALL, QUARTER) if number < clips // 8 else (ALL,):
                rows[manifest_name].append((path, label, Path(path).stem, name))
    for manifest_name, lines in rows.items():
        storage.write_csv(folder / manifest_name, MANIFEST_COLUMNS, lines)


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


def plain_preparing(folder: Path, manifest_name: str, extracts: bool) -> Work:
    """Build a loop that reads the listed clips and stores the log-mels; `extracts`: AST's input too, not stored."""
    place = manifest(folder / manifest_name)
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


def our_preparing(folder: Path, manifest_name: str) -> Work:
    """Build the whole prepare phase on the listed clips: checks, log-mels, AST's input, splits, both stores."""

    def prepare_all() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as artifacts:
            execute(Run(Path(artifacts) / "run"), CONFIG, manifest(folder / manifest_name), only=["prepare"])

    return prepare_all


def reading(clips: int, rounds: int) -> list[Row]:
    """Time reading clips to log-mels, and the whole of the prepare phase; of at most READ_CLIPS clips."""
    clips = min(clips, READ_CLIPS)
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
        times = in_rounds(rounds, ways)
        apart = {suffix: ours.call(largest_difference, folder, suffix) for suffix in KINDS}
    rows = [row for suffix in KINDS for row in _reading_rows(suffix, times, clips // 2, apart[suffix])]
    each = {way: scaled(seconds, 1e3 / clips) for way, seconds in times.items()}
    note = f"{clips} clips, fixed costs included; ours makes AST's input too"
    rows.append(Row("read and store a clip", "ms", each["plain store"], each["ours store"], note))
    note = "plain: ASTFeatureExtractor too"
    rows.append(Row("… with AST's input", "ms", each["plain both"], each["ours store"], note))
    return rows


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


def memory(clips: int) -> list[Row]:
    """Measure peak memory and time of preparing a quarter of the data set and all of it, in fresh processes."""
    measured: dict[tuple[str, str], tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        make_clips(folder := Path(name), clips)
        sizes = {table: len(manifest(folder / table).candidates(CONFIG.split)) for table in (QUARTER, ALL)}
        for table in sizes:
            with workers(plain_environment(), our_environment()) as (plain, ours):
                measured["plain", table] = plain.call(seconds_and_peak, plain_preparing, folder, table, False)
                measured["ours", table] = ours.call(seconds_and_peak, our_preparing, folder, table)
    plain_mb, our_mb = ([measured[way, table][1] for table in sizes] for way in ("plain", "ours"))
    rows = [
        Row(f"peak memory, {size:,} clips", "MB", (plain_mb[i],), (our_mb[i],), "asked: under 2,000 MB")
        for i, size in enumerate(sizes.values())
    ]
    array = (sizes[ALL] - sizes[QUARTER]) * CONFIG.spectrogram.n_mels * frames(CONFIG) * 4 / 1e6
    growth = [max(mb[1] - mb[0], 1.0) for mb in (plain_mb, our_mb)]
    note = f"asked: at most the log-mel array's {array:,.0f} MB"
    rows.append(Row("… growth between them", "MB", (growth[0],), (growth[1],), note))
    seconds = [measured[way, ALL][0] for way in ("plain", "ours")]
    note = "read and stored, once, from the first clip on; ours makes AST's input too"
    rows.append(Row(f"time, {sizes[ALL]:,} clips", "s", (seconds[0],), (seconds[1],), note))
    return rows
