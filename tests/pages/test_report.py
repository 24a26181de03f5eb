"""The report as a reader gets it: the pages' numbers, nobody's markup but ours, nothing from outside."""

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from streamlit.testing.v1 import AppTest

from core import errors
from core.artifacts import Run
from core.errors import ArtifactError
from dashboard import sentences
from dashboard.overview import limits as overview_limits
from dashboard.reading import runs
from dashboard.reading.clips import read_clip_table
from dashboard.reading.results import Results
from dashboard.reading.robustness import read_robustness
from dashboard.report import document as report
from dashboard.report import examples as report_examples
from dashboard.report import media as report_media
from dashboard.report.document import Options
from dashboard.report.prose import html_of, marked
from dashboard.robustness import words as robustness_words
from tests.support import reading
from tests.support.invented_run import HOSTILE, invent

TODAY = datetime(2026, 5, 4, 12, tzinfo=UTC)
EVERYTHING = Options()
SILENT = Options(sound=False)
RATE = 32_000  # Hz, as the invented clips.csv says of AI clips
VOID = {"meta", "link", "img", "image", "br"}


class Page(HTMLParser):
    """What is in a document: text by element, and every attribute."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, text: str) -> None:
        if "style" in self.open:
            return
        self.texts.append(text)
        if {"td", "th"} & set(self.open):
            self.cells[-1] += text

    @property
    def words(self) -> str:
        return " ".join("".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return an evaluated run whose clips' files are there; tests that change files copy it."""
    run = invent(tmp_path_factory.mktemp("report") / "artifacts", "evaluated")
    root = run.folder.parent.parent / "data"
    _, config, demo = run.read_description()
    run.write_description({"root": str(root), "human": "human", "ai": "ai", "manifest": ""}, config, demo=demo)
    place = run.clips_table
    clips_csv = pd.read_csv(place, dtype=str, keep_default_na=False)
    folders = clips_csv["label"].map({"0": "human", "1": "ai"})
    clips_csv["path"] = folders + "/" + clips_csv["path"]
    clips_csv.to_csv(place, index=False)
    for file in (run.predictions, run.attention_weights):
        shown = pd.read_csv(file, dtype=str, keep_default_na=False)
        names = dict(zip(clips_csv["path"].str.split("/").str[1], clips_csv["path"], strict=True))
        shown["path"] = shown["path"].map(names)
        shown.to_csv(file, index=False)
    tone = np.sin(np.arange(5 * 44_100) / 20).astype(np.float32) / 2
    test = clips_csv[clips_csv["split"] == "test"]
    for path, rate in zip(test["path"], test["native_rate"].astype(int), strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, tone[: 5 * rate], rate, subtype="PCM_16")
    return run


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    """Return a copy of the evaluated run that a test may damage, without figures; its clips stay where they are."""
    folder = tmp_path / "artifacts" / made.name
    return Run(shutil.copytree(made.folder, folder, ignore=shutil.ignore_patterns("*.png")))


@pytest.fixture(scope="module")
def document(made: Run) -> str:
    return report.build(made, EVERYTHING, TODAY)


@pytest.fixture(scope="module")
def page(document: str) -> Page:
    return Page(document)


@pytest.fixture(scope="module")
def results(made: Run) -> Results:
    return runs.results(made)


def plain(markdown: str) -> str:
    """Return what a sentence reads like."""
    return " ".join(unescape(re.sub("<[^>]+>", "", html_of(markdown))).split())


# The same numbers


def test_the_report_holds_the_numbers_of_the_results_file(made: Run, page: Page) -> None:
    value = json.loads(made.results_file.read_text())
    for model in value["models"].values():
        low, high = model["test"]["intervals"]["roc_auc"]
        assert f"{model['test']['roc_auc']:.3f} [{low:.3f},\u00a0{high:.3f}]" in page.cells
        assert f"{model['threshold']:.3g}" in page.cells
        assert f"{model['calibration']['ece_before']:.3f}" in page.cells
    for said in (*value["summary"]["may"], *value["summary"]["may_not"]):
        assert " ".join(said.split()) in page.words
    assert f"{value['reconstruction']['test_mse']:.3f}" in page.words


def test_the_tables_are_those_of_the_pages(made: Run, page: Page, results: Results) -> None:
    robustness = read_robustness(made)
    assert robustness.changes is not None
    assert robustness.leave_out is not None
    tables = (
        sentences.detector_rows(results),
        sentences.source_rows(results),
        sentences.count_rows(results),
        robustness_words.detector_rows(robustness.changes, results.models),
        robustness_words.change_rows(robustness.changes, results.headline),
        robustness_words.shortcut_rows(robustness, results),
    )
    cells = [" ".join(cell.split()) for cell in page.cells]
    for row in (row for rows in tables for row in rows):
        shown = [" ".join(cell.split()) for cell in row.values()]
        assert any(cells[place : place + len(shown)] == shown for place in range(len(cells))), row


