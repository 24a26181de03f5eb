"""Files that are whole or not there: atomic writes, arrays without pickle, hashes and locks."""

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from core.errors import ArtifactError, ResourceError

Array = npt.NDArray[Any]

MAX_ARRAY_BYTES = 64 * 2**30  # an archive that claims more is refused before anything is allocated
_PARTIAL = ".partial"
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")  # a byte of no UTF-8 character, as Python escapes it
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what makes a spreadsheet calculate


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a reader sees the old one or the new one, never half.

    The bytes go to a file beside it, are forced to disk, and the file is renamed; a failure leaves the old file as it
    was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise ResourceError(path, "the disk is full", "Free some space and run the same command again") from error
        raise ResourceError(path, f"cannot be written ({error.strerror})", "Check the folder's permissions") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _sync_folder(folder: Path) -> None:
    """Force a rename to disk, where the system allows a folder to be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_folder(made: Path, folder: Path) -> None:
    """Put a finished folder in the place of another, or where none is; both lie on one disk.

    A kill leaves the old folder or the new one, whole. No system exchanges two folders at once everywhere: between two
    renames neither is in its place, and a kill just then is mended by `mend_folder`.
    """
    mend_folder(folder)
    if folder.exists():
        folder.rename(_aside(folder))
    made.rename(folder)
    _sync_folder(folder.parent)
    shutil.rmtree(_aside(folder), ignore_errors=True)


def mend_folder(folder: Path) -> None:
    """Put back the folder that a killed `replace_folder` had moved aside, or delete it when the new one is there."""
    if folder.exists():
        shutil.rmtree(_aside(folder), ignore_errors=True)
    elif _aside(folder).exists():
        _aside(folder).rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def delete(path: Path) -> None:
    """Delete a file if it is there and can be; what then stands in the way is named when something is written there."""
    with contextlib.suppress(OSError):
        path.unlink()


def sweep(folder: Path) -> None:
    """Delete what interrupted writers left behind. Call it only while holding the folder's lock."""
    for partial in folder.rglob(f".*{_PARTIAL}"):
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON; NaN is refused."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))


def read_json(path: Path, remedy: str) -> Any:  # noqa: ANN401 - JSON holds any value
    """Read a JSON file; a missing or damaged one is an ArtifactError with the given remedy."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(path, "not made yet", remedy) from None
    except (OSError, ValueError) as error:
        raise ArtifactError(path, "damaged: it is not readable JSON", remedy) from error


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as UTF-8 CSV with a header line."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomic(path, lambda file: file.write(text.getvalue().encode("utf-8", "surrogateescape")))


def harmless(text: str) -> str:
    """Return a cell's text so that no spreadsheet calculates it.

    Examples
    --------
    >>> harmless("=HYPERLINK(1)"), harmless("song-1.wav")
    ("'=HYPERLINK(1)", 'song-1.wav')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def readable(name: str) -> str:
    r"""Return a name as text that can be shown, searched and put into an address: bytes that are not UTF-8 as escapes.

    Examples
    --------
    >>> print(readable("\udcfcber.wav"), stored(readable("\udcfcber.wav")) == "\udcfcber.wav")
    \xfcber.wav True
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def stored(name: str) -> str:
    """Return a readable name as the disk and our tables have it."""
    return _ESCAPED.sub(lambda escaped: chr(0xDC00 + int(escaped[1], 16)), name)


def read_csv(path: Path, header: Sequence[str], remedy: str) -> list[dict[str, str]]:
    """Read a table written by `write_csv` and check its columns."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except FileNotFoundError:
        raise ArtifactError(path, "not made yet", remedy) from None
    except (OSError, ValueError, csv.Error) as error:
        raise ArtifactError(path, "damaged: it is not a readable table", remedy) from error
    missing = [name for name in header if name not in (reader.fieldnames or ())]
    if missing:
        raise ArtifactError(path, f"it lacks the column {missing[0]}", remedy)
    return rows


@dataclass(frozen=True)
class Stream:
    """An array that is written block by block and is never in memory as a whole. `blocks` are joined along axis 0."""

    shape: tuple[int, ...]
    dtype: npt.DTypeLike
    blocks: Iterable[Array]


def write_npz(path: Path, arrays: Mapping[str, Array | Stream], compresslevel: int = 1) -> None:
    """Write named arrays as a compressed npz; the same arrays give the same bytes.

    Level 1: on log-mels the higher levels take several times as long for two or three percent.
    """

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=compresslevel) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _write_array(member, array)

    write_atomic(path, write)


def write_npy(path: Path, array: Array | Stream) -> None:
    """Write one array so that it can be opened without reading it into memory."""
    write_atomic(path, lambda file: _write_array(file, array))


def _write_array(file: Any, array: Array | Stream) -> None:  # noqa: ANN401 - a file or a member of an archive
    if not isinstance(array, Stream):
        np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)
        return
    description = np.lib.format.dtype_to_descr(np.dtype(array.dtype))
    header = {"descr": description, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(file, header)
    rows = 0
    for block in array.blocks:
        file.write(np.ascontiguousarray(block, dtype=array.dtype).data)
        rows += len(block)
    if rows != array.shape[0]:
        raise ValueError(f"{rows} rows were written where {array.shape[0]} were announced")


def read_npz(path: Path, names: Sequence[str], remedy: str) -> dict[str, Array]:
    """Read the named arrays of an npz; missing, damaged, oversized and pickled files are refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_ARRAY_BYTES:
                raise ArtifactError(path, "damaged: it claims more data than any run holds", remedy)
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise ArtifactError(path, f"it lacks the array {missing[0]}", remedy)
            return {name: archive[name] for name in names}
    except FileNotFoundError:
        raise ArtifactError(path, "not made yet", remedy) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError) as error:
        raise ArtifactError(path, "damaged: it is not a readable array archive", remedy) from error


def read_npy(path: Path, remedy: str) -> Array:
    """Open one array without reading it into memory."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise ArtifactError(path, "not made yet", remedy) from None
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(path, "damaged: it is not a readable array", remedy) from error


def check_free_space(folder: Path, needed: int) -> None:
    """Refuse to begin when a folder's disk has not the bytes a step will write, with a tenth to spare."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(folder, f"cannot be made ({error.strerror})", "Check the permissions above it") from error
    free = shutil.disk_usage(folder).free
    if free < needed * 1.1:
        raise ResourceError(
            folder,
            f"{needed * 1.1 / 1e6:,.0f} MB are needed on this disk and {free / 1e6:,.0f} MB are free",
            "Free some space, or set SMD_ARTIFACTS to a folder on another disk",
        )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(value: object) -> str:
    """Return a short stable hash of plain nested values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@contextlib.contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file for the length of a block; the system frees it when the process dies.

    A shared lock lets other readers in and keeps writers out. Where the system has no shared locks (Windows), every
    lock is exclusive.
    """
    with _open_lock(path) as file:
        if not _try_lock(file, shared=shared):
            file.seek(0)
            holder = file.read(20).decode(errors="replace").strip() or "unknown"
            raise ResourceError(
                path.parent.parent,
                f"another command (process {holder}) is at work on the {path.stem} phase of this run",
                "Wait until it has ended, or give this run another --run name",
            )
        if not shared:
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            file.flush()
        yield


def _open_lock(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+b")
    except OSError as error:
        remedy = "Check the folder's permissions, or set SMD_ARTIFACTS to another folder"
        raise ResourceError(path.parent.parent, f"cannot be written to ({error.strerror})", remedy) from error


def _try_lock(file: BinaryIO, *, shared: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            file.seek(1000)  # a byte beyond the holder's number, which stays readable
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
