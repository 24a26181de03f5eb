"""Train and evaluate the detectors on your own clips.

python -m scripts.pipeline run --human "Dataset/Human Music" --ai "Dataset/Ai music" --run mine
python -m scripts.pipeline run --manifest clips.csv --run mine
python -m scripts.pipeline run --run mine                       go on, or check that nothing is left to do
python -m scripts.pipeline run --run mine --only evaluate       one phase
python -m scripts.pipeline run --run mine --set baselines.cnn.epochs=80
python -m scripts.pipeline run --human A --ai B --run mine --replace   other clips in the place of the run's own
python -m scripts.pipeline plan --run mine                      what is done, what would run, how long it takes
"""

import argparse
import json
import logging
import signal
import sys

if __name__ == "__main__":
    from scripts import environment

    environment.adopt()  # before torch is loaded

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from core.artifacts import SHIPPED_REMEDY, Run, open_run
from core.config import Config, with_settings
from core.data.places import Place, folders, manifest, place_of, source_table
from core.device import choose_device
from core.errors import ArtifactError, ConfigError, DetectorError, printable
from core.estimate import estimate
from core.pipeline import NAMES, execute, statuses
from core.storage import read_json


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(
        prog="python -m scripts.pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True)
    for name, text in (("run", "run the phases that are not done"), ("plan", "print what is done and what would run")):
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--run", required=True, metavar="NAME", help="folder under artifacts/ that holds the results"
        )
        command.add_argument("--human", type=Path, metavar="DIR", help="folder of human clips")
        command.add_argument("--ai", type=Path, metavar="DIR", help="folder of AI-generated clips")
        command.add_argument("--manifest", type=Path, metavar="FILE.csv", help="table path,label,group,source instead")
        command.add_argument("--group-pattern", metavar="REGEX", help="one capture group: the song in a clip's path")
        command.add_argument(
            "--set", action="append", default=[], metavar="SECTION.FIELD=VALUE", help="change a setting"
        )
        command.add_argument("--demo", action="store_true", help=argparse.SUPPRESS)
    run = commands.choices["run"]
    run.add_argument("--only", nargs="+", default=[], choices=NAMES, metavar="PHASE", help=f"of {', '.join(NAMES)}")
    run.add_argument("--force", nargs="+", default=[], choices=NAMES, metavar="PHASE", help="run again although done")
    run.add_argument(
        "--replace", action="store_true", help="let other clips take the place of those the run was made of"
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; run the same command again to go on"))
    try:
        run = open_run(options.run)
        if run.shipped:
            raise ArtifactError(f"--run {run.name}", "it is the run that ships", SHIPPED_REMEDY)
        place, config, demo = work_of(options, run)
        if options.command == "plan":
            print_plan(run, config, place)
        else:
            if not options.replace:
                check_same_clips(run, place)
            execute(run, config, place, only=options.only, force=options.force, demo=demo)
            if not options.only or "evaluate" in options.only:
                print_results(run)
    except DetectorError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped; run the same command again to go on")
    return 0


def work_of(options: argparse.Namespace, run: Run) -> tuple[Place, Config, bool]:
    """Return where the clips are and every setting: those of the run so far, with the command line laid over them."""
    known, named = run.description.exists(), options.manifest or (options.human and options.ai)
    data: dict[str, str] = {}
    config, demo = Config(), False
    try:
        data, config, demo = run.read_description() if known else (data, config, demo)
    except ArtifactError as error:
        if not named:
            raise
        logging.warning("%s Starting from the default settings.", error)
    settings = list(options.set)
    if options.group_pattern is not None:
        settings.append(f"split.group_pattern={options.group_pattern}")
    config = with_settings(config, settings)
    if options.manifest and (options.human or options.ai):
        raise ConfigError("--manifest", "it stands beside --human or --ai", "Give either a manifest or two folders")
    if options.manifest:
        return manifest(options.manifest), config, options.demo
    if options.human and options.ai:
        return folders(options.human, options.ai), config, options.demo
    if options.human or options.ai:
        raise ConfigError("--human, --ai", "only one of the two folders is given", "Give both")
    if not known:
        raise ConfigError(f"--run {run.name}", "there is no such run yet", "Start it with --human DIR --ai DIR")
    return place_of(data), config, demo


def check_same_clips(run: Run, place: Place) -> None:
    """Refuse to make a run of other clips than those it was made of.

    Raises
    ------
    ConfigError : the run has prepared clips of another place; the sentence names what differs.
    """
    if run.read_record("prepare") is None:
        return
    try:
        known = place_of(run.read_description()[0])
    except ArtifactError:  # nobody can tell; whoever names the clips again mends it
        return
    before, now = locations(known), locations(place)
    changed = [f"{name} was {before[name]}, now {now[name]}" for name in now if before[name] != now[name]]
    if changed:
        remedy = "Choose another name for a new run, or add --replace to make this one anew"
        raise ConfigError(f"--run {run.name}", f"it was made of other clips: {printable('; '.join(changed))}", remedy)


def locations(place: Place) -> dict[str, str]:
    """Return where a place's clips are, by the option that names it."""
    named = {"--human": place.human, "--ai": place.ai, "--manifest": place.manifest}
    return {option: str(place.root / path) if path else "nothing" for option, path in named.items()}


def print_plan(run: Run, config: Config, place: Place) -> None:
    """Print every phase, what it reads and writes, whether it stands, and what running it takes on this machine."""
    listing = place.listing(config.split)
    clips, labelled = len(listing.candidates), {(clip.label, clip.source) for clip in listing.candidates}
    sources = max(Counter(label for label, _ in labelled).values())
    print("Songs and sources as read from names, folders or the table; a song is never split:\n")
    print(tabulate(source_table(listing.candidates), headers="keys", disable_numparse=True))
    if sentence := listing.rest.sentence():
        print(f"\n{sentence}")
    print("\nNot as it should be? --group-pattern says what a song is; a manifest says both.\n", flush=True)
    print(f"{clips} audio files. Measuring a few steps on this machine ...", file=sys.stderr)
    expected = estimate(config, clips, sources)
    rows, left = [], 0.0
    for status in statuses(run, config, listing):
        cost, phase = expected[status.phase.name], status.phase
        left += 0 if status.valid else cost.seconds
        memory = f"{cost.memory_mb / 1000:.1f} GB" + (f" + {cost.gpu_mb / 1000:.1f} GB GPU" if cost.gpu_mb else "")
        needs = ", ".join(run.relative(path) for path in phase.reads(run)) or "the clips"
        makes = ", ".join(run.relative(path) for path in phase.makes(run))
        state = status.reason if status.valid else f"to run ({status.reason})"
        rows.append([phase.code, phase.name, state, duration(cost.seconds), memory, needs, makes])
    headers = ["", "phase", "state", "time at most", "memory", "reads", "writes"]
    print(tabulate(rows, headers, maxcolwidths=[None, None, 28, None, None, 32, 40], break_long_words=False))
    disk = sum(cost.disk_mb for cost in expected.values())
    print(f"\nLeft to do: at most {duration(left)} with {choose_device().description}; about {disk:,.0f} MB on disk.")
    print("autoencoder and transformer do not need each other: two terminals with --only may run them side by side.")
    print("baselines and hybrid do not either. Early stopping may end a training sooner.")
    if "both" not in (config.transformer.mode, _modes_made(run)):
        print(f"Both transformer modes: python -m scripts.pipeline run --run {run.name} --set transformer.mode=both")

    if not config.audit.leave_out:
        print(f"Sources never heard: python -m scripts.pipeline run --run {run.name} --set audit.leave_out=all")


def _modes_made(run: Run) -> str:
    """Return `both` if the run has frozen and fine-tuned embeddings."""
    if not run.transformer_note.exists():
        return ""
    return "both" if len(read_json(run.transformer_note, "")["modes"]) > 1 else ""


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def print_results(run: Run) -> None:
    """Print the comparison of the models on the test split, what the audit found, and what may be said."""
    results = run.read_results()
    rows = json.loads(run.comparison_json.read_text(encoding="utf-8"))
    test = next(iter(results["models"].values()))["test"]
    print(tabulate(rows, headers="keys", floatfmt=".4f"))
    print(f"\n{test['n']} test clips of {test['songs']} songs.", end=" ")
    print(f"{results['confidence']:.0%} intervals over songs are in {run.results_file}.")
    print(f"Transformer embeddings: {results['encoder']['description']}, {results['encoder']['mode']}.")
    for title, table in audit_tables(results):
        print(f"\n{title}\n{tabulate(table, headers='keys', floatfmt='.2f')}")
    for title, claims in (("What may be said", "may"), ("What may not be said", "may_not")):
        print(f"\n{title}:")
        print("\n".join(f"- {sentence}" for sentence in results["summary"][claims]))
    if results["demo"]:
        print("\nThese are demo clips made by code: the numbers say nothing about real music.")


def audit_tables(results: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return a title and rows for each part of the audit that was made."""
    tables = []
    if leave_out := results["leave_out"]:
        title = "Sources never heard, held out in turn: AUC, and share of clips called rightly"
        tables.append((title, [leave_out_row(source, results["models"]) for source in leave_out["sources"]]))
    if changes := results["robustness"]:
        title = f"AUC on {changes['n']} test clips of {changes['songs']} songs after each change"
        tables.append((title, robustness_rows(changes, results["models"])))
    if shortcuts := results["shortcuts"]:
        n, songs = shortcuts["files"]["n"], shortcuts["files"]["songs"]
        title = f"What tells the classes apart without music: test AUC on {n} clips of {songs} songs"
        tables.append((title, shortcut_rows(shortcuts)))
    return tables


def leave_out_row(source: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every detector makes of one source it never heard."""
    row = {"class": source["label"], "source": printable(source["source"]), "clips": source["n"]}
    judged = source["models"]
    return row | {
        models[name]["name"]: f"{scores['auc']:.2f}, {scores['recall']:.0%}" for name, scores in judged.items()
    }


def robustness_rows(degraded: Mapping[str, Any], models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per change with every detector's AUC."""
    return [
        {"change": name} | {models[key]["name"]: lines[place]["auc"] for key, lines in degraded["models"].items()}
        for place, name in enumerate(degraded["transforms"])
    ]


def shortcut_rows(shortcuts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per fact, best on validation first, below the classifier that knows them all."""
    heard = {feature["name"]: feature["test_auc"] for feature in shortcuts["heard"]["features"]}
    every = {
        "fact": "all together",
        "files": shortcuts["files"]["test_auc"],
        "as the models hear": shortcuts["heard"]["test_auc"],
    }
    return [every] + [
        {"fact": fact["title"], "files": fact["test_auc"], "as the models hear": heard.get(fact["name"], "")}
        for fact in shortcuts["files"]["features"]
    ]


if __name__ == "__main__":
    sys.exit(main())
