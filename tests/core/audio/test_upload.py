"""An upload costs what it may cost, whatever it claims to be, and nothing of it is left behind."""

import io
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from core.artifacts import ROOT
from core.audio.upload import MAX_BYTES, Bounds, decoded
from core.config import AudioConfig
from core.errors import AudioError
from tests.support import hostile_audio
from tests.support.whole_songs import read_song

AUDIO = AudioConfig()
# An upload is bytes, so it can be no folder or pipe; silence is found where windows are cut
HOSTILE = [
    case for case in hostile_audio.CASES if case.outcome.split(":")[0] not in ("path", "silence", "warns", "reads")
]
LIMITED = pytest.mark.skipif(sys.platform != "linux", reason="no other system bounds a process's memory as asked")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which everything temporary is made, empty."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def decoder(code: str) -> Sequence[str]:
    """Return a decoder that does something else; its folder is `folder`."""
    return (sys.executable, "-c", f"import sys, time; folder = sys.argv[1]; {code}")


def refusal(content: bytes, name: str = "song.wav", **more: object) -> AudioError:
    with pytest.raises(AudioError) as caught, decoded(content, name, AUDIO, **more):  # type: ignore[arg-type]
        pass
    return caught.value


@pytest.mark.parametrize(
    ("container", "rate", "channels"), [("WAV", 44_100, 2), ("FLAC", 16_000, 1), ("OGG", 48_000, 2), ("MP3", 44_100, 1)]
)
def test_the_sound_of_an_upload_is_that_of_the_file(container: str, rate: int, channels: int, tmp_path: Path) -> None:
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16")
    content = hostile_audio.encoded(container, subtype, seconds=3.0, rate=rate, channels=channels)
    path = tmp_path / f"song.{container.lower()}"
    path.write_bytes(content)
    with decoded(content, path.name, AUDIO) as upload:
        heard, heard_rate = sf.read(upload.path, dtype="float32")
    clip = read_song(path, AUDIO)
    np.testing.assert_array_equal(heard, clip.waveform)
    assert heard_rate == AUDIO.sample_rate
    assert (upload.format, upload.native_rate, upload.channels) == (container, rate, channels)
    assert (upload.seconds, upload.warnings) == (len(heard) / heard_rate, clip.warnings)


