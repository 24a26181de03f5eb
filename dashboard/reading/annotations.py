"""Tags and notes on clips, kept in one SQLite file per run: nothing is lost, nobody overwrites anybody.

Every save appends a row. A save names the version it was made from and takes that version's place; if somebody else
has taken it meanwhile, both stand side by side. What nobody has replaced is current; the rest is history.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.errors import ArtifactError, DataError, ResourceError

TAGS = (
    "mislabelled",
    "speech",
    "silence or noise",
    "bad quality",
    "sounds AI",
    "sounds human",
    "interesting",
    "checked",
)
NOTE_LIMIT, NAME_LIMIT = 2000, 60  # characters
PATIENCE = 10.0  # seconds to wait for another writer
VERSION = 1  # of the tables; a file of another version is refused
_TABLES = f"""
CREATE TABLE saved (
    version INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL, who TEXT NOT NULL,
    tags TEXT NOT NULL, note TEXT NOT NULL, made TEXT NOT NULL
);
CREATE TABLE replaced (old INTEGER NOT NULL REFERENCES saved, new INTEGER NOT NULL REFERENCES saved);
CREATE INDEX saved_path ON saved (path);
CREATE INDEX replaced_old ON replaced (old);
CREATE VIEW current AS SELECT * FROM saved WHERE version NOT IN (SELECT old FROM replaced);
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True)
class Annotation:
    """What one person says about one clip. `path` is the clip's id, `made` UTC in ISO 8601, `who` may be empty."""

    version: int
    path: str
    who: str
    tags: tuple[str, ...]  # in the order of TAGS
    note: str
    made: str

    @property
    def empty(self) -> bool:
        """Whether everything in it has been taken back."""
        return not (self.tags or self.note)


def read_annotations(file: Path) -> tuple[Annotation, ...]:
    """Return what is current, oldest first; nothing where nothing was ever saved.

    Raises
    ------
    ArtifactError : the file is damaged or not ours; it is left as it is.
    ResourceError : it cannot be opened.
    """
    if not file.exists():
        return ()
    with _opened(file, reading=True) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            return ()  # created, but nobody has saved yet
        return tuple(_annotation(row) for row in connection.execute("SELECT * FROM current ORDER BY version"))


def save(file: Path, path: str, who: str, tags: tuple[str, ...], note: str, replaces: tuple[int, ...]) -> Annotation:
    """Save what somebody says about a clip.

    Parameters
    ----------
    replaces : the versions it was made from, none for a first word. One that has been replaced already stays so: the
        other save and this one then stand side by side.

    Raises
    ------
    DataError : an unknown tag, or a name or note beyond its limit.
    ArtifactError, ResourceError : the file is damaged, cannot be written, or is held by another program.
    """
    row = _key(path), *_checked(who, tags, note), datetime.now(UTC).isoformat(timespec="seconds")
    with _opened(file) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in filter(str.strip, _TABLES.split(";\n")):
                connection.execute(statement)
        added = connection.execute("INSERT INTO saved (path, who, tags, note, made) VALUES (?, ?, ?, ?, ?)", row)
        version = int(added.lastrowid or 0)
        connection.executemany("INSERT INTO replaced (old, new) VALUES (?, ?)", [(old, version) for old in replaces])
        connection.execute("COMMIT")
    return _annotation((version, *row))


def _checked(who: str, tags: tuple[str, ...], note: str) -> tuple[str, str, str]:
    """Return name, tags and note as they are stored, or raise DataError."""
    who, note = (" ".join(who.split()), note.strip())
    unknown = sorted(set(tags) - set(TAGS))
    if unknown:
        raise DataError(unknown[0], "not a tag", f"Choose from {', '.join(TAGS)}")
    for what, value, limit in (("name", who, NAME_LIMIT), ("note", note, NOTE_LIMIT)):
        if len(value) > limit:
            raise DataError(f"The {what}", f"{len(value):,} characters are too many", f"Use at most {limit:,}")
    return who, json.dumps([tag for tag in TAGS if tag in tags]), note


def _annotation(row: tuple[int, bytes, str, str, str, str]) -> Annotation:
    version, path, who, tags, note, made = row
    return Annotation(version, path.decode("utf-8", "surrogateescape"), who, tuple(json.loads(tags)), note, made)


def _key(path: str) -> bytes:
    """Return a path as the file holds it: a name that is not UTF-8 is no SQLite text."""
    return path.encode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _opened(file: Path, *, reading: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the file for one reading or saving, and say in a sentence what stands in the way."""
    try:
        with contextlib.closing(_connect(file, reading)) as connection:
            _check_version(file, connection)
            if not reading:
                _make_safe(connection)
            yield connection
    except sqlite3.OperationalError as error:
        raise _hindered(file, error) from error
    except (sqlite3.DatabaseError, ValueError, TypeError, AttributeError) as error:
        aside = file.with_name("annotations.damaged.sqlite")
        remedy = f"It was left as it is. To begin a new one, keep it under another name: `mv '{file}' '{aside}'`"
        raise ArtifactError(file, "damaged: it is not a readable file of tags and notes", remedy) from error


def _connect(file: Path, reading: bool) -> sqlite3.Connection:
    if not reading:
        return sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)
    address = f"{file.resolve().as_uri()}?mode=ro"
    writable = os.access(file.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    if not writable and not file.with_name(f"{file.name}-wal").exists():
        address += "&immutable=1"  # or SQLite wants to put files of its own beside it
    return sqlite3.connect(address, uri=True, timeout=PATIENCE)


def _make_safe(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")  # readers never wait for a writer
    connection.execute("PRAGMA synchronous = FULL")  # what was saved survives a power cut


def _check_version(file: Path, connection: sqlite3.Connection) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]  # first: another may make them now
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION) or (version == 0 and tables):
        remedy = "Open it with the version that made it, or keep it under another name to begin a new one"
        raise ArtifactError(file, f"made by another version ({version})", remedy)


def _hindered(file: Path, error: sqlite3.OperationalError) -> ResourceError:
    if "locked" in str(error) or "busy" in str(error):
        return ResourceError(file, "another program has been writing to it for too long", "Close it and save again")
    if "full" in str(error):
        return ResourceError(file, "the disk is full", "Free some space and save again")
    return ResourceError(
        file, f"cannot be opened or written ({error})", "Check that the folder may be written to, then save again"
    )
