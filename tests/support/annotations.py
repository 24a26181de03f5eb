"""What a file of tags and notes holds, asked of SQLite itself: whatever was saved must stay in it."""

import contextlib
import os
import sqlite3
from pathlib import Path


def saved_versions(file: Path, path: str) -> list[int]:
    """Return the versions of everything ever saved about a clip, oldest first, replaced or not."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT version FROM saved WHERE path = ? ORDER BY version", (os.fsencode(path),))
        return [version for (version,) in rows]
