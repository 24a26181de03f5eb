"""The audit: which clips, in which order, what people said about them, and what leaves with the export."""

import csv
import io
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.artifacts import DETECTORS, Run
from dashboard import sentences
from dashboard.audit import lists as audit_lists
from dashboard.audit import triage
from dashboard.audit.export import as_csv
from dashboard.clip import view as clip_view
from dashboard.reading import annotations, clips, runs
from dashboard.reading.annotations import Annotation, read_annotations
from dashboard.reading.clips import read_clip_table
from tests.support import reading
from tests.support.annotations import saved_versions
from tests.support.invented_run import HOSTILE, invent
from tests.support.reading import words

HUMANS, MACHINES = ["human"] * 3, ["ai"] * 3
LEVELS = dict.fromkeys(DETECTORS, 0.5)


def opened(**query: str) -> AppTest:
    return reading.opened("audit", **{"model": "Hybrid"} | query)


def drawn(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, app.exception
    return app


def pressed(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click()
    return drawn(app)


def table(app: AppTest) -> pd.DataFrame:
    return app.dataframe[0].value


def shown_clip(app: AppTest) -> str:
    return str(app.session_state["clip"])


# Which clips, in which order


def frame(labels: list[str], **scores: list[float]) -> pd.DataFrame:
    """Return clips with the given scores, 0.9 or 0.1 and right where a detector is not named."""
    clips = pd.DataFrame({"path": [f"{n}.wav" for n in range(len(labels))], "label": labels, "source": "s"})
    for name in DETECTORS:
        clips[f"p_{name}"] = scores.get(name, [0.9 if label == "ai" else 0.1 for label in labels])
    return clips


def listed(clips: pd.DataFrame, kind: str, **levels: float) -> list[int]:
    return list(audit_lists.listed(audit_lists.judged(clips, "hybrid", LEVELS | levels), kind).index)


def test_the_most_confident_error_comes_first() -> None:
    clips = frame(HUMANS + MACHINES, hybrid=[0.6, 0.99, 0.2, 0.9, 0.3, 0.001])
    assert listed(clips, "confident") == [5, 1, 4, 0]
    assert listed(clips, "missed") == [5, 4]
    assert listed(clips, "accused") == [1, 0]


def test_confidence_is_distance_in_log_odds() -> None:
    clips = frame(["human", "ai"], hybrid=[0.999, 0.5])
    assert listed(clips, "confident", hybrid=0.9) == [0, 1]  # log-odds 4.7 above, 2.2 below
    assert listed(clips, "confident", hybrid=0.99) == [1, 0]  # 2.3 above, 4.6 below


def test_a_score_at_the_threshold_is_called_ai() -> None:
    assert listed(frame(["human", "ai"], hybrid=[0.7, 0.7]), "confident", hybrid=0.7) == [0]


def test_moving_the_threshold_moves_the_list() -> None:
    clips = frame(HUMANS + MACHINES, hybrid=[0.6, 0.1, 0.1, 0.9, 0.9, 0.3])
    assert listed(clips, "confident", hybrid=0.2) == [0]
    assert listed(clips, "confident", hybrid=0.8) == [5]


def test_disputed_errors_come_before_those_all_detectors_make() -> None:
    alone = {"hybrid": [0.9, 0.9, 0.1], "cnn": [0.1, 0.9, 0.1], "three_way": [0.1, 0.9, 0.1]}
    rest = {name: [0.1, 0.9, 0.1] for name in ("ae_classifier", "transformer_classifier", "fine_spectrum")}
    assert listed(frame(HUMANS, **alone, **rest), "disagreement") == [0, 1]


def test_all_four_wrong_asks_only_the_prescribed() -> None:
    four = {name: [0.9, 0.9, 0.1] for name in audit_lists.PRESCRIBED}
    assert len(four) == 4
    assert listed(frame(HUMANS, **four), "all_wrong") == [0, 1]  # the additions are right about both
    assert listed(frame(HUMANS, **(four | {"cnn": [0.1, 0.9, 0.1]})), "all_wrong") == [1]


def test_near_the_threshold_come_right_and_wrong_and_not_more_than_a_sitting() -> None:
    scores = np.linspace(0.01, 0.99, 99).tolist()
    nearest = listed(frame(["human"] * 99, hybrid=scores), "near")
    assert nearest[0] == 49
    assert len(nearest) == audit_lists.NEAREST
    assert set(nearest[:3]) == {48, 49, 50}


def test_sources_are_counted_with_their_n() -> None:
    clips = frame(HUMANS + MACHINES, hybrid=[0.6, 0.1, 0.1, 0.9, 0.3, 0.3])
    clips["source"] = ["a", "a", "a", "b", "b", "b"]
    counts = audit_lists.by_source(audit_lists.judged(clips, "hybrid", LEVELS))
    assert counts[["source", "clips", "wrong"]].to_numpy().tolist() == [["b", 3, 2], ["a", 3, 1]]


@pytest.mark.parametrize(
    ("selected", "earlier", "same", "expected"),
    [
        ("", (), True, "a"),
        ("b", ("a", "b"), True, "b"),
        ("b", ("a", "b"), False, "a"),
        ("linked", (), True, "linked"),
        ("dropped", ("dropped", "a"), True, "a"),
    ],
)
def test_a_new_question_starts_at_the_top_and_a_link_is_honoured(
    selected: str, earlier: tuple[str, ...], same: bool, expected: str
) -> None:
    assert triage.clip_to_show(selected, ("a", "b"), earlier, same=same) == expected


# The page


def test_the_page_opens_at_the_detectors_surest_error(run: Run) -> None:
    app = opened()
    model = json.loads(run.results_file.read_text())["models"]["hybrid"]
    (tn, fp), (fn, tp) = model["test"]["confusion"]
    assert f"**{fp + fn} of {tn + fp + fn + tp} wrong**" in words(app)
    assert f"**{fp}** of {tn + fp} human called AI" in words(app)
    assert f"**{fn}** of {fn + tp} AI called human" in words(app)
    assert f"**Clip 1 of {fp + fn}**" in words(app)
    listed_clips = table(app)
    assert len(listed_clips) == fp + fn
    distances = listed_clips["Log-odds"].abs().tolist()
    assert distances == sorted(distances, reverse=True)
    assert listed_clips["Clip"].iloc[0] == shown_clip(app)
    looks = json.loads(app.dataframe[0].proto.columns)
    assert [column for column, look in looks.items() if look.get("hidden")] == ["_index"]


def test_counts_by_source_add_up_to_all_errors(run: Run) -> None:
    app = opened()
    wrong = [int(cell.split(" of ")[0]) for cell in app.dataframe[1].value["Wrong"]]
    assert sum(wrong) == len(table(app))


@pytest.mark.parametrize("kind", list(audit_lists.LISTS.values()))
@pytest.mark.parametrize("split", ["Test", "Training"])
def test_every_list_opens_by_its_link(run: Run, kind: str, split: str) -> None:
    app = opened(errors=kind, audit_split=split, model="CNN")
    assert app.selectbox(key="errors").value in audit_lists.LISTS
    assert kind in [header.value for header in app.header]
    assert ("have learned from these clips" in words(app)) == (split == "Training")


def test_the_threshold_moves_every_number_and_the_list_and_goes_back(run: Run) -> None:
    app = opened()
    before = len(table(app))
    app.select_slider(key="audit-cut").set_value(0)
    drawn(app)
    humans = int((clips.of_split(read_clip_table(run), "test")["label"] == "human").sum())
    assert f"**{humans}** of {humans} human called AI" in words(app)
    assert len(table(app)) == humans
    assert app.query_params["thr"] in ("0.0", ["0.0"])
    assert "set by hand" in words(app)
    pressed(app, "validation")
    assert len(table(app)) == before
    assert "thr" not in app.query_params
    assert len(table(opened(thr="0.0"))) == humans


def test_the_verdicts_beside_the_clip_follow_the_threshold(run: Run) -> None:
    app = opened(errors=audit_lists.LISTS["near"])
    app.select_slider(key="audit-cut").set_value(0)
    drawn(app)
    verdicts = next(t.value for t in app.table if "Detector" in t.value).set_index("Detector")
    assert verdicts.loc["Hybrid", "Says"].endswith("AI")
    assert verdicts.loc["Hybrid", "AI from"] == "0"


def test_next_and_previous_go_through_the_list(run: Run) -> None:
    app = opened()
    order = table(app)["Clip"].tolist()
    pressed(app, "next")
    assert shown_clip(app) == order[1]
    assert f"2 of {len(order)} looked at" in words(app)
    assert app.query_params["clip"] in (order[1], [order[1]])
    pressed(app, "previous")
    assert shown_clip(app) == order[0]
    assert app.button(key="previous").disabled


def test_a_clip_selected_elsewhere_is_shown_and_next_leads_onto_the_list(run: Run) -> None:
    app = opened(clip="suno_160.wav")
    assert shown_clip(app) == "suno_160.wav"
    assert "Not on this list" in words(app)
    pressed(app, "next")
    assert shown_clip(app) == table(app)["Clip"].iloc[0]


def test_no_error_at_all_is_an_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    every = read_clip_table(run)
    every["p_hybrid"] = every["label"].map({"human": 0.01, "ai": 0.99})
    monkeypatch.setattr(clips, "read_clip_table", lambda run: every)
    app = opened()
    assert "**0 of 50 wrong**" in words(app)
    assert "Nothing on this list." in words(app)


# Tags and notes


def test_tags_and_notes_survive_a_restart(run: Run) -> None:
    app = opened()
    path = shown_clip(app)
    pressed(app, "tag-5")
    pressed(app, "tag-8")
    app.text_area[0].set_value("drums too even")
    drawn(app)
    again = opened()
    assert again.button(key="tag-5").label == "✓ sounds AI"
    assert again.button(key="tag-1").label == "mislabelled"
    assert again.text_area[0].value == "drums too even"
    row = table(again).set_index("Clip").loc[path]
    assert (row["Tags"], row["Notes"]) == ("sounds AI, checked", "drums too even")
    assert "1 tagged or noted" in words(again)


def test_a_tag_comes_off_again_and_undo_takes_back_one_thing_after_another(run: Run) -> None:
    app = opened()
    first = shown_clip(app)
    assert app.button(key="undo").disabled
    pressed(app, "tag-1")
    pressed(app, "tag-1")
    assert app.button(key="tag-1").label == "mislabelled"
    assert "0 tagged or noted" in words(app)
    pressed(app, "next")
    pressed(app, "tag-2")
    pressed(app, "undo")
    assert app.button(key="tag-2").label == "speech"
    pressed(app, "undo")
    assert shown_clip(app) == first
    assert app.button(key="tag-1").label == "✓ mislabelled"
    pressed(app, "undo")
    assert app.button(key="tag-1").label == "mislabelled"
    assert app.button(key="undo").disabled
    assert len(saved_versions(run.annotations, first)) == 4  # nothing is deleted


def test_going_on_after_a_tag_and_to_the_next_untagged(run: Run) -> None:
    app = opened()
    order = table(app)["Clip"].tolist()
    pressed(app, "tag-1")
    assert shown_clip(app) == order[0]
    pressed(app, "advance")
    assert app.button(key="advance").label == "Go on after a tag: on"
    pressed(app, "next")
    pressed(app, "tag-3")
    assert shown_clip(app) == order[2]
    app.session_state["clip"] = order[0]
    drawn(app)
    pressed(app, "untagged")
    assert shown_clip(app) == order[2]


def test_two_people_at_once_keep_both(run: Run) -> None:
    ours, theirs = opened(), opened()
    pressed(ours, "tag-5")
    pressed(theirs, "tag-6")
    drawn(ours)
    assert ours.button(key="tag-5").label == "✓ sounds AI"
    assert "Without a name" in words(ours)
    assert "Saved at the same time by people who gave no name: both are kept." in words(ours)
    assert "sounds human" in [text for element in ours.text for text in element.value.split(": ")]
    pressed(ours, "join")
    assert [annotation.tags for annotation in read_annotations(run.annotations)] == [("sounds AI", "sounds human")]


def test_what_the_note_takes_is_said_beside_it(run: Run) -> None:
    app = opened()
    assert f"at most {annotations.NOTE_LIMIT:,} characters" in words(app)
    assert app.text_area[0].placeholder == ""


def test_a_list_names_files_and_only_the_clip_on_the_screen_its_folder() -> None:
    clips = pd.DataFrame({"path": ["a long/folder/name.wav"], "notes": ["heard"]})
    assert clip_view.rows(clips, {"path": "Clip", "notes": "Notes"}).to_dict("records") == [
        {"Clip": "name.wav", "Notes": "heard"}
    ]


def test_a_tag_of_somebody_else_under_a_name_stands_beside(run: Run) -> None:
    app = opened()
    annotations.save(run.annotations, shown_clip(app), "Ana <b>", ("interesting",), "*mine*", ())
    app.text_input(key="who").set_value("Ben")
    drawn(app)
    assert any(text.value.startswith("Ana <b>, ") and text.value.endswith("interesting; *mine*") for text in app.text)
    pressed(app, "tag-8")
    assert {annotation.who: annotation.tags for annotation in read_annotations(run.annotations)} == {
        "Ana <b>": ("interesting",),
        "Ben": ("checked",),
    }
    assert not [button for button in app.button if button.key == "join"]


def test_what_cannot_be_saved_is_said_in_a_sentence(run: Run) -> None:
    app = opened()
    run.annotations.mkdir()
    app.button(key="tag-1").click()
    app.run()
    assert not app.exception
    assert "annotations.sqlite: cannot be opened" in words(app)


def test_a_damaged_file_of_tags_is_a_sentence_and_a_command(run: Run) -> None:
    run.annotations.write_bytes(b"no database" * 100)
    app = opened()
    assert "annotations.sqlite: damaged" in words(app)
    assert any(code.value.startswith("mv ") for code in app.code)
    assert run.annotations.read_bytes() == b"no database" * 100


# What leaves


def exported(run: Run, said: dict[str, list[Annotation]]) -> list[dict[str, str]]:
    every = audit_lists.judged(
        read_clip_table(run), "hybrid", {model.key: model.threshold for model in runs.results(run).models}
    )
    text = as_csv(audit_lists.listed(every, "confident"), said, "hybrid", 0.25).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_export_holds_every_score_and_what_was_said(run: Run) -> None:
    path = shown_clip(opened())
    people = [Annotation(n, path, who, ("speech", "checked"), "a, b", "2026-01-01") for n, who in enumerate("AB")]
    rows = exported(run, {path: people})
    row = next(row for row in rows if row["path"] == path)
    assert (row["tags"], row["who"]) == ("speech, checked | speech, checked", "A | B")
    assert (row["model"], row["threshold"]) == ("hybrid", "0.25")
    clips_by_path = read_clip_table(run).set_index("path")
    for name in DETECTORS:
        assert float(row[f"score_{name}"]) == pytest.approx(clips_by_path.loc[path, f"p_{name}"], abs=1e-6)
        assert row[f"verdict_{name}"] == clips_by_path.loc[path, f"call_{name}"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_cell_of_the_export_is_a_formula(run: Run, text: str) -> None:
    path = shown_clip(opened())
    note = Annotation(1, path, text, (), text, "2026-01-01")
    row = next(row for row in exported(run, {path: [note]}) if row["path"] == path)
    assert (row["note"], row["who"]) == (f"'{text}", f"'{text}")


# Runs of all kinds


def test_hostile_names_are_shown_and_break_nothing(run: Run) -> None:
    for file in (*run.folder.glob("*.csv"), *run.results.glob("*.csv"), run.results_file):
        text = file.read_text(encoding="utf-8")
        for source, hostile in zip(("fma", "gtzan", "suno", "musicgen"), HOSTILE, strict=True):
            text = text.replace(source, hostile)
        file.write_text(text, encoding="utf-8")
    app = opened(errors=audit_lists.LISTS["near"])
    assert set(app.dataframe[1].value["Source"]) >= set(HOSTILE)
    for source in HOSTILE:
        app.selectbox(key="audit_source").select(source)
        drawn(app)
        assert set(table(app)["Source"]) == {source}
        marked = [element.value for kind in ("markdown", "caption") for element in app.get(kind)]
        assert not any(source in text.replace(sentences.literal(source), "") for text in marked)
    pressed(app, "tag-1")


def test_a_half_finished_run_says_what_to_type(artifacts: Path) -> None:
    invent(artifacts, "half", only=("prepare", "autoencoder"))
    app = opened()
    assert "not evaluated yet" in words(app)
    assert "python -m scripts.pipeline run --run half" in [code.value for code in app.code]


def test_charts_and_tables_have_text_alternatives(run: Run) -> None:
    app = opened()
    assert all(element.proto.alt for element in [*app.dataframe, *app.table])


def test_four_thousand_clips_are_ranked_at_once(run: Run) -> None:
    every = pd.concat([read_clip_table(run)] * 20, ignore_index=True)
    started = time.perf_counter()
    judged = audit_lists.judged(every, "hybrid", LEVELS)
    for kind in audit_lists.LISTS:
        audit_lists.listed(judged, kind)
    assert len(every) >= 4000
    assert time.perf_counter() - started < 0.5
