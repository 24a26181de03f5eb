"""The map: what is near what, what a lasso means, and what the page says of it."""

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core import palette, storage
from core.artifacts import ROOT, Run
from core.errors import ArtifactError
from dashboard import sentences
from dashboard.drawing import pictures, theme
from dashboard.map import choice
from dashboard.map import figures as map_figures
from dashboard.map import words as map_words
from dashboard.map.choice import OTHERS, chosen_rows
from dashboard.reading import embeddings
from dashboard.reading.embeddings import class_agreement, neighbours
from tests.support import reading
from tests.support.invented_run import HOSTILE, invent
from tests.support.reading import drawn, words

HEAVY = ("torch", "transformers", "librosa", "sklearn", "scipy", "matplotlib", "numba")
N = 160  # clips of the invented run, whose sources have the names nobody should trust


def opened(**query: str) -> AppTest:
    return reading.opened("map", **query)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    sources = {0: HOSTILE[:2], 1: HOSTILE[2:]}
    return invent(tmp_path_factory.mktemp("map") / "artifacts", "mapped", sources=sources)


def clip_table(n: int = 6, songs: int = 0) -> pd.DataFrame:
    """Return clips as `read_clip_table` gives them, half of them AI, each of its own song unless `songs` are fewer."""
    half = ["human"] * (n // 2) + ["ai"] * (n - n // 2)
    facts = {
        "path": [f"{row}.wav" for row in range(n)],
        "label": half,
        "song": [str(r % (songs or n)) for r in range(n)],
    }
    facts |= {"source": ["fma", "suno"] * (n // 2), "split": ["train", "test"] * (n // 2), "native_rate": [44100] * n}
    rng = np.random.default_rng(0)
    facts |= {
        "p_cnn": rng.uniform(size=n),
        "call_cnn": ["human"] * n,
        "right_cnn": [label == "human" for label in half],
    }
    facts |= {"weight_autoencoder": rng.uniform(size=n), "reconstruction_error": rng.uniform(size=n)}
    return pd.DataFrame(facts).assign(x=rng.normal(size=n), y=rng.normal(size=n))


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


# Neighbours


def test_the_nearest_clip_points_the_same_way_however_loud_it_is() -> None:
    nearest, similarity = neighbours(unit(np.array([[1.0, 0], [0, 1], [9, 1], [1, 1]])), 0, range(4), 3)
    assert nearest == [2, 3, 1]
    assert similarity == pytest.approx([9 / np.sqrt(82), 1 / np.sqrt(2), 0])


def test_a_clip_is_not_its_own_neighbour_and_only_candidates_are() -> None:
    assert neighbours(unit(np.ones((5, 2))), 2, [2, 4], 10)[0] == [4]
    assert neighbours(unit(np.ones((5, 2))), 2, [2], 10) == ([], [])


def test_classes_apart_agree_fully_and_classes_at_random_as_chance_would() -> None:
    labels, songs = np.repeat([0, 1], 300), np.arange(600)
    apart = unit(np.stack([1.0 - labels, labels], axis=1) + 0.1)
    agreement = class_agreement(apart, labels, songs, ("human", "ai"), 10)
    assert agreement is not None
    assert (agreement.share, agreement.n, agreement.by_label) == (1.0, 600, {"human": 1.0, "ai": 1.0})
    assert agreement.chance == pytest.approx(299 / 599)
    noise = unit(np.random.default_rng(0).normal(size=(600, 8)))
    agreement = class_agreement(noise, labels, songs, ("human", "ai"), 10)
    assert agreement is not None
    assert agreement.share == pytest.approx(0.5, abs=0.03)


def test_clips_of_the_same_song_do_not_make_the_classes_look_apart() -> None:
    songs = np.repeat(np.arange(60), 5)
    labels = songs % 2
    rng = np.random.default_rng(0)
    one_song_one_place = unit(rng.normal(size=(60, 16))[songs] + 0.01 * rng.normal(size=(300, 16)))
    agreement = class_agreement(one_song_one_place, labels, songs, ("human", "ai"), 4)
    assert agreement is not None
    assert agreement.share < 0.65


def test_one_class_or_one_song_is_too_little_to_agree() -> None:
    two, some = ("human", "ai"), unit(np.ones((6, 2)))
    assert class_agreement(some, np.zeros(6, int), np.arange(6), ("human",), 2) is None
    assert class_agreement(some, np.array([0, 0, 0, 1, 1, 1]), np.zeros(6, int), two, 2) is None
    assert class_agreement(some[:0], np.zeros(0, int), np.zeros(0, int), (), 2) is None


# Choosing


def test_a_lasso_means_clips_not_places_in_a_trace() -> None:
    points = [{"point_index": 0, "customdata": 7}, {"point_index": 0, "customdata": [3]}, {"customdata": 7}]
    assert chosen_rows(points) == [3, 7]
    assert chosen_rows([{"point_index": 4}, {"customdata": None}, {"customdata": "x"}, {"customdata": True}]) == []


def test_every_mark_carries_its_clips_row_and_nothing_else() -> None:
    shown = clip_table(8).loc[[1, 2, 5, 7]]
    for colour in choice.COLOURS:
        values, text = choice.values(shown, colour, "cnn"), map_figures.hover(shown, "cnn")
        number = colour in choice.NUMBERS
        chart = (
            map_figures.by_number(shown, values, text, [], "")
            if number
            else map_figures.by_name(shown, values, text, [])
        )
        carried = {
            row: (x, y) for trace in chart.data for row, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
        }
        assert carried == {row: (shown.loc[row, "x"], shown.loc[row, "y"]) for row in shown.index}, colour


def test_classes_differ_in_shape_whatever_the_colour() -> None:
    shown = clip_table(8)
    for colour in choice.COLOURS:
        values, text = choice.values(shown, colour, "cnn"), map_figures.hover(shown, "cnn")
        number = colour in choice.NUMBERS
        chart = (
            map_figures.by_number(shown, values, text, [], "")
            if number
            else map_figures.by_name(shown, values, text, [])
        )
        for trace in chart.data:
            assert {theme.SYMBOLS[shown.loc[row, "label"]] for row in trace.customdata} == {trace.marker.symbol}


def test_the_legend_counts_the_marks_it_names() -> None:
    shown = clip_table(8)
    chart = map_figures.by_name(shown, choice.values(shown, "split", "cnn"), map_figures.hover(shown, "cnn"), [])
    assert [trace.name for trace in chart.data] == ["Training (2)", "Test (2)"] * 2
    map_figures.add_errors(chart, shown[~shown["right_cnn"]], "CNN", [])
    assert chart.data[-1].name == "CNN is wrong (4)"
    assert chart.data[-1].customdata == (4, 5, 6, 7)


def test_what_was_chosen_before_is_marked_and_the_rest_steps_back() -> None:
    shown = clip_table(6)
    names, text = choice.values(shown, "class", "cnn"), map_figures.hover(shown, "cnn")
    human, ai = map_figures.by_name(shown, names, text, [1, 2]).data
    assert (human.selectedpoints, ai.selectedpoints) == ((1, 2), ())
    assert all(trace.selectedpoints is None for trace in map_figures.by_name(shown, names, text, []).data)


def test_small_sources_stand_together_and_are_counted() -> None:
    shown = clip_table(40)
    shown["source"] = [f"s{row // 2 % 10}" if row < 20 else "suno" for row in range(40)]
    names = choice.values(shown, "source", "cnn")
    assert set(names[:20]) == {f"s{n}" for n in range(5)} | {f"5 {OTHERS}"}
    chart = map_figures.by_name(shown, names, map_figures.hover(shown, "cnn"), [])
    assert [trace.marker.color for trace in chart.data if OTHERS in trace.name] == [palette.NEUTRAL]


def test_the_export_holds_who_the_clips_are_their_scores_and_their_place() -> None:
    exported = pd.read_csv(io.BytesIO(choice.export(clip_table(6).loc[[4, 1]], "hybrid")))
    assert exported["path"].tolist() == ["4.wav", "1.wav"]
    assert {"label", "split", "p_cnn", "call_cnn", "x", "y"} <= set(exported.columns)
    assert set(exported["map"]) == {"hybrid"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_the_chart_as_letters(name: str) -> None:
    shown = clip_table(4).assign(source=name, path=[f"{row} {name}" for row in range(4)])
    text = map_figures.hover(shown, "cnn")
    chart = map_figures.by_name(shown, choice.values(shown, "source", "cnn"), text, [])
    letters = [trace.name for trace in chart.data] + [line.replace("<br>", "") for line in text]
    assert not any("<" in words for words in letters)


# The page


def test_the_page_says_what_the_map_shows_and_what_it_cannot(run: Run) -> None:
    page = words(opened())
    for said in (
        f"{N} of {N} clips",
        "perplexity 5",
        "mean nothing",
        "nearest neighbours are of the same class",
        "chance",
    ):
        assert said in page, said
    assert "Small AST from scratch, fine-tuned. It stands in for the pretrained AST." in page


def test_a_link_opens_its_map_colour_and_clip_again(run: Run) -> None:
    path = run.read_clips()[-1].path
    app = opened(map="Autoencoder", colour="Source", clip=path)
    assert app.header[0].value == "Autoencoder, by source"
    assert "Of the 10 nearest of 96 training clips" in words(app)
    assert any(path in text.value for text in app.text)


def test_filters_say_how_many_of_how_many_and_can_leave_nothing(run: Run) -> None:
    app = opened(map_split="Test", map_class="AI")
    assert f"20 of {N} clips" in words(app)
    assert "of one class only" in words(app)
    app = opened(map_class="AI", map_sources=HOSTILE[0])
    assert f"0 of {N} clips" in words(app)


@pytest.mark.parametrize("colour", choice.COLOURS.values())
def test_every_colour_can_be_shown(run: Run, colour: str) -> None:
    assert opened(colour=colour, map="Three-way fusion").header[0].value == f"Three-way fusion, by {colour.lower()}"


def test_choosing_clips_in_the_map_lists_them_and_one_alone_is_selected(run: Run) -> None:
    app = opened()
    paths = [clip.path for clip in run.read_clips()]
    app.session_state[choice.CHOSEN] = tuple(paths[:3])
    app.run()
    assert f"3 of {N} shown clips chosen" in words(app)
    assert len(app.dataframe[0].value) == 3
    app.button(key="map-clear").click().run()
    assert "shown clips chosen" not in words(app)


def test_neighbours_come_from_the_split_that_is_asked_for(run: Run) -> None:
    path = run.read_clips()[0].path
    app = opened(clip=path)
    assert set(app.dataframe[0].value["Split"]) == {"train"}
    app.slider(key="map_k").set_value(50).run()
    assert len(app.dataframe[0].value) == 50
    app = opened(clip=path, map_among="Test")
    assert set(app.dataframe[0].value["Split"]) == {"test"}


def test_charts_and_tables_have_text_alternatives(run: Run) -> None:
    app = opened(clip=run.read_clips()[0].path)
    elements = [*app.get("plotly_chart"), *app.dataframe]
    assert len(elements) >= 2
    assert all(element.proto.alt for element in elements)
    assert any('aria-label="The selected clip and ' in body for body in drawn(app, "plane"))


def test_only_one_chart_needs_a_canvas_of_its_own_however_many_clips_there_are(run: Run) -> None:
    app = opened(clip=run.read_clips()[0].path)
    assert len(app.get("plotly_chart")) == 1


def test_the_map_is_drawn_once_for_a_view_and_anew_for_another(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    colours: list[str] = []
    real = map_figures.map_figure
    monkeypatch.setattr(map_figures, "map_figure", lambda *parts: colours.append(parts[1]) or real(*parts))
    app = opened()
    app.session_state["clip"] = run.read_clips()[3].path
    app.run()
    assert colours == ["class"]
    app.selectbox(key="colour").set_value("split").run()
    assert colours == ["class", "split"]


def test_neighbours_stand_on_the_still_map_where_they_are_on_the_map() -> None:
    shown = pd.DataFrame(
        {"x": [0.0, 2.0, 4.0], "y": [0.0, 1.0, 0.0], "label": ["human", "ai", "ai"], "path": ["a", "b", "c"]},
        index=[7, 8, 9],
    )
    body = map_figures.locator(shown, 7, [9, 5, 8], "three")
    marks = re.findall(r'smd-mark smd-(\w+)" title="([^"]+)" style="left: ([\d.]+)%; top: ([\d.]+)%', body)
    assert marks == [
        ("diamond", "c, AI", "98.00", "98.00"),
        ("diamond", "b, AI", "50.00", "2.00"),
        ("x", "The selected clip", "2.00", "98.00"),
    ]
    assert "aspect-ratio: 4.000" in body  # one scale for both axes


def test_a_dot_is_drawn_where_its_clip_lies() -> None:
    image = Image.open(io.BytesIO(pictures.dots_png([0.0, 1.0], [1.0, 0.0], (20, 10), palette.NEUTRAL, 1)))
    pixels = np.asarray(image.convert("RGBA"))
    assert pixels.shape == (10, 20, 4)
    assert np.argwhere(pixels[..., 3]).tolist() == [[0, 0], [0, 1], [1, 0], [8, 19], [9, 18], [9, 19]]


def test_hostile_names_are_plain_text_on_the_page(run: Run) -> None:
    app = opened(colour="Source", clip=run.read_clips()[0].path)
    shown = [element.value for kind in ("markdown", "caption", "subheader") for element in app.get(kind)]
    for name in HOSTILE:
        shown = [text.replace(sentences.literal(name), "") for text in shown]
    assert not any(name in text for name in HOSTILE for text in shown)
    assert not any(element.allow_html for element in app.markdown)


def damage(run: Run, **arrays: np.ndarray) -> None:
    with np.load(run.map) as archive:
        held = {name: archive[name] for name in archive.files}
    storage.write_npz(run.map, held | arrays)


DAMAGE: dict[str, Callable[[Run], object]] = {
    "missing": lambda run: run.map.unlink(),
    "no archive": lambda run: run.map.write_bytes(b"nothing"),
    "other clips": lambda run: damage(run, rows=np.arange(N) + 1),
    "too few points": lambda run: damage(run, hybrid=np.zeros((3, 2), np.float32)),
    "not finite": lambda run: damage(run, ae=np.full((N, 2), np.nan, np.float32)),
    "no rows": lambda run: damage(run, rows=np.zeros(0, np.int64)),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_run_without_a_sound_map_says_which_command_makes_it(run: Run, what: str) -> None:
    DAMAGE[what](run)
    assert f"python -m scripts.pipeline run --run {run.name} --only explain" in words(opened())


def test_embeddings_of_other_clips_are_refused(run: Run) -> None:
    with pytest.raises(ArtifactError, match="does not hold the clips"):
        embeddings.directions(run, "ae", N + 1)


def test_a_half_finished_run_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path / "artifacts"))
    invent(tmp_path / "artifacts", "half", only=("prepare", "autoencoder"))
    assert "python -m scripts.pipeline run --run half" in words(opened())


def test_the_encoder_of_another_mode_is_not_passed_off_as_the_used_one(run: Run) -> None:
    from dashboard.reading import runs

    said = map_words.about_encoder(runs.results(run), "transformer_frozen")
    assert "frozen (the detectors use the fine-tuned ones)" in said
    assert map_words.about_encoder(runs.results(run), "ae") == ""


def test_the_map_loads_no_model_library(run: Run) -> None:
    code = (
        "import sys; from streamlit.testing.v1 import AppTest;"
        f"app = AppTest.from_file({str(ROOT / 'dashboard' / 'app.py')!r}, default_timeout=30).run();"
        f"app.switch_page({str(ROOT / 'pages' / 'map.py')!r}).run();"
        "assert not app.exception and len(app.get('plotly_chart')) == 1;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_neighbours_of_four_thousand_clips_are_counted_in_a_moment() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(4000, 256)).astype(np.float32))
    start = time.perf_counter()
    agreement = class_agreement(vectors, np.arange(4000) % 2, np.arange(4000), ("human", "ai"), 10)
    assert time.perf_counter() - start < 2
    assert agreement is not None
    assert agreement.n == embeddings.QUERIES
