"""The house, read from its imports: which room may use which, what stands on a room's door, and what nobody may do."""

import ast
import graphlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "pages": {"dashboard"},
    "dashboard": {"dashboard", "core"},
    "scripts": {"scripts", "core"},
    "core": {"core"},
}
# The rooms from the ground up: folders, and the files that stand beside them. A room uses the floors below it and
# itself; two rooms on one floor do not know each other.
FLOORS = {
    "core": (
        {"errors", "progress", "machine", "palette"},
        {"config", "storage", "device"},
        {"artifacts"},
        {"metrics"},
        {"demo"},
        {"audio"},
        {"features"},
        {"data"},
        {"models"},
        {"training"},
        {"verdict"},
        {"evaluation"},
        {"figures"},
        {"phases"},
        {"estimate", "pipeline"},
    ),
    "dashboard": (
        {"reading"},
        {"drawing"},
        {"sentences"},
        {"address"},
        {"threshold", "selection"},
        {"components"},
        {"robustness"},
        {"overview"},
        {"clip"},
        {"map"},
        {"audit", "models", "attention", "detect"},
        {"report"},
        {"app"},
    ),
}
MOST_FILES = 12  # in one folder, so that it is seen at a glance
BOOTSTRAP = ("environment.py", "demo.py", "test.py")
DASHBOARD_ONLY = {"streamlit", "plotly"}
PICKLES = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
OTHER_READERS = {"audioread", "ffmpeg", "pydub", "torchaudio", "librosa.load", "librosa.core.load"}
OPENERS = {  # whatever opens a file; `read_description`, what a run was asked to do, is core's and kept there
    "open", "read_bytes", "read_text", "numpy.load", "json.load", "memmap", "fromfile",
    "read_csv", "read_json", "read_npy", "read_npz",
    "read_clips", "read_copies", "read_dataset", "read_record", "read_results", "read_splits", "read_training_copies",
}  # fmt: skip
NO_FILE_OF_A_RUN = ("HERE", "(HERE", "ROOT", "(ROOT", "PIL.", "Image.")  # beside the code; bytes that were read
SAFE_LOADERS = {"torch.load": ("weights_only", True), "numpy.load": ("allow_pickle", False)}


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything imported, at any depth: `from core import audio` gives `core.audio.clips`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call with its full name, aliases resolved: `np.load(...)` gives `numpy.load`."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            yield ".".join([aliases.get(first, first), *([rest] if rest else [])]), node


def room_of(name: str) -> str:
    """Return the room of a full name: `core.audio.source.Source` is in `audio`."""
    return f"{name}.".split(".")[1]


def floor(package: str, room: str) -> int | None:
    return next((number for number, rooms in enumerate(FLOORS[package]) if room in rooms), None)


def wrong_directions(path: str, tree: ast.AST) -> list[str]:
    package = path.split("/", maxsplit=1)[0]
    used = {name for name in imports(tree) if name.split(".")[0] in PACKAGES}
    wrong = [f"{package} imports {name}" for name in used if name.split(".")[0] not in PACKAGES[package]]
    if any(name.startswith(".") for name in imports(tree)):
        wrong.append("relative import: write it out from the root")
    if package not in FLOORS or path == f"{package}/__init__.py":
        return wrong
    room = room_of(path.removesuffix(".py").replace("/", "."))
    here = floor(package, room)
    if here is None:
        return [*wrong, f"the room `{room}` is on no floor: add it to FLOORS in this test"]
    for name in used:
        there = floor(package, room_of(name)) if name.startswith(f"{package}.") else None
        if room_of(name) != room and there is not None and there >= here:
            wrong.append(f"{room} imports {name}, which is not below it")
    return wrong


def busy_plates(path: str, tree: ast.AST) -> list[str]:
    """A folder's `__init__.py` is the plate on its door: one docstring. Whoever wants a part does not load the rest."""
    if not path.endswith("/__init__.py") or not isinstance(tree, ast.Module):
        return []
    if not ast.get_docstring(tree):
        return ["says nothing: what comes in, what goes out, and what is public?"]
    return ["does more than say what is in the folder"] if len(tree.body) > 1 else []


def dashboard_libraries(path: str, tree: ast.AST) -> list[str]:
    if not path.startswith(("core/", "scripts/")):
        return []
    return [f"imports {name}" for name in imports(tree) if name.split(".")[0] in DASHBOARD_ONLY]


def command_lines_in_core(path: str, tree: ast.AST) -> list[str]:
    if not path.startswith("core/"):
        return []
    parsed = [f"imports {name}" for name in imports(tree) if name.split(".")[0] == "argparse"]
    return parsed + [f"prints in line {call.lineno}" for name, call in calls(tree) if name == "print"]


