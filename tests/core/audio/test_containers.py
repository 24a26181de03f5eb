"""A container that is read stands in one table; all that is offered, accepted, served and named follows from it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from core.artifacts import ROOT
from core.audio.clips import inspect
from core.audio.containers import ENCODINGS, FORMATS, SUFFIXES, is_misnamed
from core.config import AudioConfig
from tests.support.hostile_audio import encoded, layer_two, sound

# A reader who wants AU read adds this entry to the table; the program runs with it, and nothing else is changed.
AU = """
FORMATS: Final = {
    "AU": Format(
        suffixes=(".au",),
        mime="audio/basic",
        encodings=("PCM_16",),
        is_lossy=False,
        is_start=lambda head: head[:4] == b".snd",
        layout=lambda file, config: Layout(),
        shows_end=False,
    ),
"""
PROGRAM = """
import json, sys, types
from pathlib import Path

table, song, out = Path("core/audio/containers.py"), sys.argv[1], Path(sys.argv[2])
source = table.read_text(encoding="utf-8")
assert source.count("FORMATS: Final = {") == 1
changed = sys.modules["core.audio.containers"] = types.ModuleType("core.audio.containers")
exec(compile(source.replace("FORMATS: Final = {", sys.argv[3]), table, "exec"), changed.__dict__)

import numpy as np
from core.audio.clips import read_clip, read_native, read_recording
from core.audio.upload import Decoded
from core.config import AudioConfig, SplitConfig
from core.data.places import clips_in
from core.data.search import search
from core.evaluation.shortcuts import measure
from dashboard.detect.view import TYPES
from scripts import segment
from scripts.detect.command import find

folder = Path(song).parent
config = AudioConfig()
clip = read_clip(song, config)
np.save(out, clip.waveform)
print(json.dumps({
    "format": clip.header.format,
    "warnings": clip.warnings,
    "offered": "au" in TYPES,
    "container": measure(read_recording(song, config), config)["container"],
    "training": [clip.name for clip in clips_in(folder, folder, search(folder), 0, SplitConfig())],
    "judged": [path.name for path in find([str(folder)]).files],
    "cut": [path.name for path in segment.find_songs(folder, out).files],
    "sentence": changed.RESAVE,
}))
"""


def test_another_format_is_one_entry_in_one_table(tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    sf.write(songs / "song.au", sound(6.0, 16_000), 16_000, format="AU", subtype="PCM_16")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, songs / "song.au", tmp_path / "heard.npy", AU.strip()],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not run.returncode, run.stderr
    assert json.loads(run.stdout) == {
        "format": "AU",
        "warnings": [],
        "offered": True,
        "container": 0.0,
        "training": ["song.au"],
        "judged": ["song.au"],
        "cut": ["song.au"],
        "sentence": "Save it again as AU, WAV, FLAC, OGG, MP3 or AIFF",
    }
    stored, _ = sf.read(songs / "song.au", dtype="float32")
    np.testing.assert_array_equal(np.load(tmp_path / "heard.npy"), stored[: 5 * 16_000])


@pytest.mark.parametrize(
    ("container", "encoding"), [(name, encoding) for name, kind in FORMATS.items() for encoding in kind.encodings]
)
def test_every_encoding_of_the_table_is_read_under_every_name_of_its_container(
    container: str, encoding: str, tmp_path: Path
) -> None:
    content = layer_two(1.2) if encoding == "MPEG_LAYER_II" else encoded(container, encoding, 1.2, 16_000)
    for suffix in FORMATS[container].suffixes:
        path = tmp_path / f"song{suffix}"
        path.write_bytes(content)
        header = inspect(path, AudioConfig())
        assert (header.format, header.subtype, header.warnings) == (container, encoding, ())
        assert not is_misnamed(path.name, container)
        assert all(is_misnamed(path.name, other) for other in FORMATS if other != container)
    assert encoding in ENCODINGS


def test_no_suffix_belongs_to_two_containers() -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES)