def test_the_sentences_are_those_of_the_pages(made: Run, page: Page, results: Results) -> None:
    said = [sentences.accusation(results), sentences.trained(results), sentences.verdict_from(results)]
    for sentence in (*said, *overview_limits.limits(results, read_robustness(made))):
        assert plain(sentence) in page.words


def test_a_changed_results_file_changes_the_report(run: Run) -> None:
    value = json.loads(run.results_file.read_text())
    for model in value["models"].values():
        model["test"]["roc_auc"] = 0.6543
    run.results_file.write_text(json.dumps(value))
    assert "0.654" in report.build(run, Options(("detectors",)), TODAY)


def test_the_report_says_when_what_and_of_what_run(page: Page) -> None:
    assert "Run evaluated" in " ".join(" ".join(page.texts).split())
    assert "4 May 2026, 12:00 UTC" in page.words
    assert "evaluation.bootstraps" in page.cells
    assert "Small AST from scratch" in page.words


def test_a_demo_and_an_old_evaluation_say_so(run: Run) -> None:
    before = report.preview(run, TODAY)
    assert "say nothing about real music" not in before
    assert "Out of date" not in before
    value = json.loads(run.results_file.read_text())
    run.results_file.write_text(json.dumps(value | {"demo": True}))
    run.record("hybrid").unlink()
    after = report.preview(run, TODAY)
    assert "the numbers say nothing about real music" in after
    assert "Out of date" in after


# One file, safe to open


def test_the_report_is_one_small_file_that_asks_for_nothing(document: str, page: Page) -> None:
    assert len(document.encode()) < 10_000_000
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    policy = next(meta for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none';")
    assert not page.of("script")
    assert "url(" not in document
    assert "@import" not in document


def test_foreign_names_stay_text(run: Run) -> None:
    names = dict(zip(("fma", "gtzan", "musicgen", "suno"), HOSTILE, strict=True))
    value = run.results_file.read_text()
    for name, hostile in names.items():
        value = value.replace(name, json.dumps(hostile)[1:-1])
    run.results_file.write_text(value)
    clips_csv = pd.read_csv(run.clips_table, dtype=str, keep_default_na=False)
    clips_csv.assign(source=clips_csv["source"].replace(names)).to_csv(run.clips_table, index=False)
    folder = run.folder.rename(run.folder.with_name("<img src=x onerror=alert(1)> **a**"))
    page = Page(report.build(Run(folder), SILENT, TODAY))
    for name in (*HOSTILE, folder.name):
        assert " ".join(name.split()) in page.words
    assert not [tag for tag, _ in page.tags if tag in ("script", "b")]
    assert not [image for image in page.of("img") if not image["src"].startswith("data:")]
    assert not [link for link in page.of("a") if not link["href"].startswith("#")]


@pytest.mark.parametrize("name", [*HOSTILE, "``", " `a` ", "**", ":blue[●]", "\u202eevil", "</code><script>", "a\nb"])
def test_a_name_in_a_sentence_is_shown_letter_by_letter(name: str) -> None:
    html = html_of(f"**From {sentences.literal(name)}** and {sentences.literal('b')}")
    assert unescape(re.findall("<code>(.*?)</code>", html, re.DOTALL)[0]) == (errors.printable(name))
    assert re.sub(r"<code>[^<]*</code>", "", html) == "<strong>From </strong> and "


def test_class_marks_have_their_colours_and_stay_with_their_word() -> None:
    assert html_of(":blue[●] Human") == '<span class="human">●</span> Human'
    assert marked("◆ <AI>") == '<span class="ai">◆</span>\u00a0&lt;AI&gt;'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("real", "synthetic-music-detector-real-2026-05-04.html"),
        ("<img src=x> ..$a", "synthetic-music-detector-img-src-x-..-a-2026-05-04.html"),
        ("…", "synthetic-music-detector-run-2026-05-04.html"),
    ],
)
def test_the_file_has_a_name_that_any_system_takes(name: str, expected: str) -> None:
    assert report.file_name(Run(Path("artifacts") / name), TODAY) == expected


