"""Names that are not UTF-8, as old disks have them: every page, table and download takes them and finds their files."""

import csv
import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.artifacts import Run
from core.storage import readable, stored
from dashboard.audit.export import as_csv
from dashboard.map import choice
from dashboard.reading import runs
from dashboard.reading.annotations import read_annotations, save
from dashboard.reading.clips import read_clip_table
from dashboard.report.document import Options, build
from scripts import ship_card
from scripts.readme import what_may_be_said
from tests.support.invented_run import invent
from tests.support.reading import opened, words

OLD = b"\xfcber 002"  # Latin-1
NAME = OLD.decode("utf-8", "surrogateescape")
PAGES = ("overview", "detect", "clips", "map", "attention", "audit", "models", "robustness", "report")


@pytest.fixture(scope="module")
def latin(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run with sources, songs and files whose names are not UTF-8."""
    artifacts = tmp_path_factory.mktemp("latin") / "artifacts"
    return invent(artifacts, "latin", sources={0: ("fma", NAME), 1: ("musicgen", f"{NAME}\udce9")})


@pytest.fixture
def run(latin: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path))
    return Run(shutil.copytree(latin.folder, tmp_path / latin.name))


def path_of(run: Run) -> str:
    """Return the readable path of a test clip with such a name."""
    clips = read_clip_table(run)
    old = clips["path"].str.startswith(readable(NAME)) & clips["split"].eq("test")
    return str(clips.loc[old, "path"].iloc[0])


@pytest.mark.parametrize("name", ["song.wav", "über.wav", NAME, "\udcff\udc80é", "ein\\n", ""])
def test_a_readable_name_is_plain_text_and_leads_back_to_the_file(name: str) -> None:
    assert readable(name).encode("utf-8").decode("utf-8") == readable(name)
    assert stored(readable(name)) == name
    assert readable(readable(name)) == readable(name)


def test_what_a_run_keeps_of_such_a_name_is_what_the_disk_has(run: Run) -> None:
    clips = run.read_clips()
    named = [clip for clip in clips if clip.source == NAME]
    assert all(clip.path.encode("utf-8", "surrogateescape").startswith(OLD) for clip in named)
    assert [stored(path) for path in runs.clips_by_path(run)] == [clip.path for clip in clips]
    assert NAME in {source["source"] for source in run.read_results()["sources"]}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_with_such_a_clip_selected(page: str, run: Run) -> None:
    path = path_of(run)
    app = opened(page, run=run.name, clip=path)
    assert not app.error
    assert words(app).encode()
    assert app.query_params["clip"] in (path, [path])


def test_the_overview_and_the_clips_show_them_readable(run: Run) -> None:
    assert readable(NAME) in words(opened(run=run.name))
    assert path_of(run) in words(opened("clips", run=run.name, clip=path_of(run)))


def test_the_report_is_plain_utf_8(run: Run) -> None:
    assert readable(NAME) in build(run, Options(sound=False), datetime(2026, 5, 4, tzinfo=UTC))


def test_downloads_name_the_file_as_the_disk_does(run: Run) -> None:
    clips = read_clip_table(run).assign(x=0.0, y=0.0, call="ai")
    for table in (choice.export(clips, "hybrid"), as_csv(clips, {}, "hybrid", 0.5)):
        lines = csv.DictReader(io.StringIO(table.decode("utf-8-sig", "surrogateescape")))
        assert [line["path"] for line in lines] == [clip.path for clip in run.read_clips()]


def test_a_note_on_such_a_clip_is_found_again(run: Run) -> None:
    path = path_of(run)
    save(run.annotations, path, "me", (), "a note", ())
    assert [annotation.path for annotation in read_annotations(run.annotations)] == [path]


def test_a_model_card_and_the_lists_name_them_in_plain_utf_8(run: Run) -> None:
    results = run.read_results()
    shipped = {"rounding": {"cnn": {"largest_change": 0.0, "test_auc": 1.0, "test_auc_before": 1.0}}, "clips": 1}
    results["shipped"] = shipped | {"taken_over": [], "from_run": run.name}
    card = ship_card.model_card(results, ship_card.material(run.read_clips(), None))
    assert card.encode()
    assert what_may_be_said(results).encode()
    assert json.dumps(results).encode()
