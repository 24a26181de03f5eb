"""Show the whole detector on made-up clips, from nothing: `python scripts/demo.py [--no-dashboard] [--port N]`.

Makes the environment, the demo clips and every phase's results in artifacts/demo, then opens the dashboard. Standard
library only until the environment exists. What is already done is not done again.
"""

from __future__ import annotations  # an older Python, too, gets as far as the sentence that refuses it

import argparse
import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # `python scripts/demo.py` puts only scripts/ on the path

from scripts import environment

RUN = "demo"
SONGS_PER_CLASS = 60
CLIPS_PER_SONG = 2
SEED = 0
DEMO_SETTINGS = (  # fewer steps than a real run, and no question to the hub: minutes, not an evening
    "transformer.weights=scratch",
    "autoencoder.recipe.epochs=20",
    "autoencoder.recipe.min_steps=0",
    "autoencoder.recipe.patience=20",
    "transformer.recipe.epochs=20",
    "transformer.recipe.min_steps=0",
    "transformer.recipe.patience=20",
    "baselines.cnn.epochs=20",
    "baselines.cnn.min_steps=0",
    "baselines.cnn.patience=20",
    "audit.robustness_clips=16",
)


def main() -> int:
    """Run the demo; stop at the first step that fails."""
    options = _options()
    try:
        return _make_run() if options.inside else _demo(options)
    except environment.SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. Run the same command again to go on.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python scripts/demo.py", description="Make demo clips, run every phase on them and open the dashboard."
    )
    parser.add_argument("--no-dashboard", action="store_true", help="stop when the results are there")
    parser.add_argument("--port", type=int, default=8501, help="the dashboard's port (default: %(default)s)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # runs in the environment
    return parser.parse_args()


def _demo(options: argparse.Namespace) -> int:
    environment.prepare(environment.RUNTIME)
    status = environment.run("-m", "scripts.demo", "--inside")
    if status or options.no_dashboard:
        return status
    return environment.run("-m", "streamlit", "run", "dashboard/app.py", "--server.port", str(options.port))


def _make_run() -> int:
    """Make the clips and run every phase on them; here everything is installed."""
    from core.artifacts import artifacts_folder
    from core.demo import clips as demo_clips
    from core.errors import DetectorError
    from scripts import pipeline

    clips = artifacts_folder() / RUN / "clips"
    clips.parent.mkdir(parents=True, exist_ok=True)
    try:
        with environment.locked(clips.with_suffix(".lock")):
            demo_clips.make(clips, SONGS_PER_CLASS, CLIPS_PER_SONG, SEED)
    except DetectorError as error:
        sys.exit(str(error))
    folders = ["--human", str(clips / demo_clips.HUMAN_FOLDER), "--ai", str(clips / demo_clips.AI_FOLDER)]
    settings = [argument for setting in DEMO_SETTINGS for argument in ("--set", setting)]
    return pipeline.main(["run", *folders, "--run", RUN, "--demo", *settings])


if __name__ == "__main__":
    sys.exit(main())
