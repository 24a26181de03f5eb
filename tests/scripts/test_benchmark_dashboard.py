"""The dashboard's benchmark shows a run of many clips that every page takes for a real one; nothing here is timed."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from streamlit.testing.v1 import AppTest

from core import storage
from core.artifacts import DETECTORS, ROOT, SPLITS, Run
from dashboard.reading import runs, sound
from dashboard.reading.attention import with_branches
from dashboard.reading.clips import read_clip_table
from dashboard.reading.embeddings import read_map
from dashboard.threshold import read_answers
from scripts.benchmark import browser as benchmark_browser
from scripts.benchmark import command as benchmark
from scripts.benchmark import dashboard as benchmark_dashboard
from scripts.benchmark import repeated as benchmark_repeated
from scripts.benchmark.dashboard import FIRST, PAGES, TargetRow
from scripts.benchmark.rounds import StepError
from tests.support.invented_run import SONGS, SOURCES, invent

OWN = sum(SONGS[label] * len(names) for label, names in SOURCES.items())
CLIPS = 3 * OWN - OWN // 4  # two whole copies, and most of a third


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose test clips can be heard."""
    root = tmp_path_factory.mktemp("source")
    run = invent(root / "artifacts", "small")
    value = storage.read_json(run.description, "")
    place = {"root": str(root), "human": ".", "ai": ".", "manifest": ""}
    storage.write_json(run.description, value | {"data": place})
    for clip in run.read_clips():
        if clip.split == "test":
            (root / clip.path).parent.mkdir(parents=True, exist_ok=True)
            sf.write(root / clip.path, np.full(5 * clip.native_rate, clip.row / 1e3), clip.native_rate)
    return run


@pytest.fixture(scope="module")
def made(source: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return benchmark_repeated.repeat(source, tmp_path_factory.mktemp("large"), CLIPS)


@pytest.mark.parametrize("title", PAGES)
def test_every_page_shows_the_large_run(made: Run, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(made.folder.parent))
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=30)
    app.query_params["clip"] = made.read_clips()[-1].path
    app.run()
    if title != FIRST:
        app.switch_page(str(ROOT / "pages" / f"{title.lower()}.py")).run()
    assert not app.exception
    assert [shown.value for shown in app.title] == [title]
    assert not [said.value for said in app.markdown if "This cannot be shown" in said.value]


def test_copies_have_names_and_songs_of_their_own_and_keep_the_shares_of_the_splits(source: Run, made: Run) -> None:
    originals, copies = source.read_clips(), made.read_clips()
    assert len(copies) == CLIPS
    assert len({clip.path for clip in copies}) == CLIPS
    assert len({clip.group for clip in copies}) == CLIPS  # one clip each in the source
    assert [clip.row for clip in copies] == list(range(CLIPS))
    assert [clip.split for clip in copies] == sorted((clip.split for clip in copies), key=SPLITS.index)
    before, after = (Counter(clip.split for clip in clips) for clips in (originals, copies))
    assert all(abs(after[split] - CLIPS / OWN * before[split]) <= 2 for split in SPLITS)
    classes = Counter((clip.split, clip.label) for clip in originals)
    for (split, label), count in Counter((clip.split, clip.label) for clip in copies).items():
        assert abs(count - CLIPS / OWN * classes[split, label]) <= 2, "the last copy takes some of every source"


def test_every_array_and_table_means_the_same_copy(source: Run, made: Run) -> None:
    originals, every = read_clip_table(source).set_index("path"), read_clip_table(made)
    origin = every["path"].str.partition("/")[2]
    assert np.array_equal(every["reconstruction_error"], originals.loc[origin, "reconstruction_error"])
    for fusion in ("hybrid", "three_way"):
        with_branches(made, every, fusion)  # refuses arrays that are not what the tables say
    rows = originals["row"][origin].to_numpy()
    assert np.array_equal(np.load(made.log_mel), np.load(source.log_mel)[rows])
    copy = every["path"].str.startswith("copy_1/")
    for name in DETECTORS:
        moved = every[f"p_{name}"].to_numpy() - originals.loc[origin, f"p_{name}"].to_numpy()
        assert (moved[every["path"].str.startswith("copy_0/")] == 0).all()
        assert (np.abs(moved[copy]) > 0).mean() > 0.9
        assert np.abs(moved).max() < 0.1
    steps = [len(read_answers(run, "cnn", "test", 0.5).thresholds) for run in (source, made)]
    assert steps[1] > 2 * steps[0]


