"""Judge an upload within bounds: a child process decodes it, its bytes lie in a private file only meanwhile.

The child is given no name, no model and no network, at most 512 MB of memory, and 10 seconds for each minute that the
file declares. What it leaves is the sound as the models hear it, mono float32 at their rate, as a WAV file: read again,
not one sample is another, so the verdict is the one that the file itself would get.

Where the system knows no such limits (Windows), the time is bounded and the memory is not.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile as sf

from core.artifacts import ROOT
from core.audio.containers import is_misnamed
from core.audio.source import Waveform, check_length, open_audio
from core.config import AudioConfig
from core.errors import AudioError

MAX_BYTES: Final = 25 * 2**20  # of an upload; .streamlit/config.toml repeats it
MAX_MEMORY: Final = 512 * 2**20  # bytes of address space of the child, Python and libraries included
SECONDS_PER_MINUTE: Final = 10.0  # of decoding, for each minute of sound that the file declares
MIN_SECONDS: Final = 15.0  # of decoding, for every file

_POLL = 0.02  # seconds
_COPIED = 2**18  # samples at a time
_PREFIX = "upload-"  # of a private folder, before the process it belongs to
_SHORTER = "Try a shorter piece of it, or save it again as WAV or FLAC"
_CHILD = (sys.executable, "-m", "core.audio.upload")

Progress = Callable[[float], object]  # takes the share that is done, in [0, 1]


@dataclass(frozen=True)
class Decoded:
    """The sound of an upload as the models hear it, in a file that is gone when its `with` block ends."""

    path: Path  # WAV, mono float32 at `AudioConfig.sample_rate`
    seconds: float
    sha256: str  # of the upload's bytes
    format: str  # key of `core.audio.containers.FORMATS`
    native_rate: int  # Hz
    channels: int
    warnings: tuple[str, ...]  # keys of `core.audio.source.WARNINGS`, but for `clipped`

    def samples(self) -> Waveform:
        """Return the sound, (samples,), to be read for as long as somebody holds it, also after the block.

        It lies in a temporary file without a name: no other process can open it, it takes disk space (230 MB for an
        hour) instead of memory, and the system takes that back with the last reference, or with the process, however
        that ends.
        """
        with tempfile.TemporaryFile() as file:
            for block in sf.blocks(self.path, _COPIED, dtype="float32"):
                file.write(block.data)
            file.flush()
            return np.memmap(file, np.float32, mode="r")


@dataclass(frozen=True)
class Bounds:
    """What decoding may cost."""

    memory: int = MAX_MEMORY
    min_seconds: float = MIN_SECONDS
    seconds_per_minute: float = SECONDS_PER_MINUTE

    def seconds(self, declared: float) -> float:
        """Return how long the decoding of a file may take that declares a length in seconds."""
        return max(self.min_seconds, declared / 60 * self.seconds_per_minute)


@contextmanager
def decoded(
    content: bytes,
    name: str,
    config: AudioConfig,
    progress: Progress | None = None,
    bounds: Bounds | None = None,
    child: Sequence[str] = _CHILD,
) -> Iterator[Decoded]:
    """Decode an upload in a child process and give access to its sound; afterwards nothing of it is left on disk.

    Parameters
    ----------
    content : the upload's bytes.
    name : for sentences and for the warning about a suffix that belongs to another format.
    child : the command that decodes; it takes the private folder and, on its standard input, the settings.

    Raises
    ------
    AudioError : as `open_audio` and `Source.resampled`; `too_large`, `too_slow`, `memory`, and `crashed` when the
        decoder died.
    """
    if len(content) > MAX_BYTES:
        raise AudioError(name, "too_large", f"is larger than {MAX_BYTES / 2**20:g} MB", "Cut it into shorter files")
    _sweep()
    prefix = f"{_PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:  # mode 700
        private = _Folder(Path(folder))
        _write_private(private.upload, content)
        _decode(private, name, config, progress, bounds or Bounds(), child)
        facts = _read(private.outcome)
        yield Decoded(
            path=private.sound,
            seconds=float(facts["seconds"]),
            sha256=hashlib.sha256(content).hexdigest(),
            format=str(facts["format"]),
            native_rate=int(facts["native_rate"]),
            channels=int(facts["channels"]),
            warnings=(
                *map(str, facts["warnings"]),
                *(["extension"] if is_misnamed(name, str(facts["format"])) else []),
            ),
        )


def _sweep() -> None:
    """Delete what servers left behind that were killed while they decoded; all others clean up after themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    """Whether a process is there; where that cannot be asked (Windows), it counts as there."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


class _Folder:
    """The files of one upload; none is named after it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upload = folder / "upload"
        self.sound = folder / "sound.wav"
        self.declared = folder / "declared.json"
        self.outcome = folder / "outcome.json"


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