def pickles(path: str, tree: ast.AST) -> list[str]:
    offences = [f"imports {name}" for name in imports(tree) if name.split(".")[0] in PICKLES]
    for name, call in calls(tree):
        keyword, value = SAFE_LOADERS.get(name, ("", None))
        given = {word.arg: word.value for word in call.keywords}
        if keyword and not is_constant(given.get(keyword), value):
            offences.append(f"line {call.lineno}: {name} without {keyword}={value}")
        if is_constant(given.get("allow_pickle"), True) or is_constant(given.get("weights_only"), False):
            offences.append(f"line {call.lineno}: {name} loads pickles")
    return offences


def is_constant(node: ast.expr | None, value: bool | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def other_readers(path: str, tree: ast.AST) -> list[str]:
    if path == "scripts/benchmark/read.py":  # times the plain way beside ours
        return []
    names = [*imports(tree), *(name for name, _ in calls(tree))]
    offences = [f"uses {name}" for name in names if name in OTHER_READERS or name.split(".")[0] in OTHER_READERS]
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return offences + [f"line {node.lineno}: runs ffmpeg" for node in constants if node.value == "ffmpeg"]


def doors_to_a_run(path: str, tree: ast.AST) -> list[str]:
    """Return where a page opens a file of a run itself: that is what `dashboard/reading` is for."""
    if not path.startswith(("dashboard/", "pages/")) or path.startswith("dashboard/reading/"):
        return []
    opened = [(name, call) for name, call in calls(tree) if {name, name.rpartition(".")[2]} & OPENERS]
    return [f"line {call.lineno}: {name}" for name, call in opened if not name.startswith(NO_FILE_OF_A_RUN)]


def late_imports(path: str, tree: ast.AST) -> list[str]:
    """Return what the bootstrap imports before anything is installed, beyond the standard library and itself."""
    if path not in {f"scripts/{name}" for name in BOOTSTRAP} or not isinstance(tree, ast.Module):
        return []
    at_import = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])
    known = {*sys.stdlib_module_names}
    names = (name for name in imports(at_import) if name != "scripts.environment")
    return [f"imports {name} at the top" for name in names if name.split(".")[0] not in known]


