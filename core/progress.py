"""Progress bars that also read well in a log file."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items while a bar on stderr counts them; without a terminal, one line every ten seconds at most.

    Without a description there is no bar: for steps too short for one.
    """
    if not description:
        yield from items
        return
    terminal = sys.stderr.isatty()
    yield from tqdm(
        items, desc=description, total=total, mininterval=0.1 if terminal else 10.0, leave=terminal, ascii=not terminal
    )
