"""What several test files share, made once: a small run of the whole pipeline, a dashboard, a browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.artifacts import Run
from core.config import Config, with_settings
from core.data.places import Place, folders
from core.demo import clips as demo_clips
from core.pipeline import execute
from tests.support import browsing, sharing
from tests.support.invented_run import invent
from tests.support.sharing import made_once

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

# The real architecture of every model, sizes and schedules cut down to what a test can wait for.
SMALL = [
    "autoencoder.recipe.epochs=2",
    "autoencoder.recipe.min_steps=0",
    "transformer.weights=scratch",
    "transformer.small_hidden=32",
    "transformer.small_layers=2",
    "transformer.small_heads=2",
    "transformer.small_stride=16",
    "transformer.recipe.epochs=2",
    "transformer.recipe.min_steps=0",
    "transformer.projection_recipe.epochs=3",
    "transformer.projection_recipe.min_steps=0",
    "baselines.cnn.epochs=2",
    "baselines.cnn.min_steps=0",
    "baselines.ae_classifier.epochs=3",
    "baselines.ae_classifier.min_steps=0",
    "baselines.transformer_classifier.epochs=3",
    "baselines.transformer_classifier.min_steps=0",
    "baselines.fine_spectrum.epochs=3",
    "baselines.fine_spectrum.min_steps=0",
    "hybrid.recipe.epochs=3",
    "hybrid.recipe.min_steps=0",
    "hybrid.three_way.epochs=3",
    "hybrid.three_way.min_steps=0",
    "audit.robustness_clips=4",
    "evaluation.bootstraps=20",
]


def small_config(*settings: str) -> Config:
    """Return the small settings, with others laid over them."""
    return with_settings(Config(), [*SMALL, *settings])


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    sharing.share(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def demo_place() -> Place:
    """Return two folders of made-up clips: 12 songs of two clips in each class."""
    name = "clips of the demo"  # with spaces, as people have them
    folder = made_once(name, lambda new: demo_clips.make(new, songs_per_class=12, clips_per_song=2, seed=0))
    return folders(folder / "Human Music" / "demo_recordings", folder / "Ai music" / "demo_generations")


@pytest.fixture(scope="session")
def finished(demo_place: Place) -> Run:
    """Return a run that went through all phases. Tests that change files must copy it first."""
    folder = made_once("artifacts", lambda new: execute(Run(new / "finished"), small_config(), demo_place))
    return Run(folder / "finished")


@pytest.fixture
def copy(finished: Run, tmp_path: Path) -> Run:
    """Return a copy of the finished run that a test may damage."""
    return Run(Path(shutil.copytree(finished.folder, tmp_path / finished.name)))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return an evaluated run of invented phases. Tests that change files copy it; some files have another one."""
    return invent(tmp_path_factory.mktemp("invented") / "artifacts", "evaluated")


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty artifacts folder that the dashboard reads."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    monkeypatch.setenv("SMD_ARTIFACTS", str(folder))
    return folder


@pytest.fixture
def run(made: Run, artifacts: Path) -> Run:
    """Return a copy of the evaluated run that a test may damage, the only one that the dashboard reads."""
    return Run(shutil.copytree(made.folder, artifacts / made.name))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of runs that `address` shows. Each test file puts its own there, under names of its own."""
    folder = tmp_path_factory.mktemp("shelf") / "artifacts"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def address(shelf: Path) -> Iterator[str]:
    """Serve the dashboard and return its address."""
    with browsing.served(shelf) as url:
        yield url


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    """Start a browser, or skip where there is none; tests ask for `browser`."""
    with browsing.launched(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture
def browser(window: "Chrome") -> "Chrome":
    """Return the browser with an empty page, and nothing complained about yet."""
    window.get("about:blank")
    window.get_log("browser")
    return window


@pytest.fixture
def real_data() -> Path:
    """Return the folder of real clips, or skip."""
    folder = os.environ.get("SMD_REAL_DATA", "")
    if not folder:
        pytest.skip("SMD_REAL_DATA names no folder of real clips")
    return Path(folder)
