"""The answers of a scan, one JSON line each, so that a killed scan goes on where it was and nothing is asked twice."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from core.errors import PASSING, DataError, ResourceError

SYNC_EVERY = 32  # answers that a loss of power can cost; a killed process costs none
_BEGINNING = b'{"path": '  # of every line


class Key(NamedTuple):
    """What makes a file another one."""

    path: str  # absolute
    size: int  # bytes
    mtime_ns: int


def key_of(path: Path) -> Key:
    """Return a file's key; one that cannot be looked at has no size and no time."""
    try:
        facts = path.stat()
        return Key(os.path.abspath(path), facts.st_size, facts.st_mtime_ns)  # noqa: PTH100 - also of odd names
    except (OSError, ValueError):
        return Key(os.path.abspath(path), -1, -1)  # noqa: PTH100


class Log:
    """The answers so far, on disk; in memory only where each of them stands.

    A file whose cause of failure may be gone by now, such as missing rights, counts as not answered in an earlier scan.

    Raises
    ------
    DataError : the file is something else, or was written with another run.
    """

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self.path = path
        self._fingerprint = fingerprint
        self._places: dict[Key, int] = {}
        self._unsynced = 0
        self._file = _opened(path)
        try:
            self._index()
        except BaseException:
            self._file.close()
            raise

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def add(self, key: Key, answer: dict[str, Any]) -> None:
        """Append an answer; a process that is killed afterwards does not lose it."""
        line = json.dumps({**key._asdict(), "run": self._fingerprint, "answer": answer}, allow_nan=False)
        try:
            self._places[key] = self._file.seek(0, os.SEEK_END)
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            self._unsynced += 1
            if self._unsynced >= SYNC_EVERY:
                self._sync()
        except OSError as error:
            raise ResourceError(self.path or "the temporary folder", str(error.strerror), "Free some space") from error

    def read(self, key: Key) -> dict[str, Any]:
        """Return an answer."""
        self._file.seek(self._places[key])
        answer: dict[str, Any] = json.loads(self._file.readline())["answer"]
        return answer

    def close(self) -> None:
        """Force everything to disk."""
        with contextlib.suppress(OSError):
            self._sync()
        self._file.close()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._unsynced = 0

    def _index(self) -> None:
        """Find out what has been answered; cut off a line that a kill left half written."""
        end = place = self._file.seek(0)
        for line in self._file:
            if not line.startswith(_BEGINNING[: len(line)]):
                raise self._foreign("it is no record of a scan")
            if line.endswith(b"\n"):
                key, code = self._read(line)
                if code not in PASSING:
                    self._places[key] = place
                end = place + len(line)
            place += len(line)
        self._file.truncate(end)

    def _read(self, line: bytes) -> tuple[Key, str]:
        """Return whose answer a line holds, and the code of its error, empty for a verdict."""
        try:
            value = json.loads(line)
            key = Key(str(value["path"]), int(value["size"]), int(value["mtime_ns"]))
            run, code = value["run"], str(value["answer"].get("error", {}).get("code", ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._foreign("it is no record of a scan") from error
        if run != self._fingerprint:
            raise self._foreign("its answers were given by another run")
        return key, code

    def _foreign(self, problem: str) -> DataError:
        return DataError(self.path, problem, "Name another file for --resume")


def _opened(path: Path | None) -> BinaryIO:
    """Return the file, made if it is not there; without a name, one that vanishes with the process."""
    if path is None:
        return tempfile.TemporaryFile()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path.open("r+b")
    except OSError as error:
        raise ResourceError(path, f"cannot be written ({error.strerror})", "Name another file for --resume") from error