def test_everything_can_be_read_without_seeing_it(page: Page) -> None:
    assert page.open == []
    assert page.of("html")[0]["lang"] == "en"
    assert all(len(image["alt"]) > 20 for image in page.of("img"))
    assert all(picture["aria-label"] for picture in page.of("svg"))
    assert all(sound["aria-label"] for sound in page.of("audio"))
    assert len(page.of("table")) == len(page.of("caption")) > 10
    assert {heading["scope"] for heading in page.of("th")} == {"col", "row"}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in page.of("a")} <= targets


# What is in it


@pytest.mark.parametrize("left_out", list(report.SECTIONS))
def test_a_section_can_be_left_out(made: Run, left_out: str) -> None:
    kept = Page(report.build(made, Options([name for name in report.SECTIONS if name != left_out], False), TODAY))
    ids = {attributes["id"] for _, attributes in kept.tags if "id" in attributes}
    assert ids == {"summary", "tested", "limits", *report.SECTIONS} - {left_out}


def test_figures_are_narrow_enough_and_named(made: Run, page: Page) -> None:
    names = [name for names in report.FIGURES.values() for name in names]
    assert len(page.of("img")) == len(names)
    assert max(int(image["width"]) for image in page.of("img")) <= report_media.WIDEST
    figure = report_media.figure(made, "roc_curves")
    assert figure is not None
    assert len(figure.address) < 4 / 3 * made.figure("roc_curves").stat().st_size


def test_missing_or_damaged_figures_leave_a_sentence(made: Run, run: Run) -> None:
    run.figure("tsne").write_bytes(made.figure("tsne").read_bytes()[:5000])
    words = Page(report.build(run, SILENT, TODAY)).words
    for name in ("roc_curves", "tsne"):
        assert f"The run holds no whole figure {name}.png" in words
    assert "python -m scripts.pipeline run --run evaluated --only evaluate" in words


def test_parts_that_were_not_measured_say_so(run: Run) -> None:
    value = json.loads(run.results_file.read_text())
    missing = dict.fromkeys(("shortcuts", "robustness", "leave_out", "seeds"))
    run.results_file.write_text(json.dumps(value | missing))
    words = Page(report.build(run, SILENT, TODAY)).words
    assert words.count("Not measured in this run") >= len(missing)
    assert "python -m scripts.pipeline run --run evaluated --set audit.leave_out=all" in words


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value["models"]["cnn"].pop("calibration"),
        lambda value: value["models"]["cnn"]["calibration"].update(ece_before="much"),
        lambda value: value.update(reconstruction=None),
    ],
)
def test_damaged_results_are_refused_in_a_sentence(run: Run, change: Callable[[dict[str, object]], object]) -> None:
    value = json.loads(run.results_file.read_text())
    change(value)
    run.results_file.write_text(json.dumps(value))
    with pytest.raises(ArtifactError, match="damaged"):
        report.preview(run, TODAY)


# Listening examples


def test_examples_are_the_clips_that_the_rule_names(made: Run, results: Results) -> None:
    table, model = read_clip_table(made), next(model for model in results.models if min(model.wrong.values()) > 1)
    chosen = report_examples.choose(table, model)
    assert len(chosen) == 8
    assert {choice.clip["split"] for choice in chosen} == {"test"}
    assert len({choice.clip["song"] for choice in chosen}) == len(chosen)
    test = table[table["split"] == "test"]
    score = f"p_{model.key}"
    of_class = {label: test[test["label"] == label] for label in ("human", "ai")}
    first = {(choice.kind, choice.clip["label"]): choice.clip[score] for choice in reversed(chosen)}
    assert first["right", "human"] == of_class["human"][score].min()
    assert first["right", "ai"] == of_class["ai"][score].max()
    assert first["wrong", "human"] == of_class["human"][score].max() >= model.threshold
    assert first["wrong", "ai"] == of_class["ai"][score].min() < model.threshold
    assert all(choice.right == choice.clip[f"right_{model.key}"] for choice in chosen)
    for label, expected in of_class.items():
        others = [choice.clip[score] for choice in chosen if choice.kind != "nearest" and choice.clip["label"] == label]
        distances = (expected[score] - model.threshold).abs()[~expected[score].isin(others)]
        assert abs(first["nearest", label] - model.threshold) == distances.min()


def test_without_an_error_there_is_no_wrong_example(made: Run, results: Results) -> None:
    table, model = read_clip_table(made), results.headline
    right = table[table[f"right_{model.key}"]]
    assert {choice.kind for choice in report_examples.choose(right, model)} == {"right", "nearest"}
    assert report_examples.choose(table.iloc[:0], model) == []