def test_a_copy_sounds_as_the_clip_and_lies_near_it_on_the_map(source: Run, made: Run) -> None:
    last = made.read_clips()[-1]
    assert last.path.startswith("copy_2/")
    path = last.path.partition("/")[2]
    assert sound.original(made, last.path).data == sound.original(source, path).data
    small, large = read_map(source, OWN), read_map(made, CLIPS)
    row = next(clip.row for clip in source.read_clips() if clip.path == path)
    apart = large.positions["hybrid"][-1] - small.positions["hybrid"][row]
    assert 0 < np.abs(apart).max() < 0.5
    assert large.rows.tolist() == list(range(CLIPS))


def test_the_run_that_is_repeated_stays_as_it_is(source: Run, tmp_path: Path) -> None:
    before = {file: storage.sha256(file) for file in source.folder.rglob("*") if file.is_file()}
    benchmark_repeated.repeat(source, tmp_path, OWN + 1)
    assert {file: storage.sha256(file) for file in source.folder.rglob("*") if file.is_file()} == before
    assert runs.is_outdated(Run(tmp_path / "artifacts" / source.name)) == runs.is_outdated(source)


def test_a_run_is_never_made_smaller(source: Run) -> None:
    copies = benchmark_repeated.repeated(source.read_clips(), 32)
    assert copies.rows.tolist() == list(range(OWN))


def test_a_row_stands_beside_its_target() -> None:
    cells = TargetRow("to a page", "s", (1.4, 0.4, 0.6), 0.5).cells()
    assert list(cells.values())[:7] == ["to a page", "0.60 s", "0.50 s", "NO", "1.40 s", "1.40 s", 3]
    assert TargetRow("to a page", "s", (1.4, 0.4, 0.5), 0.5).met
    told = TargetRow("memory", "MB", (1234.4,)).cells()
    assert [told[name] for name in ("measured", "at most", "met", "first")] == ["1,234 MB", "", "", ""]
    assert benchmark_dashboard.work([(0.1, 2.0), (0.3, 1.0), (0.2, 3.0)]) == "CPU: server 0.20 s, browser 2.00 s"


def test_the_newest_evaluated_run_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path))
    with pytest.raises(SystemExit, match="no evaluated run.*Run `python scripts/demo.py`"):
        benchmark.main(["dashboard"])
    whole = invent(tmp_path, "whole")
    invent(tmp_path, "half", only=("prepare", "autoencoder"))
    assert benchmark_dashboard.evaluated("").name == whole.name
    with pytest.raises(SystemExit, match="not evaluated yet. Run `python -m scripts.pipeline run --run half`"):
        benchmark.main(["dashboard", "--run", "half"])
    with pytest.raises(SystemExit, match="other: there is no such run"):
        benchmark.main(["dashboard", "--run", "other"])


def test_a_run_without_what_pages_show_of_clips_is_refused(tmp_path: Path) -> None:
    run = invent(tmp_path / "artifacts", "old")
    run.log_mel.unlink()
    with pytest.raises(Exception, match="log_mel.npy: not made yet. Run `.*--only explain`"):
        benchmark_repeated.repeat(run, tmp_path, OWN)


def test_without_a_browser_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StepError, match="pip install -r tests/requirements.txt"):
        benchmark_browser.needed("no_such_module.part")
    pytest.importorskip("selenium")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(StepError, match="no Chromium"), benchmark_browser.browser():
        pass