def test_nothing_of_an_upload_is_left_and_meanwhile_only_its_owner_may_read_it(temporary: Path) -> None:
    with decoded(hostile_audio.encoded("FLAC"), "../../secret name.flac", AUDIO) as upload:
        files = [path for path in temporary.rglob("*") if path.is_file()]
        assert not any("secret" in str(path) for path in files)
        if os.name == "posix":
            assert stat.S_IMODE(upload.path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE((upload.path.parent / "upload").stat().st_mode) == 0o600
    assert list(temporary.iterdir()) == []


def test_the_samples_can_be_read_when_nothing_is_left_on_disk(temporary: Path) -> None:
    with decoded(hostile_audio.encoded("OGG", "VORBIS", seconds=20.0), "a.ogg", AUDIO) as sound:
        expected, _ = sf.read(sound.path, dtype="float32")
        samples = sound.samples()
    assert list(temporary.iterdir()) == []
    np.testing.assert_array_equal(samples, expected)


@LIMITED
def test_the_samples_take_disk_space_and_not_memory_and_nothing_outlives_a_killed_server(temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    outcome = subprocess.run(
        [sys.executable, "-c", HELD], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    samples, grown = map(int, outcome.stdout.split())
    assert samples == 1200 * AUDIO.sample_rate
    assert grown < samples, "a quarter of what the samples take"
    assert outcome.returncode == -signal.SIGKILL
    assert list(temporary.iterdir()) == []


HELD = """
import os, signal
from pathlib import Path
from core.config import AudioConfig
from core.audio.upload import decoded
from tests.support.hostile_audio import encoded

def memory():  # bytes that are this process's own
    return 1024 * next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("RssAnon"))

content = encoded("FLAC", seconds=1200.0, rate=8_000)
before = memory()
with decoded(content, "secret.flac", AudioConfig()) as sound:
    samples = sound.samples()
print(len(samples), memory() - before, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_when_the_reader_goes_away_in_the_middle(temporary: Path) -> None:
    def gone(_share: float) -> None:
        raise KeyboardInterrupt

    slow = decoder("open(folder + '/declared.json', 'w').write('60'); time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), decoded(b"RIFF", "a.wav", AUDIO, gone, child=slow):
        pass
    assert time.monotonic() - began < 10
    assert list(temporary.iterdir()) == []


KILLED = """
import os, signal
from core.config import AudioConfig
from core.audio.upload import decoded
from tests.support.hostile_audio import encoded

with decoded(encoded("FLAC"), "secret.flac", AudioConfig()):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can ask whether a process is alive")
def test_what_a_killed_server_left_is_deleted_at_the_next_upload(temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, env=environment, check=False)
    (left,) = temporary.iterdir()
    assert (left / "upload").exists()
    with decoded(hostile_audio.encoded("FLAC"), "a.flac", AUDIO) as mine:
        with decoded(hostile_audio.encoded("FLAC"), "b.flac", AUDIO) as another:
            assert {path.name for path in temporary.iterdir()} == {mine.path.parent.name, another.path.parent.name}
        assert mine.path.exists()
    assert list(temporary.iterdir()) == []


def test_a_decoder_that_takes_too_long_is_ended(temporary: Path) -> None:
    began = time.monotonic()
    error = refusal(b"RIFF", bounds=Bounds(min_seconds=0.5), child=decoder("time.sleep(60)"))
    assert error.code == "too_slow"
    assert time.monotonic() - began < 10
    assert list(temporary.iterdir()) == []


def test_time_grows_with_the_declared_length_up_to_the_longest_that_is_read() -> None:
    bounds = Bounds()
    assert [bounds.seconds(length) for length in (0, 60, 180, 3600)] == [15, 15, 30, 600]
    lies = decoder("open(folder + '/declared.json', 'w').write('1e300'); time.sleep(60)")
    error = refusal(b"RIFF", bounds=Bounds(min_seconds=0.3, seconds_per_minute=0.01), child=lies)
    assert "than the 1 s allowed" in error.problem  # an hour's worth: 0.6 s


@pytest.mark.parametrize(
    "code",
    ["sys.exit(3)", "import os; os.kill(os.getpid(), 9)", "open(folder + '/outcome.json', 'w').write('[1')"],
)
def test_a_decoder_that_dies_becomes_a_sentence(code: str, temporary: Path) -> None:
    error = refusal(b"RIFF", "a.wav", child=decoder(code))
    assert error.code == "crashed"
    assert "\n" not in str(error)
    assert list(temporary.iterdir()) == []


@LIMITED
def test_a_decoder_that_wants_more_memory_than_it_may_have_becomes_a_sentence(temporary: Path) -> None:
    wide = hostile_audio.encoded("WAV", seconds=12.0, rate=96_000, channels=8)  # blocks of 4 MB: none is free already
    error = refusal(wide, bounds=Bounds(memory=64 * 2**20))
    assert error.code in ("memory", "crashed")
    greedy = (
        "import runpy; from core.audio import source; "
        "source.open_audio = lambda *_: bytearray(2**30); runpy.run_module('core.audio.upload', run_name='__main__')"
    )
    error = refusal(b"RIFF", child=decoder(greedy))
    assert (error.code, "512 MB" in error.problem) == ("memory", True)
    assert list(temporary.iterdir()) == []


@LIMITED
def test_an_hour_of_many_channels_is_decoded_within_the_bound() -> None:
    file = io.BytesIO()
    with sf.SoundFile(file, "w", 8_000, 8, "PCM_16", format="FLAC") as out:
        for _ in range(20):
            out.write(np.zeros((60 * 8_000, 8), np.int16))
    with decoded(file.getvalue(), "a.flac", AUDIO) as upload:
        assert upload.seconds == pytest.approx(1200)


def test_too_many_bytes_are_refused_before_anything_is_written(temporary: Path) -> None:
    error = refusal(bytes(MAX_BYTES + 1))
    assert (error.code, "25 MB" in error.problem) == ("too_large", True)
    assert list(temporary.iterdir()) == []


def test_a_suffix_that_belongs_to_another_format_is_said() -> None:
    with decoded(hostile_audio.encoded("FLAC"), "song.mp3", AUDIO) as upload:
        assert upload.warnings == ("extension",)


def test_the_decoder_loads_neither_models_nor_signal_libraries() -> None:
    names = ("torch", "librosa", "scipy", "transformers")
    code = f"import sys, core.audio.upload; print([name for name in {names} if name in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_hostile_files_are_refused_as_they_are_without_the_child(tmp_path: Path) -> None:
    def refused(place: int) -> tuple[str, str, str]:
        (tmp_path / str(place)).mkdir()
        path = HOSTILE[place].make(tmp_path / str(place))
        error = refusal(path.read_bytes(), path.name)
        assert error.path == path.name
        assert str(tmp_path) not in str(error)
        assert "\n" not in str(error)
        return HOSTILE[place].name, error.code, str(error)

    chosen = range(0, len(HOSTILE), 4)  # a child each; test_verdict asks about all
    with ThreadPoolExecutor(4) as pool:
        refusals = list(pool.map(refused, chosen))
    assert [(name, code) for name, code, _ in refusals] == [
        (HOSTILE[place].name, HOSTILE[place].outcome) for place in chosen
    ]
