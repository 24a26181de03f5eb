"""Songs, manifests and splits: nothing leaks, nothing is guessed in silence."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import SplitConfig
from core.data.datasets import SpectrogramDataset, VectorDataset
from core.data.places import Place, folders, manifest, read_manifest, source_table
from core.data.splits import check_split, count_table, join_identical, missing_sources, split_songs
from core.errors import DataError


def songs(rng: np.random.Generator, count: int) -> tuple[list[int], list[str], list[str]]:
    """Return labels, groups and sources of random songs of one to six clips."""
    labels, groups, sources = [], [], []
    for song in range(count):
        for _ in range(rng.integers(1, 7)):
            labels.append(song % 2)
            groups.append(f"song{song}")
            sources.append(f"source{song % 2}{song % 3}")
    return labels, groups, sources


@pytest.mark.parametrize("seed", range(40))
def test_no_song_is_in_two_splits_and_every_split_has_both_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, groups, sources = songs(rng, int(rng.integers(12, 120)))
    splits = split_songs(labels, groups, sources, SplitConfig(), seed)
    homes = {(group, split) for group, split in zip(groups, splits, strict=True)}
    assert len(homes) == len(set(groups))
    assert set(zip(splits, labels, strict=True)) == {(s, label) for s in ("train", "val", "test") for label in (0, 1)}


def test_the_shares_are_kept_by_class_and_every_source_with_three_songs_is_everywhere() -> None:
    labels, groups, sources = songs(np.random.default_rng(0), 400)
    splits = split_songs(labels, groups, sources, SplitConfig(), seed=0)
    for label in (0, 1):
        share = Counter(split for split, other in zip(splits, labels, strict=True) if other == label)
        assert share["train"] / sum(share.values()) == pytest.approx(0.70, abs=0.02)
        assert share["test"] / sum(share.values()) == pytest.approx(0.15, abs=0.02)
    assert missing_sources(sources, splits) == []


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    labels, groups, sources = songs(np.random.default_rng(0), 60)
    first, again, other = (split_songs(labels, groups, sources, SplitConfig(), seed) for seed in (0, 0, 1))
    assert first == again != other


def test_a_source_that_a_split_lacks_is_reported() -> None:
    assert missing_sources(["a", "a", "b"], ["train", "val", "test"]) == [
        "source a is not in the test split",
        "source b is not in the train split",
        "source b is not in the val split",
    ]


def test_identical_audio_joins_its_songs() -> None:
    assert join_identical(["a", "b", "b", "c", "c", "d"], ["1", "1", "2", "2", "3", "4"]) == ["a"] * 5 + ["d"]


def test_a_song_in_two_splits_is_refused() -> None:
    with pytest.raises(DataError, match="'x' is in 2 splits"):
        check_split([0, 1, 0, 1], ["x", "y", "x", "z"], ["train", "val", "test", "test"])


def test_a_split_without_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="the test split has no ai clip"):
        check_split([0, 1, 0, 1, 0], list("abcde"), ["train", "train", "val", "val", "test"])


def test_one_class_too_few_songs_and_a_dominant_song_are_refused() -> None:
    config = SplitConfig()
    with pytest.raises(DataError, match="no usable ai clip"):
        split_songs([0, 0, 0], list("abc"), ["s"] * 3, config, 0)
    with pytest.raises(DataError, match="2 song"):
        split_songs([0, 0, 1, 1, 1], list("abcde"), ["s"] * 5, config, 0)
    labels, groups = [0] * 8 + [1] * 4, ["big"] * 5 + list("abc") + list("defg")
    with pytest.raises(DataError, match="'big' holds 5 of 8 human"):
        split_songs(labels, groups, ["s"] * 12, config, 0)


def test_the_count_table_counts_clips_and_songs() -> None:
    table = count_table(["train", "train", "test"], [0, 0, 1], ["s", "s", "t"], ["x", "x", "y"])
    assert table == [
        {"split": "train", "label": "human", "source": "s", "clips": 2, "songs": 1},
        {"split": "test", "label": "ai", "source": "t", "clips": 1, "songs": 1},
    ]


def test_a_spectrogram_dataset_gives_one_channel_float32_and_the_label() -> None:
    dataset = SpectrogramDataset(np.zeros((3, 128, 157)), np.array([0, 1, 1]))
    spectrogram, label = dataset[1]
    assert len(dataset) == 3
    assert (tuple(spectrogram.shape), str(spectrogram.dtype), label) == ((1, 128, 157), "torch.float32", 1)


# Folders


def test_folders_with_spaces_are_searched_with_their_subfolders(tmp_path: Path) -> None:
    human, ai = tmp_path / "Human Music" / "my clips", tmp_path / "Ai music"
    for path in (
        human / "a_1_seg1.wav",
        human / "deep" / "b.FLAC",
        ai / "c_2.mp3",
        ai / ".hidden.wav",
        ai / "notes.txt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    candidates = folders(human, ai).candidates(SplitConfig())
    assert [(c.name, c.label, c.group) for c in candidates] == [
        ("Ai music/c_2.mp3", 1, "c_2"),
        ("Human Music/my clips/a_1_seg1.wav", 0, "a_1"),
        ("Human Music/my clips/deep/b.FLAC", 0, "deep/b"),
    ]


def test_files_of_the_two_classes_are_never_one_song(tmp_path: Path) -> None:
    for folder in ("human", "ai"):
        (tmp_path / folder).mkdir()
        for number in range(20):
            (tmp_path / folder / f"track_{number:02}.wav").touch()
    listed = folders(tmp_path / "human", tmp_path / "ai").candidates(SplitConfig())
    assert len({clip.group for clip in listed}) == 40
    assert {clip.source for clip in listed} == {"human", "ai"}
    patterned = folders(tmp_path / "human", tmp_path / "ai").candidates(SplitConfig(group_pattern=r"(track_\d+)"))
    assert len({clip.group for clip in patterned}) == 40


def test_a_group_of_a_manifest_is_a_song_within_its_source(tmp_path: Path) -> None:
    lines = ["path,label,group,source"]
    for label, source in (("human", "fma"), ("human", "gtzan"), ("ai", "suno"), ("ai", "")):
        for piece in range(2):
            name = f"{label}{source}{piece}.wav"
            (tmp_path / name).touch()
            lines.append(f"{name},{label},1,{source}")
    (tmp_path / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    groups = Counter(clip.group for clip in read_manifest(tmp_path / "clips.csv"))
    assert groups == {"fma/1": 2, "gtzan/1": 2, "suno/1": 2, "ai/1": 2}


def test_what_was_read_of_names_is_shown_with_examples(tmp_path: Path) -> None:
    for folder in ("human", "ai"):
        (tmp_path / folder).mkdir()
        for number in range(5):
            (tmp_path / folder / f"{folder}set_{number}_seg1.wav").touch()
            (tmp_path / folder / f"{folder}set_{number}_seg2.wav").touch()
    rows = source_table(folders(tmp_path / "human", tmp_path / "ai").candidates(SplitConfig()))
    assert [(row["label"], row["source"], row["clips"], row["songs"]) for row in rows] == [
        ("human", "humanset", 10, 5),
        ("ai", "aiset", 10, 5),
    ]
    assert rows[0]["for example (clips)"] == "humanset_0 (2); humanset_1 (2); humanset_2 (2)"


def test_missing_empty_and_nested_folders_are_refused(tmp_path: Path) -> None:
    inner = tmp_path / "human" / "ai"
    inner.mkdir(parents=True)
    with pytest.raises(DataError, match="no such folder"):
        folders(tmp_path / "nowhere", inner)
    with pytest.raises(DataError, match="lies in the other"):
        folders(tmp_path / "human", inner)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(DataError, match="holds no audio file"):
        folders(inner, other).candidates(SplitConfig())


# Manifests


def write_manifest(folder: Path, text: str | bytes, *clips: str) -> Path:
    for clip in clips:
        (folder / clip).write_bytes(b"")
    path = folder / "m.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_manifest_is_read_with_bom_crlf_and_columns_of_its_own(tmp_path: Path) -> None:
    text = "\ufeffpath,extra,label,group,source\r\nb.wav,1,AI,g2,gen\r\na.wav,2,human,g1,\r\n"
    path = write_manifest(tmp_path, text, "a.wav", "b.wav")
    candidates = read_manifest(path)
    assert [(c.name, c.label, c.group, c.source) for c in candidates] == [
        ("a.wav", 0, "g1", "human"),
        ("b.wav", 1, "g2", "gen"),
    ]
    assert manifest(path) == Place(tmp_path, manifest="m.csv")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column path"),
        ("path,label,group\na.wav,human,g\n", "no column source"),
        ("path,label,group,source\n", "lists no clip"),
        ("path,label,group,source\na.wav,robot,g,s\n", "line 2: 'robot' is not a label"),
        ("path,label,group,source\na.wav,human,,s\n", "line 2: no group"),
        ("path,label,group,source\na.wav,human,g,s\na.wav,ai,g,s\n", "line 2: a.wav is listed twice"),
        ("path,label,group,source\n../a.wav,human,g,s\n", "leaves the manifest's folder"),
        ("path,label,group,source\n/etc/a.wav,human,g,s\n", "leaves the manifest's folder"),
        ("path,label,group,source\nno.wav,human,g,s\n", "1 of 1 files do not exist: no.wav"),
        (f"path,label,group,source\n{'x' * 300}.wav,human,g,s\n", "1 of 1 files do not exist"),
        ("path,label,group,source\na.wav,human,g,s\n".encode("utf-16"), "not UTF-8"),
        ('path,label,group,source\n"a.wav,human,g,s\n', "not a CSV table"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_line(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = write_manifest(tmp_path, text, "a.wav")
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


# Degraded versions


def test_every_visit_draws_the_clip_or_one_of_its_degraded_versions() -> None:
    values = np.zeros((3, 4), np.float32)
    copies = np.stack([np.full((3, 4), version, np.float16) for version in (1, 2)])
    torch.manual_seed(0)
    dataset = VectorDataset([(values, copies)], np.array([0, 1, 0]))
    seen = [float(dataset[1][0][0]) for _ in range(300)]
    assert sorted(set(seen)) == [0.0, 1.0, 2.0]
    assert min(seen.count(version) for version in (0.0, 1.0, 2.0)) > 70


def test_all_parts_of_a_clip_are_of_the_same_version() -> None:
    values = np.zeros((2, 4), np.float32)
    copies = np.stack([np.full((2, 4), version, np.float32) for version in (1, 2, 3)])
    torch.manual_seed(0)
    dataset = VectorDataset([(values, copies), (values - 1, copies - 1)], np.array([0, 1]))
    for _ in range(50):
        first, second, label = dataset[1]
        assert torch.equal(first, second + 1)
        assert int(label) == 1


def test_without_degraded_versions_nothing_is_drawn() -> None:
    state = torch.get_rng_state()
    dataset = SpectrogramDataset(np.ones((2, 16, 16), np.float32), np.array([0, 1]))
    assert float(dataset[0][0].sum()) == 256
    assert torch.equal(torch.get_rng_state(), state)
