"""The notebook tells what it computes and nothing else, and every cell of it runs.

It is executed once, in a kernel of its own, on a data set so small that nothing is learned: what the models say is not
looked at here, only that each step works and shows what it promises.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from core.artifacts import DETECTORS, ROOT, Run
from core.metrics.intervals import TOO_FEW
from core.pipeline import NAMES

NOTEBOOK = ROOT / "scripts" / "walkthrough.ipynb"
HEADERS = (
    "Phase 0. The question, and what an honest answer needs",
    "Phase 1. Prepare",
    "Phase 2. Autoencoder",
    "Phase 3. Transformer",
    "Phase 4. Baselines",
    "Phase 5. Hybrid",
    "Phase 6. Audit",
    "Phase 7. Evaluation",
    "Phase 8. What the pages show",
    "Phase 9. Your own clips, and the limits",
)


class Executed(NamedTuple):
    """The notebook with its outputs, and the folder it put its run into."""

    notebook: NotebookNode
    artifacts: Path


def stored() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)


def sources(notebook: NotebookNode, kind: str) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def sections(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """Return the cells under each header."""
    cells_of: dict[str, list[NotebookNode]] = {}
    for cell in notebook.cells:
        header = re.match(r"## (.+)", cell.source)
        if header and cell.cell_type == "markdown":
            cells_of[header[1]] = []
        elif cells_of:
            cells_of[list(cells_of)[-1]].append(cell)
    return cells_of


def outputs(cells: Iterable[NotebookNode], kind: str) -> Iterator[object]:
    """Yield what the cells show in a form, such as `image/png`."""
    for cell in cells:
        for output in cell.get("outputs", []):
            if kind in output.get("data", {}):
                yield output["data"][kind]


def printed(cells: Iterable[NotebookNode], stream: str) -> str:
    shown = (output for cell in cells for output in cell.get("outputs", []))
    return "".join(output["text"] for output in shown if output.get("name") == stream)


def typed_numbers(notebook: NotebookNode) -> list[str]:
    """Return the words of the text that hold digits, and the decimals in the code: what may be a result typed in.

    Headers, names of code and commands may hold digits.
    """
    text = "\n".join(sources(notebook, "markdown"))
    for name in (r"```.*?```", r"`[^`\n]*`", r"^#.*?$"):
        text = re.sub(name, "", text, flags=re.DOTALL | re.MULTILINE)
    code = "\n".join(sources(notebook, "code"))
    return [*re.findall(r"\S*\d\S*", text), *re.findall(r"\d*\d\.\d+", code)]


def commands(notebook: NotebookNode) -> set[str]:
    """Return the modules and files that the text tells to run."""
    text = "\n".join(sources(notebook, "markdown"))
    return set(re.findall(r"python -m (?:streamlit run )?(\S+?)[`\s]", text))


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    """Run the notebook where Jupyter runs it, in its own folder, away from the kernels and settings of this machine."""
    home = tmp_path_factory.mktemp("walkthrough")
    notebook = stored()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SMD_WALKTHROUGH", "quick")
        environment.setenv("SMD_ARTIFACTS", str(home / "artifacts"))
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            environment.setenv(name, str(home / name))
        where = {"metadata": {"path": str(NOTEBOOK.parent)}}
        NotebookClient(notebook, timeout=300, allow_errors=True, resources=where).execute()
    return Executed(notebook, home / "artifacts")


def test_no_cell_fails(executed: Executed) -> None:
    shown = [(cell.id, output) for cell in executed.notebook.cells for output in cell.get("outputs", [])]
    failed = [f"{name}: {output['ename']}: {output['evalue']}" for name, output in shown if "ename" in output]
    assert not failed, "\n".join(failed)


def test_no_cell_warns(executed: Executed) -> None:
    assert "Warning" not in printed(executed.notebook.cells, "stderr")


def test_all_phases_have_run_and_stand_on_disk(executed: Executed) -> None:
    (folder,) = (path.parent for path in executed.artifacts.glob("*/run.json"))
    assert all(Run(folder).read_record(name) for name in NAMES)
    assert Run(folder).read_description()[2], "made-up clips are marked as a demo"


def test_a_clip_of_each_class_can_be_heard(executed: Executed) -> None:
    players = [html for html in outputs(executed.notebook.cells, "text/html") if "<audio" in str(html)]
    assert len(players) == 2
    assert all("data:audio/wav;base64," in str(html) for html in players)


def test_every_phase_shows_a_figure(executed: Executed) -> None:
    figures = [len(list(outputs(cells, "image/png"))) for cells in sections(executed.notebook).values()]
    #        question, prepare, autoencoder, transformer, baselines, hybrid, audit, evaluation, pages, own clips
    assert figures == [0, 1, 2, 2, 1, 1, 1, 3, 1, 0]


def test_the_evaluation_names_every_detector_with_its_clips_and_why_there_are_no_intervals(executed: Executed) -> None:
    evaluation = sections(executed.notebook)["Phase 7. Evaluation"]
    html = str(next(outputs(evaluation, "text/html")))
    assert all(f"<th>{name}</th>" in html for name in DETECTORS.values())
    assert "<th>clips</th>" in html
    assert "<th>songs</th>" in html
    figures = re.findall(r"<td>\d\.\d{3} (.*?)</td>", html)
    assert len(figures) == 4 * len(DETECTORS)
    assert set(figures) == {f"({TOO_FEW})"}  # as of the two songs of a class that the quick notebook tests


def test_no_song_is_shown_in_two_splits(executed: Executed) -> None:
    prepare = sections(executed.notebook)["Phase 1. Prepare"]
    shared = str(list(outputs(prepare, "text/html"))[-1])
    counts = [int(count) for count in re.findall(r"<td>(\d+)</td>", shared)]
    assert len(counts) == 9
    assert [count for place, count in enumerate(counts) if place % 4] == [0] * 6
    assert all(counts[::4])


def test_every_phase_has_its_header_and_runs_under_it() -> None:
    cells_of = sections(stored())
    assert tuple(cells_of) == HEADERS
    for name, cells in zip(NAMES, list(cells_of.values())[1:-1], strict=True):
        assert [run for cell in cells for run in re.findall(r'^run_phase\("(\w+)"\)', cell.source, re.M)] == [name]


def test_nothing_is_stored_in_the_notebook() -> None:
    cells = [cell for cell in stored().cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_no_result_is_typed_into_the_notebook() -> None:
    assert typed_numbers(stored()) == []


@pytest.mark.parametrize("result", ["The hybrid reaches 0.9.", "Accuracy: 87 %", "Two of 12 clips are `human`."])
def test_a_typed_result_is_seen(result: str) -> None:
    assert typed_numbers(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(result)]))


def test_the_file_is_a_notebook_that_any_jupyter_opens() -> None:
    notebook = stored()
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert notebook.metadata.kernelspec.name == "python3"


def test_every_command_it_names_exists() -> None:
    named = commands(stored())
    assert {"scripts.pipeline", "dashboard/app.py"} <= named
    assert all((ROOT / f"{name.removesuffix('.py').replace('.', '/')}.py").is_file() for name in named)


@pytest.mark.parametrize("folder", [".", "scripts"])
def test_the_first_cell_finds_the_project_from_its_root_and_from_scripts(folder: str) -> None:
    assert _first_cell(ROOT / folder, "import core.config; print(core.config.__file__)").stdout.strip() == str(
        ROOT / "core" / "config.py"
    )


def test_outside_the_project_the_first_cell_says_where_to_start(tmp_path: Path) -> None:
    assert "start Jupyter in its folder or in scripts/" in _first_cell(tmp_path, "").stderr


def _first_cell(folder: Path, then: str) -> subprocess.CompletedProcess[str]:
    """Run the first code cell, and what follows, by a Python that knows nothing of the project."""
    code = f"{sources(stored(), 'code')[0]}\n{then}"
    return subprocess.run([sys.executable, "-P", "-c", code], cwd=folder, capture_output=True, text=True, check=False)
