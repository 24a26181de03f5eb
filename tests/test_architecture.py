"""The house as DESIGN.md draws it, read from the imports: what may use what, and what nobody may do."""

import ast
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
# core's rooms by floor. A room uses the floors below it and itself. A file's room is its first word:
# core/audio_source.py is in `audio`, core/models/cnn.py is in `models`.
FLOORS = (
    {"errors", "progress", "augmentation", "transforms", "mel"},
    {"config", "storage", "device", "waveform"},
    {"artifacts", "containers", "features", "fine", "demo", "operating"},
    {"audio", "models", "metrics", "batches", "front"},
    {"checkpoints", "data", "splits", "explain", "projection", "thresholds", "scope"},
    {"training", "plots", "calibration", "shortcuts", "detector"},
    {"verdict"},
    {"phases", "upload"},
    {"estimate"},
    {"pipeline"},
)
BOOTSTRAP = ("environment.py", "demo.py", "test.py")
DASHBOARD_ONLY = {"streamlit", "plotly"}
PICKLES = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
OTHER_READERS = {"audioread", "ffmpeg", "pydub", "torchaudio", "librosa.load", "librosa.core.load"}
SAFE_LOADERS = {"torch.load": ("weights_only", True), "numpy.load": ("allow_pickle", False)}


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything imported, at any depth: `from core import audio` gives `core.audio`."""
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


def floor(room: str) -> int | None:
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def room_of(name: str) -> str:
    """Return the room of a full name: `core.audio_source.Source` is in `audio`."""
    return f"{name}.".split(".")[1].split("_")[0]


def wrong_directions(path: str, tree: ast.AST) -> list[str]:
    package = path.split("/", maxsplit=1)[0]
    used = {name for name in imports(tree) if name.split(".")[0] in PACKAGES}
    wrong = [f"{package} imports {name}" for name in used if name.split(".")[0] not in PACKAGES[package]]
    if any(name.startswith(".") for name in imports(tree)):
        wrong.append("relative import: write it out from the root")
    if package != "core" or path == "core/__init__.py":
        return wrong
    room = room_of(path.removesuffix(".py").replace("/", "."))
    here = floor(room)
    if here is None:
        return [*wrong, f"the room `{room}` is on no floor: add it to FLOORS in this test, and to DESIGN"]
    for name in used:
        there = floor(room_of(name)) if name.startswith("core.") else None
        if room_of(name) != room and there is not None and there >= here:
            wrong.append(f"{room} imports {name}, which is not below it")
    return wrong


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
    found = [f"imports {name}" for name in imports(tree) if name.split(".")[0] in PICKLES]
    for name, call in calls(tree):
        keyword, value = SAFE_LOADERS.get(name, ("", None))
        given = {word.arg: word.value for word in call.keywords}
        if keyword and not is_constant(given.get(keyword), value):
            found.append(f"line {call.lineno}: {name} without {keyword}={value}")
        if is_constant(given.get("allow_pickle"), True) or is_constant(given.get("weights_only"), False):
            found.append(f"line {call.lineno}: {name} loads pickles")
    return found


def is_constant(node: ast.expr | None, value: bool | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def other_readers(path: str, tree: ast.AST) -> list[str]:
    if path == "scripts/benchmark_read.py":  # times the plain way beside ours
        return []
    names = [*imports(tree), *(name for name, _ in calls(tree))]
    found = [f"uses {name}" for name in names if name in OTHER_READERS or name.split(".")[0] in OTHER_READERS]
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return found + [f"line {node.lineno}: runs ffmpeg" for node in constants if node.value == "ffmpeg"]


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
    dashboard_libraries,
    command_lines_in_core,
    pickles,
    other_readers,
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
    assert not broken, "\n" + "\n".join(f"{name}: {offence}" for name, found in broken.items() for offence in found)


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (wrong_directions, "pages/clips.py", "from core import audio"),
        (wrong_directions, "scripts/detect.py", "import dashboard.data"),
        (wrong_directions, "core/audio.py", "from dashboard import theme"),
        (wrong_directions, "core/features.py", "def f():\n    from core.training import fit"),
        (wrong_directions, "core/models/cnn.py", "import core.data"),
        (wrong_directions, "core/models/cnn.py", "from ..data import split"),
        (wrong_directions, "core/detector.py", "from core.phases import prepare"),
        (wrong_directions, "core/attic.py", ""),
        (dashboard_libraries, "core/plots.py", "import plotly.graph_objects as go"),
        (dashboard_libraries, "scripts/detect.py", "import streamlit as st"),
        (command_lines_in_core, "core/data.py", "print('done')"),
        (command_lines_in_core, "core/phases/prepare.py", "import argparse"),
        (pickles, "core/storage.py", "import pickle"),
        (pickles, "dashboard/data.py", "from joblib import load"),
        (pickles, "core/storage.py", "import numpy as np\nnp.load(path)"),
        (pickles, "core/storage.py", "from numpy import load\nload(path, allow_pickle=True)"),
        (pickles, "core/storage.py", "np.lib.format.read_array(file, allow_pickle=True)"),
        (pickles, "core/checkpoints.py", "import torch\ntorch.load(path)"),
        (pickles, "core/checkpoints.py", "import torch\ntorch.load(path, weights_only=False)"),
        (other_readers, "core/audio.py", "import librosa\nlibrosa.load(path)"),
        (other_readers, "core/audio.py", "import audioread.ffdec"),
        (other_readers, "scripts/segment.py", "subprocess.run(['ffmpeg', '-i', path])"),
        (late_imports, "scripts/environment.py", "import numpy as np"),
        (late_imports, "scripts/demo.py", "from core import demo_clips"),
    ],
)
def test_a_broken_rule_is_seen(rule: Callable[[str, ast.AST], list[str]], path: str, source: str) -> None:
    assert rule(path, ast.parse(source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("pages/clips.py", "import streamlit as st\nfrom dashboard import data"),
        ("core/models/hybrid.py", "from core.models.cnn import CNN\nfrom core.config import Config"),
        ("core/audio.py", "from core.audio_source import Source\nfrom core.containers import identify"),
        ("core/storage.py", "import numpy as np\nnp.load(path, mmap_mode='r', allow_pickle=False)"),
        ("core/checkpoints.py", "import torch\ntorch.load(path, map_location='cpu', weights_only=True)"),
        ("scripts/demo.py", "import sys\nfrom scripts import environment\ndef f():\n    from core import demo_clips"),
    ],
)
def test_good_manners_break_no_rule(path: str, source: str) -> None:
    assert [rule(path, ast.parse(source)) for rule in RULES] == [[]] * len(RULES)


def test_no_room_is_on_two_floors() -> None:
    rooms = [room for rooms in FLOORS for room in rooms]
    assert len(rooms) == len(set(rooms))


def test_no_file_names_a_machine_it_was_written_on() -> None:
    foreign = [f"/{folder}/" for folder in ("work", "tmp/venv", "root")]
    kinds = {".py", ".md", ".txt", ".toml", ".ini", ".ipynb", ".css", ".js", ".json", ".yml", ""}
    folders = [*(ROOT / package for package in PACKAGES), ROOT / "tests", ROOT / ".ci", ROOT / ".streamlit"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix in kinds]
    files += [path for path in ROOT.iterdir() if path.is_file() and path.suffix in kinds and path.name != ".git"]
    named = [
        path.name
        for path in files
        if any(name in path.read_text(encoding="utf-8", errors="replace") for name in foreign)
    ]
    assert not named, f"paths of one machine stand in {', '.join(named)}"
