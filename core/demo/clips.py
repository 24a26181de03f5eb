"""The demo's data set: two folders of clips made by code, without any download.

Human clips are synthesised performances; AI clips are other performances that went through one of two decoders. Rates,
lengths, levels, peaks, offsets, silences, channels and instruments come from the same draws for both, so a decoder's
trace is all that separates them.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from core import storage
from core.demo import decoders
from core.demo import songs as demo_songs
from core.demo.songs import PALETTES, RATE, Palette, Signal
from core.errors import DataError
from core.progress import progress

HUMAN_FOLDER = Path("Human Music") / "demo_recordings"
AI_FOLDER = Path("Ai music") / "demo_generations"
DECODERS = {"melvocoder": decoders.melvocoder, "upsampler": decoders.upsampler}
CLIP_SECONDS = 5.0
NATIVE_RATES = (22_050, 24_000, 32_000, 44_100, 48_000)  # Hz
STAMP = "demo.json"


@dataclass(frozen=True)
class PlannedSong:
    """One song of the plan: who plays it, which decoder it goes through (none: human), and its own random stream."""

    name: str  # <source>_NNN, the group that its clips share
    palette: Palette
    decoder: str | None
    stream: tuple[int, ...]  # spawn key: no two songs share one

    @property
    def folder(self) -> Path:
        """Where its clips lie, relative to the data set."""
        return AI_FOLDER if self.decoder else HUMAN_FOLDER

    def clips(self, number: int) -> list[Path]:
        """Paths of its clips, relative to the data set."""
        return [self.folder / f"{self.name}_seg{segment}.wav" for segment in range(1, number + 1)]


def make(folder: Path, songs_per_class: int, clips_per_song: int, seed: int) -> Path:
    """Write the demo clips and return the folder; a folder already made from the same numbers is left alone.

    The same numbers give the same bytes. The clips appear all at once: until then they lie in `<folder>.partial`.

    Raises
    ------
    DataError : the folder holds something else.
    """
    songs = plan(songs_per_class)
    recipe = _recipe(songs_per_class, clips_per_song, seed)
    if _is_made(folder, songs, clips_per_song, recipe):
        return folder
    _check_replaceable(folder)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for song in progress(songs, "demo songs"):
        _write_song(partial, song, clips_per_song, seed)
    storage.write_json(partial / STAMP, recipe)
    shutil.rmtree(folder, ignore_errors=True)
    return partial.replace(folder)


def plan(songs_per_class: int) -> list[PlannedSong]:
    """Deal the songs of both classes out to palettes and decoders, in equal parts."""
    human = [_human_song(number) for number in range(songs_per_class)]
    return human + [_ai_song(number) for number in range(songs_per_class)]


def _human_song(number: int) -> PlannedSong:
    palette = PALETTES[number % len(PALETTES)]
    return PlannedSong(f"{palette.name}_{number // len(PALETTES) + 1:03d}", palette, None, (0, number))


def _ai_song(number: int) -> PlannedSong:
    decoder = list(DECODERS)[number % len(DECODERS)]
    palette = PALETTES[number // len(DECODERS) % len(PALETTES)]  # every decoder hears every palette
    return PlannedSong(f"{decoder}_{number // len(DECODERS) + 1:03d}", palette, decoder, (1, number))


def _recipe(songs_per_class: int, clips_per_song: int, seed: int) -> dict[str, object]:
    """Return all that decides the bytes: the numbers and the code itself."""
    code = [storage.sha256(Path(module)) for module in (__file__, demo_songs.__file__, decoders.__file__)]
    return {"songs_per_class": songs_per_class, "clips_per_song": clips_per_song, "seed": seed, "code": code}


def _is_made(folder: Path, songs: list[PlannedSong], clips_per_song: int, recipe: dict[str, object]) -> bool:
    stamp = folder / STAMP
    if not stamp.exists() or storage.read_json(stamp, f"Delete {folder} and run the same command again") != recipe:
        return False
    return all((folder / clip).exists() for song in songs for clip in song.clips(clips_per_song))


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not (folder / STAMP).exists() and any(folder.iterdir()):
        raise DataError(folder, "holds files that are not demo clips", "Name an empty or new folder for the demo clips")


def _write_song(root: Path, song: PlannedSong, clips: int, seed: int) -> None:
    """Play, decode where it is the AI's, master and cut one song."""
    (root / song.folder).mkdir(parents=True, exist_ok=True)
    playing, decoding, mastering = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=song.stream)).spawn(3)
    music = demo_songs.perform(song.palette, clips * CLIP_SECONDS, playing)
    if song.decoder:
        music = DECODERS[song.decoder](music, decoding)
    rate = int(mastering.choice(NATIVE_RATES))
    resampled = soxr.resample(music, RATE, rate)[: clips * round(CLIP_SECONDS * rate)]
    stereo = mastering.random() < 0.5
    for path, part in zip(song.clips(clips), np.split(resampled, clips), strict=True):
        sf.write(root / path, _mastered(part, rate, stereo, mastering), rate, subtype="PCM_16")


def _mastered(music: Signal, rate: int, stereo: bool, rng: np.random.Generator) -> Signal:
    """Fix a clip's silence, crest, level, noise floor, offset and channels, (samples,) or (samples, 2).

    A decoder smears attacks and so changes peaks; what is fixed after it tells nothing about it.
    """
    silence = round(rng.uniform(0, 0.25) * rate) if rng.random() < 0.3 else 0
    faded = music * np.clip((np.arange(music.size) - silence) / (0.01 * rate), 0, 1)
    limited = _limited(faded, rng.uniform(2.6, 3.6), round(0.005 * rate))
    clip = 10 ** rng.uniform(-1.4, -0.8) * limited
    clip += 10 ** rng.uniform(-4.5, -3.5) * rng.standard_normal(clip.size) + rng.normal(0, 1e-3)
    if not stereo:
        return clip
    side = rng.uniform(0.1, 0.3) * np.roll(clip, round(0.013 * rate))
    return np.column_stack([clip + side, clip - side])  # their mean is the mono clip


def _limited(music: Signal, crest: float, window: int) -> Signal:
    """Return the music at RMS 1 with its peaks pushed down to `crest`.

    The gain falls and rises over `window` samples: slow enough not to distort.
    """
    for _ in range(4):  # each pass lowers the RMS too, so the next has a little left to do
        music = (music - music.mean()) / music.std()
        ceiling = np.minimum(1, crest / np.maximum(np.abs(music), 1e-9))
        music = music * uniform_filter1d(minimum_filter1d(ceiling, window), window)
    return music
