"""Songs and sources as names tell them: a piece finds its song, and no song's title becomes a source."""

from collections.abc import Sequence
from pathlib import PurePath

import pytest

from core.data.names import MANY, Told, song_of, tell
from core.errors import ConfigError, DataError


def told(names: Sequence[str], folder: str = "Music", pattern: str = "") -> list[Told]:
    return tell([PurePath(name) for name in names], folder, pattern)


def numbered(pattern: str, count: int = 2 * MANY) -> list[str]:
    return [pattern.format(number) for number in range(count)]


def sources(names: Sequence[str], folder: str = "Music") -> set[str]:
    return {clip.source for clip in told(names, folder)}


@pytest.mark.parametrize(
    ("path", "song"),
    [
        ("fma_001_seg1.wav", "fma_001"),
        ("fma_001_seg12.flac", "fma_001"),
        ("Song Name - segment 3.mp3", "Song Name"),
        ("song-part2.wav", "song"),
        ("sample_12.wav", "sample_12"),
        ("album/track.wav", "album/track"),
        ("song/seg3.wav", "song"),
        ("seg.wav", "seg"),
        ("song_seg3_seg1.flac", "song"),
        ("clip_001_seg1.flac", "clip_001"),
        ("chunk0_seg12.flac", "chunk0"),
        ("Part 1_seg2.flac", "Part 1"),
        ("slice3_seg1.flac", "slice3"),
        ("Part 1.mp3", "Part 1"),
        ("MusicGen/clip_001.wav", "MusicGen/clip_001"),
        ("MusicGen/clip_001_seg1.flac", "MusicGen/clip_001"),
        ("book/chunk0_seg1.flac", "book/chunk0"),
        ("Counterpart 7.mp3", "Counterpart 7"),
        ("Counterpart 7_seg1.flac", "Counterpart 7"),
        ("fake_00001_suno_0.mp3", "fake_00001"),
        ("fake_00001_suno_1_seg2.flac", "fake_00001"),
        ("Dr. Feelgood.mp3", "Dr. Feelgood"),
    ],
)
def test_a_piece_finds_its_song(path: str, song: str) -> None:
    assert song_of(PurePath(path)) == song


def test_two_thousand_samples_are_two_thousand_songs() -> None:
    assert len({clip.song for clip in told(numbered("sample_{}.wav", 2000))}) == 2000


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (numbered("fma_{:03}.wav"), {"fma"}),
        (numbered("fma_{:03}_seg1.wav"), {"fma"}),
        (numbered("musicgen-small_{:03}.wav"), {"musicgen-small"}),
        (numbered("{:04}.wav"), {"Music"}),
        (numbered("blues.{:05}.wav"), {"blues"}),
        (numbered("fake_{:05}_suno_0.mp3"), {"suno"}),
        (numbered("Symphony No. {}.mp3"), {"Music"}),
        (["Summer of '69.mp3", "Yesterday.mp3"], {"Music"}),
        (["Counterpart 7.mp3", "Counterpart 8.mp3"], {"Music"}),
        (numbered("00000000-0000-4000-8000-{:012}.mp3"), {"Music"}),
        (numbered("MusicGen_medium/x{}a.wav"), {"MusicGen_medium"}),
        (numbered("sample_{}.wav"), {"Music"}),
        (numbered("000/{:06}.mp3"), {"Music"}),
        (numbered("fma_small/001/{:06}.mp3"), {"fma_small"}),
        (["a/one.wav", "a/two.wav", "b/one.wav", "b/two.wav"], {"a", "b"}),
        (["Album/Song/seg1.wav", "Album/Song/seg2.wav", "Album/Other/seg1.wav"], {"Album"}),
    ],
)
def test_a_source_is_a_prefix_of_many_or_else_the_folder_of_several(names: list[str], expected: set[str]) -> None:
    assert sources(names) == expected


def test_the_source_does_not_come_from_the_group() -> None:
    names = [*numbered("fma/track{}.mp3"), *numbered("suno/track{}.mp3")]
    clips = told(names, pattern=r"(track\d+)")
    assert {clip.source for clip in clips} == {"fma", "suno"}
    assert len({clip.song for clip in clips}) == len(names)


def test_songs_of_one_name_in_two_sources_are_two_songs() -> None:
    clips = told(["fma/track 1.mp3", "fma/track 2.mp3", "suno/track 1.mp3", "suno/track 2.mp3"], pattern=r"(track \d+)")
    assert [clip.song for clip in clips] == ["fma/track 1", "fma/track 2", "suno/track 1", "suno/track 2"]


def test_versions_of_one_lyric_belong_together() -> None:
    names = [
        f"fake_{lyric:05}_{engine}_{version}.mp3"
        for lyric in range(9)
        for engine in ("suno", "udio")
        for version in (0, 1)
    ]
    clips = told(names)
    assert {clip.source for clip in clips} == {"suno", "udio"}
    assert len({clip.song for clip in clips}) == 9


def test_a_pattern_that_cannot_be_used_is_refused() -> None:
    assert told(["a/b_take7_x.wav"], pattern=r"(take\d+)")[0].song == "take7"
    for pattern in (r"(take\d+)", r"(take\d+)|b"):
        with pytest.raises(DataError, match="does not match"):
            told(["b.wav"], pattern=pattern)
    for wrong in ("(", "take", "(a)(b)"):
        with pytest.raises(ConfigError, match="group_pattern"):
            told(["b.wav"], pattern=wrong)
