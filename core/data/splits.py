"""Which split each song goes to, so that nothing leaks and everything can be measured."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from core.artifacts import LABELS, SPLITS
from core.config import SplitConfig
from core.errors import DataError, printable
from core.storage import Array


def join_identical(groups: Sequence[str], hashes: Sequence[str]) -> list[str]:
    """Return the groups with those that share identical audio joined under one name.

    Examples
    --------
    >>> join_identical(["a", "b", "b", "c"], ["1", "1", "2", "3"])
    ['a', 'a', 'a', 'c']
    """
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    first: dict[str, str] = {}
    for group, digest in zip(groups, hashes, strict=True):
        low, high = sorted((root(group), root(first.setdefault(digest, group))))
        parent[high] = low
    return [root(group) for group in groups]


def split_songs(
    labels: Sequence[int], groups: Sequence[str], sources: Sequence[str], config: SplitConfig, seed: int
) -> list[str]:
    """Return a split for every clip, all clips of a song in one.

    Songs of each label and source are dealt out largest first, each to the split that keeps the shares of its source
    and of
    its label closest to the wanted ones; the seed decides the order of equals. A source with three songs or more is in
    every split.
    """
    check_groups(labels, groups, config)
    shares = np.array([config.train, config.val, config.test])
    songs: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    home = _home_stratum(labels, groups, sources)
    for group in groups:
        songs[home[group]][group] += 1
    random = np.random.default_rng(seed)
    of_label = {label: np.zeros(len(SPLITS)) for label in (0, 1)}
    chosen: dict[str, str] = {}
    for stratum in sorted(songs):
        names = sorted(songs[stratum])
        names = [names[i] for i in random.permutation(len(names))]
        names.sort(key=lambda name: -songs[stratum][name])
        of_source, label = np.zeros(len(SPLITS)), stratum[0]
        for left, name in zip(range(len(names), 0, -1), names, strict=True):
            size = songs[stratum][name]
            cost = _imbalance(of_source, size, shares) + _imbalance(of_label[label], size, shares)
            if left <= (of_source == 0).sum():
                cost[of_source > 0] = np.inf
            index = int(np.argmin(np.round(cost, 6)))
            of_source[index] += size
            of_label[label][index] += size
            chosen[name] = SPLITS[index]
    result = [chosen[group] for group in groups]
    check_split(labels, groups, result)
    return result


def _imbalance(dealt: Array, size: int, shares: Array) -> Array:
    """Return, for each split that a song of `size` clips might go to, how far the shares would then be off."""
    after = dealt + size * np.eye(len(dealt))  # (split it goes to, split)
    return ((after - after.sum(axis=1, keepdims=True) * shares) ** 2 / shares).sum(axis=1)  # type: ignore[no-any-return]


def _home_stratum(labels: Sequence[int], groups: Sequence[str], sources: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return the label and source that most clips of each song have."""
    votes: dict[str, Counter[tuple[int, str]]] = defaultdict(Counter)
    for label, group, source in zip(labels, groups, sources, strict=True):
        votes[group][label, source] += 1
    return {group: min(count.items(), key=lambda item: (-item[1], item[0]))[0] for group, count in votes.items()}


def check_enough_songs(labels: Sequence[int], groups: Sequence[str]) -> None:
    """Refuse a class that is missing or has too few songs for three splits; what holds for files holds for clips."""
    for label, name in enumerate(LABELS):
        sizes = _clips_by_song(labels, groups, label)
        if not sizes:
            raise DataError("data", f"there is no usable {name} clip", "Give clips of both classes")
        if len(sizes) < len(SPLITS):
            raise DataError(
                "data",
                f"the {sum(sizes.values())} {name} clips come from {len(sizes)} song(s); three splits need three songs",
                "Add songs, or check that the file names tell songs apart (--group-pattern)",
            )


def check_groups(labels: Sequence[int], groups: Sequence[str], config: SplitConfig) -> None:
    """Refuse what cannot be split honestly: a class missing, too few songs, or one song that is half a class."""
    check_enough_songs(labels, groups)
    for label, name in enumerate(LABELS):
        sizes = _clips_by_song(labels, groups, label)
        largest, count = sizes.most_common(1)[0]
        if count > config.max_group_share * sum(sizes.values()):
            raise DataError(
                "data",
                f"the song {printable(largest)!r} holds {count} of {sum(sizes.values())} {name} clips",
                "Check that the file names tell songs apart (--group-pattern), or raise split.max_group_share",
            )


def _clips_by_song(labels: Sequence[int], groups: Sequence[str], label: int) -> Counter[str]:
    return Counter(group for group, other in zip(groups, labels, strict=True) if other == label)


def check_split(labels: Sequence[int], groups: Sequence[str], splits: Sequence[str]) -> None:
    """Refuse a split that leaks or cannot be measured: a song in two splits, or a split without one of the classes."""
    homes: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        homes[group].add(split)
    shared = sorted(group for group, where in homes.items() if len(where) > 1)
    if shared:
        raise DataError("split", f"the song {printable(shared[0])!r} is in {len(homes[shared[0]])} splits", "Mend it")
    present = set(zip(splits, labels, strict=True))
    for split in SPLITS:
        for label, name in enumerate(LABELS):
            if (split, label) not in present:
                raise DataError("split", f"the {split} split has no {name} clip", "Add songs of that class")


def missing_sources(sources: Sequence[str], splits: Sequence[str]) -> list[str]:
    """Return one sentence for each source that a split lacks: what is measured there says nothing about it."""
    homes: dict[str, set[str]] = defaultdict(set)
    for source, split in zip(sources, splits, strict=True):
        homes[source].add(split)
    return [
        f"source {printable(source)} is not in the {split} split"
        for source in sorted(homes)
        for split in SPLITS
        if split not in homes[source]
    ]


def count_table(
    splits: Sequence[str], labels: Sequence[int], sources: Sequence[str], groups: Sequence[str]
) -> list[dict[str, str | int]]:
    """Return clips and songs for each split × label × source that occurs."""
    clips: Counter[tuple[str, int, str]] = Counter(zip(splits, labels, sources, strict=True))
    songs: dict[tuple[str, int, str], set[str]] = defaultdict(set)
    for split, label, source, group in zip(splits, labels, sources, groups, strict=True):
        songs[split, label, source].add(group)
    order = sorted(clips, key=lambda key: (SPLITS.index(key[0]), key[1], key[2]))
    return [
        {"split": key[0], "label": LABELS[key[1]], "source": key[2], "clips": clips[key], "songs": len(songs[key])}
        for key in order
    ]