# The parent's side


def _decode(
    private: _Folder, name: str, config: AudioConfig, progress: Progress | None, bounds: Bounds, child: Sequence[str]
) -> None:
    """Run the child to its end, or end it; raise what it found wrong."""
    order = json.dumps({"config": asdict(config), "memory": bounds.memory})
    process = subprocess.Popen(
        [*child, str(private.folder)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},  # threads' stacks are address space
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal ends the server, and with it this block
    )
    try:
        _send(process, order)
        _wait(process, private, name, config, progress, bounds)
    finally:  # also when the reader has closed the page
        process.kill()
        process.wait()
    _check(process.returncode, private, name)


def _send(process: "subprocess.Popen[bytes]", order: str) -> None:
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            pipe.write(order.encode())
    except OSError:
        return  # it died; the exit status says so


def _wait(
    process: "subprocess.Popen[bytes]",
    private: _Folder,
    name: str,
    config: AudioConfig,
    progress: Progress | None,
    bounds: Bounds,
) -> None:
    """Wait for the child for as long as its file's declared length allows."""
    began, declared = time.monotonic(), 0.0
    while process.poll() is None:
        declared = declared or _declared(private.declared, config)
        if time.monotonic() - began > (allowed := bounds.seconds(declared)):
            problem = f"took longer to decode than the {allowed:.0f} s allowed for it"
            raise AudioError(name, "too_slow", problem, _SHORTER)
        if progress and declared:
            progress(min(1.0, _size(private.sound) / (4 * declared * config.sample_rate)))
        time.sleep(_POLL)


def _declared(path: Path, config: AudioConfig) -> float:
    """Return the length in seconds that the file declares, or 0 as long as it is not known; never beyond the limit."""
    try:
        return min(float(json.loads(path.read_text())), config.max_seconds)
    except (OSError, ValueError, TypeError):
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _check(status: int, private: _Folder, name: str) -> None:
    """Raise what the child found wrong, or that it died."""
    outcome = _read(private.outcome)
    if "code" in outcome:
        raise AudioError(name, str(outcome["code"]), str(outcome["problem"]), str(outcome["remedy"]))
    if status or not outcome:
        raise AudioError(name, "crashed", "made its decoder end early: it is damaged, or made to do harm", _SHORTER)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


# The child's side


def _child(folder: str) -> int:
    """Decode a folder's upload; what happened is in its outcome file."""
    private, order = _Folder(Path(folder)), json.loads(sys.stdin.read())
    config = AudioConfig(**order["config"])
    _bound(order["memory"], config)
    try:
        outcome = _written(private, config)
    except AudioError as error:
        outcome = {"code": error.code, "problem": error.problem, "remedy": error.remedy}
    except MemoryError:
        problem = f"needs more than {order['memory'] / 2**20:.0f} MB of memory to decode"
        outcome = {"code": "memory", "problem": problem, "remedy": _SHORTER}
    private.outcome.write_text(json.dumps(outcome), encoding="utf-8")
    return 0


def _bound(memory: int, config: AudioConfig) -> None:
    """Limit this process: memory, the size of what it writes, and its processor's time; no picture of it if it dies."""
    try:
        import resource
    except ImportError:  # Windows
        return
    seconds = round(Bounds().seconds(config.max_seconds))
    size = round(4 * config.sample_rate * config.max_seconds) + 2**20
    limits = {"AS": memory, "FSIZE": size, "CPU": seconds, "CORE": 0}
    for name, value in limits.items():
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        except (AttributeError, ValueError, OSError):  # macOS refuses a limit on memory
            continue


def _written(private: _Folder, config: AudioConfig) -> dict[str, Any]:
    """Write the sound block by block and return what is known of the file."""
    samples = 0
    with (
        open_audio(private.upload, config) as source,
        sf.SoundFile(private.sound, "w", config.sample_rate, 1, "FLOAT", format="WAV") as sound,
    ):
        private.declared.write_text(json.dumps(source.header.seconds))
        for block in source.resampled():
            samples += len(block)
            if samples > config.max_seconds * config.sample_rate:
                break
            sound.write(block)
        check_length(private.upload, samples / config.sample_rate, config)
        header = source.header
        return {
            "seconds": samples / config.sample_rate,
            "format": header.format,
            "native_rate": header.sample_rate,
            "channels": header.channels,
            "warnings": source.warnings(),
        }


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1]))