def test_examples_show_the_scores_of_the_table(made: Run, page: Page, results: Results) -> None:
    for choice in report_examples.choose(read_clip_table(made), results.headline):
        assert choice.clip["path"] in page.words
        for model in results.models:
            assert f"{choice.clip[f'p_{model.key}']:.3f}" in page.cells


def test_examples_sound_like_their_files(page: Page) -> None:
    sounds = page.of("audio")
    assert len(sounds) >= 6
    for sound in sounds:
        kind, _, content = sound["src"].partition(",")
        assert kind == "data:audio/mpeg;base64"
        waveform, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert rate in (32_000, 44_100)
        assert len(waveform) / rate == pytest.approx(5, abs=0.1)
        assert np.sqrt(np.mean(waveform**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert "re-encoded for this file (MP3, 128 kbit/s)" in page.words
    assert "The clips belong to their owners" in page.words


@pytest.mark.parametrize(
    ("rate", "channels", "kept", "left"), [(8_000, 1, 44_100, 1), (96_000, 6, 44_100, 1), (48_000, 2, 48_000, 2)]
)
def test_any_sound_becomes_an_mp3_at_a_legal_rate(rate: int, channels: int, kept: int, left: int) -> None:
    file = io.BytesIO()
    tone = np.sin(np.arange(20 * rate) * 2 * np.pi * 440 / rate) / 2
    soundfile.write(file, np.repeat(tone[:, None], channels, axis=1), rate, format="WAV")
    content = base64.b64decode(report_media.mp3(file.getvalue(), 60).partition(",")[2])
    waveform, decoded_rate = soundfile.read(io.BytesIO(content), always_2d=True)
    assert (decoded_rate, waveform.shape[1]) == (kept, left)
    assert len(waveform) / decoded_rate == pytest.approx(report_media.SOUND_SECONDS, abs=0.1)
    assert len(content) * 8 / report_media.SOUND_SECONDS == pytest.approx(128_000, rel=0.05)


def test_a_report_without_sound_holds_none_and_says_so(made: Run) -> None:
    page = Page(report.build(made, SILENT, TODAY))
    assert not page.of("audio")
    assert len(page.of("svg")) >= 6
    assert "This report was made without sound" in page.words


def test_clips_whose_files_have_gone_are_shown_without_sound(run: Run) -> None:
    description = json.loads(run.description.read_text())
    description["data"]["root"] = str(run.folder / "gone")
    run.description.write_text(json.dumps(description))
    page = Page(report.build(run, EVERYTHING, TODAY))
    assert not page.of("audio")
    assert "so there is no sound in this report" in page.words
    assert "has been moved" in page.words


def test_a_run_without_pictures_of_its_clips_still_has_examples(run: Run) -> None:
    run.log_mel.unlink()
    page = Page(report.build(run, EVERYTHING, TODAY))
    assert not page.of("svg")
    assert len(page.of("audio")) >= 6
    assert "No picture" in page.words


def test_ticks_of_a_spectrogram_stand_at_their_bands(made: Run) -> None:
    config = made.read_description()[1]
    picture = report_media.spectrogram(np.full((128, 10), -80, np.float16), config)
    places = {text: place for place, text in picture.ticks}
    assert list(places) == ["0.5", "1", "2", "4"]
    assert 0 < places["0.5"] < places["1"] < places["2"] < places["4"] < 1
    assert places["1"] == pytest.approx(2 * places["0.5"], abs=0.01)  # mel is linear up to 1 kHz


# The page


def opened(monkeypatch: pytest.MonkeyPatch, run: Run) -> AppTest:
    monkeypatch.setenv("SMD_ARTIFACTS", str(run.folder.parent))
    return reading.opened("report", run=run.name)


def test_the_page_offers_the_report_and_says_what_is_in_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, run)
    assert any(" listening examples, about " in caption.value and " MB" in caption.value for caption in app.caption)
    button = app.get("download_button")[0].proto
    assert button.label == "Download the report"
    app.pills(key="report_sections").set_value(["making"]).run()
    assert any("0 figures, 0 listening examples" in caption.value for caption in app.caption)


def test_the_size_is_known_before_the_report_is_made(made: Run, document: str) -> None:
    told = float(re.findall(r"about ([\d.]+) MB", report.contents(made, EVERYTHING))[0]) * 1e6
    assert told == pytest.approx(len(document), rel=0.35, abs=150_000)


def test_a_half_finished_run_has_no_report_but_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = invent(tmp_path / "artifacts", "half", only=("prepare", "autoencoder"))
    app = opened(monkeypatch, half)
    assert "python -m scripts.pipeline run --run half" in [code.value for code in app.code]
    assert not app.get("download_button")
