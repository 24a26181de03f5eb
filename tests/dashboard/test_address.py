"""What an address asks for: obeyed where it can be had, and said in one line where it cannot."""

import pytest
from streamlit.testing.v1 import AppTest

from core.artifacts import Run
from dashboard.reading import runs
from dashboard.threshold import shown
from tests.support import reading
from tests.support.invented_run import HOSTILE
from tests.support.reading import rewrite, words

ASKED = "The address asks for what is not here"
CHOOSING = ("audit", "clips", "map", "models", "robustness")  # pages on which a detector can be chosen


def told(app: AppTest) -> str:
    """Return what the page says the address asked for in vain."""
    said = [caption.value for caption in app.caption if ASKED in caption.value]
    assert len(said) <= 1
    return said[0] if said else ""


@pytest.mark.parametrize(
    ("page", "name", "shown"),
    [
        ("overview", "run", "evaluated"), ("overview", "clip", "no clip"),
        ("models", "part", "At a threshold"), ("models", "against", "no other"), ("models", "on", "Test"),
        ("models", "cell", "fp"), ("audit", "errors", "Wrong, most confident first"), ("audit", "audit_split", "Test"),
        ("audit", "audit_source", "All sources"), ("clips", "split", "Test"), ("clips", "class", "no choice"),
        ("clips", "verdict", "all"), ("map", "map", "Hybrid"), ("map", "colour", "Class"),
        ("map", "map_split", "no choice"), ("attention", "view", "Hybrid"),
        ("robustness", "sources_by", "Called AI"), ("robustness", "changes_by", "Both error rates"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_named_beside_what_is_shown(run: Run, page: str, name: str, shown: str) -> None:
    said = told(reading.opened(page, **{name: "NOPE"}))
    assert f"`{name}=NOPE` (shown: `{shown}" in said


def test_what_a_view_asks_for_is_told_on_that_view(run: Run) -> None:
    assert "`method=NOPE` (shown: `" in told(reading.opened("attention", view="Transformer", method="NOPE"))


@pytest.mark.parametrize("page", CHOOSING)
def test_a_detector_that_does_not_exist_is_the_headlines_on_every_page(run: Run, page: str) -> None:
    app, best = reading.opened(page, model="NOPE"), runs.results(run).headline
    assert app.selectbox(key="model").value == best.key
    assert f"`model=NOPE` (shown: `{best.name}`)" in told(app)


@pytest.mark.parametrize("page", ["models", "audit"])
@pytest.mark.parametrize("threshold", ["1e999", "nan", "-1", "abc", "7"])
def test_a_threshold_that_cannot_be_is_that_of_validation(run: Run, page: str, threshold: str) -> None:
    app, best = reading.opened(page, thr=threshold), runs.results(run).headline
    assert f"`thr={threshold}` (shown: `{shown(best.threshold)}`)" in told(app)
    assert "thr" not in app.query_params


def test_what_can_be_had_is_shown_without_a_word(run: Run) -> None:
    names = [model.name for model in runs.results(run).models]
    for page, query in {
        "models": {"model": names[-1], "thr": "0.5", "cell": "tp", "on": "Validation"},
        "audit": {"model": names[0], "errors": "AI called human", "clip": run.read_clips()[0].path},
        "map": {"colour": "Score", "map_k": "7", "run": run.name},
        "attention": {"view": "Transformer"},
    }.items():
        assert told(reading.opened(page, **query)) == ""


def test_all_that_was_asked_in_vain_stands_in_one_line_letter_by_letter(run: Run) -> None:
    for name in HOSTILE:
        said = told(reading.opened("clips", model=name, verdict="x" * 500, clip=name)).replace("\u2060", "")
        assert f"model={name}" in said
        assert "verdict=xxx" in said
        assert len(said) < 700
        assert said.replace(f"model={name}", "").replace(f"clip={name}", "").count("http") == 0


def test_the_line_goes_once_the_reader_has_chosen(run: Run) -> None:
    app, other = reading.opened("clips", model="NOPE"), runs.results(run).models[-1].key
    assert told(app)
    app.run()
    assert told(app), "a rerun alone changes nothing"
    app.selectbox(key="model").select(other).run()
    assert told(app) == ""


def test_the_audit_shows_its_first_clip_for_one_that_does_not_exist(run: Run) -> None:
    app = reading.opened("audit", clip="gone.wav")
    assert "Clip 1 of" in words(app)
    assert "`clip=gone.wav` (shown: `" in told(app)
    assert app.query_params["clip"] != ["gone.wav"]


# The run


def test_no_command_goes_on_with_the_run_that_ships(run: Run) -> None:
    rewrite(run, lambda results: results.update(seeds=None, leave_out=None))
    run.card.write_text("As it ships.")
    pages = [
        ("models", {"part": "All detectors"}),
        ("models", {"part": "Training"}),
        ("robustness", {}),
        ("overview", {}),
    ]
    said = [words(reading.opened(page, **query)) for page, query in pages]
    assert all("--run NAME" in page for page in said)
    assert not any(f"--run {run.name}" in page for page in said)


# The chosen detector


def test_every_page_opens_with_the_headlines_detector(run: Run) -> None:
    for page in CHOOSING:
        assert reading.opened(page).selectbox(key="model").value == runs.results(run).headline.key


def test_the_detector_chosen_on_one_page_is_spoken_of_on_the_others(run: Run) -> None:
    other = runs.results(run).models[-1]
    app = reading.opened("models")
    app.selectbox(key="model").select(other.key).run()
    app.switch_page("../pages/attention.py").run()
    assert f"{other.name} calls it" in words(app)
    app.switch_page("../pages/audit.py").run()
    assert app.selectbox(key="model").value == other.key
    assert words(app).count(f"{other.name}, test clips") == 1


def test_the_attention_page_speaks_of_the_detector_of_its_address(run: Run) -> None:
    best, *_, other = runs.results(run).models
    assert f"{other.name} calls it" in words(reading.opened("attention", model=other.name))
    assert f"{best.name} calls it" in words(reading.opened("attention"))