RULES: tuple[Callable[[str, ast.AST], list[str]], ...] = (
    wrong_directions,
    busy_plates,
    dashboard_libraries,
    command_lines_in_core,
    pickles,
    other_readers,
    doors_to_a_run,
    late_imports,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_file_breaks_the_rule(rule: Callable[[str, ast.AST], list[str]]) -> None:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert files
    broken = {
        name: offences
        for path in files
        if (offences := rule(name := path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert not broken, "\n" + "\n".join(f"{name}: {offence}" for name, faults in broken.items() for offence in faults)


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (wrong_directions, "pages/clips.py", "from core.audio import clips"),
        (wrong_directions, "scripts/compare.py", "import dashboard.reading.runs"),
        (wrong_directions, "core/audio/clips.py", "from dashboard.drawing import theme"),
        (wrong_directions, "core/features/fine_axes.py", "def f():\n    from core.training.loop import fit"),
        (wrong_directions, "core/models/cnn.py", "import core.training.loop"),
        (wrong_directions, "core/models/cnn.py", "from ..data import splits"),
        (wrong_directions, "core/verdict/detector.py", "from core.phases import prepare"),
        (wrong_directions, "core/storage.py", "from core.device import choose_device"),
        (wrong_directions, "core/attic/chest.py", ""),
        (wrong_directions, "dashboard/drawing/row_charts.py", "from dashboard import sentences"),
        (wrong_directions, "dashboard/reading/clips.py", "from dashboard.clip import view"),
        (wrong_directions, "dashboard/models/view.py", "from dashboard.audit import lists"),
        (busy_plates, "core/audio/__init__.py", ""),
        (
            busy_plates,
            "core/audio/__init__.py",
            '"""A file in, samples out."""\nfrom core.audio.clips import read_clip',
        ),
        (dashboard_libraries, "core/figures/results.py", "import plotly.graph_objects as go"),
        (dashboard_libraries, "scripts/detect/command.py", "import streamlit as st"),
        (command_lines_in_core, "core/data/places.py", "print('done')"),
        (command_lines_in_core, "core/phases/prepare.py", "import argparse"),
        (pickles, "core/storage.py", "import pickle"),
        (pickles, "dashboard/reading/runs.py", "from joblib import load"),
        (pickles, "core/storage.py", "import numpy as np\nnp.load(path)"),
        (pickles, "core/storage.py", "from numpy import load\nload(path, allow_pickle=True)"),
        (pickles, "core/storage.py", "np.lib.format.read_array(file, allow_pickle=True)"),
        (pickles, "core/training/checkpoints.py", "import torch\ntorch.load(path)"),
        (pickles, "core/training/checkpoints.py", "import torch\ntorch.load(path, weights_only=False)"),
        (other_readers, "core/audio/clips.py", "import librosa\nlibrosa.load(path)"),
        (other_readers, "core/audio/clips.py", "import audioread.ffdec"),
        (other_readers, "scripts/segment.py", "subprocess.run(['ffmpeg', '-i', path])"),
        (doors_to_a_run, "pages/overview.py", "run.read_results()"),
        (doors_to_a_run, "dashboard/clip/evidence.py", "from core import storage\nstorage.read_npy(run.log_mel, '')"),
        (doors_to_a_run, "dashboard/map/view.py", "import pandas as pd\npd.read_csv(run.predictions)"),
        (doors_to_a_run, "dashboard/report/media.py", "run.figure(name).read_bytes()"),
        (late_imports, "scripts/environment.py", "import numpy as np"),
        (late_imports, "scripts/demo.py", "from core.demo import clips"),
    ],
)
def test_a_broken_rule_is_seen(rule: Callable[[str, ast.AST], list[str]], path: str, source: str) -> None:
    assert rule(path, ast.parse(source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("pages/clips.py", "import streamlit as st\nfrom dashboard.reading import runs"),
        ("core/models/hybrid.py", "from core.models.cnn import CNN\nfrom core.config import Config"),
        ("core/audio/clips.py", "from core.audio.source import Source\nfrom core.storage import Array"),
        ("core/audio/__init__.py", '"""A file in, samples out."""'),
        ("dashboard/report/document.py", "from dashboard.robustness import words\nfrom dashboard.clip import view"),
        ("dashboard/drawing/player.py", "(HERE / 'player.css').read_text()"),
        ("dashboard/reading/clips.py", "run.read_splits(run.ae_losses, 'autoencoder')"),
        ("core/storage.py", "import numpy as np\nnp.load(path, mmap_mode='r', allow_pickle=False)"),
        ("core/training/checkpoints.py", "import torch\ntorch.load(path, map_location='cpu', weights_only=True)"),
        (
            "scripts/demo.py",
            "import sys\nfrom scripts import environment\ndef f():\n    from core.demo import clips",
        ),
    ],
)
def test_good_manners_break_no_rule(path: str, source: str) -> None:
    assert [rule(path, ast.parse(source)) for rule in RULES] == [[]] * len(RULES)


def test_no_room_is_on_two_floors_and_none_is_empty() -> None:
    for package, floors in FLOORS.items():
        rooms = [room for rooms in floors for room in rooms]
        assert len(rooms) == len(set(rooms))
        assert {*rooms} == {path.stem for path in (ROOT / package).iterdir() if is_room(path)}


def is_room(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.suffix == ".py" and path.stem != "__init__"


def module_name(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


def test_no_two_files_import_each_other_however_far_round() -> None:
    files = {module_name(path): path for package in FLOORS for path in (ROOT / package).rglob("*.py")}
    uses = {
        name: {
            used
            for target in imports(ast.parse(path.read_text(encoding="utf-8")))
            for used in (target, target.rpartition(".")[0])
            if used in files and used != name
        }
        for name, path in files.items()
    }
    assert len(list(graphlib.TopologicalSorter(uses).static_order())) == len(files)


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_no_folder_holds_more_files_than_one_sees_at_a_glance(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert folders
    crowded = {str(folder): n for folder in folders if (n := len([*folder.glob("*.py")])) > MOST_FILES}
    assert not crowded


def names_given(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (target.id for target in targets if isinstance(target, ast.Name))


PLATES = sorted(path for package in FLOORS for path in (ROOT / package).rglob("__init__.py"))


@pytest.mark.parametrize("plate", PLATES, ids=module_name)
def test_a_plate_names_every_part_of_its_folder_and_nothing_that_is_not_there(plate: Path) -> None:
    text = ast.get_docstring(ast.parse(plate.read_text(encoding="utf-8"))) or ""
    parts = {path.stem for path in plate.parent.iterdir() if is_room(path)}
    named = {*re.findall(r"^(\w+)  ", text, re.MULTILINE)}
    assert named == parts
    defined = {
        name
        for path in plate.parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in names_given(node)
    }
    assert {*re.findall(r"`(\w+)`", text)} <= defined


PAPERS = ("SPEC", "DESIGN", "DASHBOARD", "PERFORMANCE", "DETECTION", "MEASURED", "BAD-INPUTS")
CITATION = re.compile(
    rf"\b(?:{'|'.join(PAPERS)})(?: ?[A-Z]?\d|\.md|[)\]:,;]| §)"  # the document
    r"| \([A-Z]\d{1,2}[a-z]?(?:, [A-Z]\d{1,2})*\)|^\W*[PU]\d[a-z]?: "  # a code alone
)


def cited(text: str) -> list[str]:
    """Return the lines that refer to a document by a code nobody here can look up."""
    return [line.strip() for line in text.splitlines() if CITATION.search(line)]


def test_no_file_cites_a_document_that_is_not_here() -> None:
    kinds = {".py", ".md", ".toml", ".ini", ".css", ".js", ".html", ".ipynb"}
    folders = [ROOT / name for name in (*PACKAGES, "tests", "docs", ".streamlit")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in kinds]
    assert len(files) > 100
    citing = {
        path.relative_to(ROOT).as_posix(): lines
        for path in [*files, ROOT / "README.md"]
        if path != Path(__file__).resolve() and (lines := cited(path.read_text(encoding="utf-8")))
    }
    assert not citing, citing


@pytest.mark.parametrize(
    "line",
    [
        '"""Read a file once (SPEC D2)."""',
        "# SPEC X4",
        "# as DESIGN.md says",
        '"""U3: every clip."""',
        '"""Follow the slider (U5)."""',
        "# no faster (PERFORMANCE §5)",
        "# half a file (BAD-INPUTS A15)",
    ],
)
def test_a_citation_is_seen(line: str) -> None:
    assert cited(line)


def test_a_standard_may_be_cited_and_a_word_may_be_written_in_capitals() -> None:
    assert not cited('STYLE = "x"  # RFC 3533 §6, ISO 11172-3; F1 and F2 of (A, B), MP3 (ID3v2.4 §3.1)')


def test_no_class_name_stands_for_two_things() -> None:
    places: dict[str, list[str]] = {}
    for package in FLOORS:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(module_name(path))
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def privates_of_others(tree: ast.AST) -> list[str]:
    """Return the private names of the house that a test imports, uses or replaces."""
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [alias for node in imported if f"{node.module}".split(".")[0] in PACKAGES for alias in node.names]
    modules = {alias.asname or alias.name for alias in ours if alias.name.islower()}
    uses = [(node.lineno, node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_private(node.attr)]
    return [
        *(f"imports {alias.name}" for alias in ours if is_private(alias.name)),
        *(f"line {line}: {ast.unparse(node)}" for line, node in uses if ast.unparse(node.value) in modules),
        *(f"line {call.lineno}: replaces {name}" for call in patches(tree) for name in texts(call) if is_private(name)),
    ]


def patches(tree: ast.AST) -> list[ast.Call]:
    return [call for name, call in calls(tree) if name.endswith((".setattr", ".delattr"))]


def texts(call: ast.Call) -> list[str]:
    """Return the last name of each text that a call is given: `run` of "core.phases.hybrid.run"."""
    constants = [word.value for word in call.args if isinstance(word, ast.Constant)]
    return [text.rpartition(".")[2] for text in constants if isinstance(text, str)]


TESTS = sorted((ROOT / "tests").rglob("*.py"))


def test_tests_use_no_private_name_of_others() -> None:
    used = {module_name(path): privates_of_others(ast.parse(path.read_text(encoding="utf-8"))) for path in TESTS}
    assert {name: offences for name, offences in used.items() if offences} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from core.storage import _try_lock",
        "from core import storage\nstorage._try_lock(file)",
        "monkeypatch.setattr(ship, '_write', None)",
        "monkeypatch.setattr('scripts.ship._write', None)",
    ],
)
def test_the_use_of_a_private_name_is_seen(source: str) -> None:
    assert privates_of_others(ast.parse(source))
    assert not privates_of_others(ast.parse(source.replace("._", ".").replace("'_", "'").replace(" _", " ")))


def test_no_file_names_a_machine_it_was_written_on() -> None:
    foreign = [f"/{folder}/" for folder in ("work", "tmp/venv", "root")]
    kinds = {".py", ".md", ".txt", ".toml", ".ini", ".ipynb", ".css", ".js", ".json", ".yml", ""}
    folders = [*(ROOT / name for name in (*PACKAGES, "tests", "docs", ".ci", ".streamlit"))]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix in kinds]
    files += [path for path in ROOT.iterdir() if path.is_file() and path.suffix in kinds and path.name != ".git"]
    named = [
        path.name
        for path in files
        if any(name in path.read_text(encoding="utf-8", errors="replace") for name in foreign)
    ]
    assert not named, f"paths of one machine stand in {', '.join(named)}"
