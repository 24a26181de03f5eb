"""Say of sound files whether they are human or AI-generated, with everything the answer rests on.

python -m scripts.detect song.mp3
python -m scripts.detect "My Songs" --csv answers.csv
python -m scripts.detect "downloads/*.flac" --json -           quote globs, or the shell expands them
python -m scripts.detect archive --resume scan.jsonl --jobs 4   a killed scan goes on where it was
python -m scripts.detect archive --engine ray --address HOST:6379   on a Ray cluster (requirements-ray.txt)

P(AI) and the limits beside it are calibrated (after the temperature), for a whole song; they do not compare with the
thresholds of single clips in a run's results, which are on the models' own scale.

WAV, FLAC, OGG, Opus, MP3 and AIFF, of one second up to one hour. A file or folder that cannot be read becomes a line
with the reason; hidden folders are not searched and links to folders not followed, which is said at the end. The exit
status is 0 when every file was answered, 1 when some were not, 2 when there was nothing to do, 130 after Ctrl-C.
"""

import argparse
import glob
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from core import storage
from core.artifacts import DETECTORS, Run
from core.data.search import PassedOver, Rest, Search, check_holds_sound, search
from core.errors import ConfigError, DataError, DetectorError, printable
from core.progress import progress
from core.verdict.judge import failure
from core.verdict.run import choose_run, described, run_facts
from scripts.detect.engine import in_processes, in_this_process
from scripts.detect.log import Key, Log, key_of

ANSWERED, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
WORTH_A_PROCESS = 20  # files: loading the models takes as long as judging some clips; one process uses all cores, too
ENGINES = ("local", "ray")
WORDS = {"human": "● human", "ai": "◆ AI", "uncertain": "? uncertain", "out_of_scope": "– out of scope"}
NOT_ANSWERED = "! not answered"
COLUMNS = (
    "file", "verdict", "probability_ai", "seconds", "heard_seconds", "windows", "windows_counted", *DETECTORS,
    "warnings", "reason", "run", "limit_human", "limit_ai", "scale",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(
        prog="python -m scripts.detect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("paths", nargs="+", metavar="PATH", help="a sound file, a folder with its subfolders, or a glob")
    top.add_argument(
        "--run",
        metavar="NAME",
        help="whose models answer; by default your newest evaluated run's, or those that ship",
    )
    top.add_argument("--json", metavar="FILE", help="write all there is to every answer; - prints it")
    top.add_argument("--csv", metavar="FILE", help="write one line per file; - prints it")
    top.add_argument("--jobs", type=_count, metavar="N", help="processes; by default one per processor")
    top.add_argument("--resume", type=Path, metavar="FILE.jsonl", help="keep answers here, and go on from them")
    top.add_argument(
        "--engine", choices=ENGINES, default="local", help="where files are answered: here, or on a cluster"
    )
    top.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster; by default the one on this machine")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    top = parser()
    options = top.parse_args(arguments)
    if options.json == "-" and options.csv == "-":
        top.error("--json - and --csv - would be mixed; name a file for one of them")
    if options.address and options.engine != "ray":
        top.error("--address is for --engine ray")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks the marks shows something else
    try:
        return detect(options)
    except DetectorError as error:
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        again = "run the same command again to go on" if options.resume else "with --resume FILE it could go on"
        print(f"stopped; {again}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def detect(options: argparse.Namespace) -> int:
    """Answer every file, print the table, write what was asked for; return the exit status."""
    for option in (options.json, options.csv, options.resume):
        _check_folder(option)
    inside = find(options.paths)
    files, failures = inside.files, [_failure(row) for row in inside.rest.failures()]
    run = choose_run(options.run)
    facts = run_facts(run)
    log = Log(options.resume, facts.fingerprint)
    print(f"run {facts.name} answers, {described(run)}; evaluated {facts.evaluated[:10]}", file=sys.stderr)
    try:
        keys = [key_of(path) for path in files]
        show = _row_printer("-" not in (options.json, options.csv))
        failed = 0
        with closing(scan(files, keys, run, log, options.jobs, _cluster(options))) as answers:
            for path, answer in progress(answers, "detect", len(files)):
                failed += "error" in answer
                show(path, answer)
        for answer in failures:
            show(Path(answer["file"]), answer)
        judged = list(zip(keys, files, strict=True))  # for the JSON and once more for the CSV
        write(options, lambda: chain((relabelled(log.read(key), path) for key, path in judged), failures))
    finally:
        log.close()
    _tell(inside.rest)
    return FAILED if failed or failures else ANSWERED


def _failure(row: PassedOver) -> dict[str, Any]:
    return failure(row.path, row.code, row.problem, row.remedy)


def _tell(rest: Rest) -> None:
    """Say at the end what was passed over, each with what to do about it, and all in one sentence."""
    for line in (*rest.lines(), rest.sentence()):
        if line:
            print(line, file=sys.stderr)


def _check_folder(file: Path | str | None) -> None:
    """Refuse an output whose folder is not there before hours are spent: a slip of the key makes no folders."""
    if file and file != "-" and not Path(file).absolute().parent.is_dir():
        raise ConfigError(file, "its folder does not exist", "Make the folder, or correct the name")


def find(paths: Iterable[str]) -> Search:
    """Return the files that paths, folders and globs stand for, each once, in order, and what folders hold besides.

    A file that is named counts whatever its suffix, even when it is not there: it becomes a line. However a folder is
    spelled, by a link or inside another that is given, too, its files count once.

    Raises
    ------
    DataError : a folder holds no sound, or a glob fits nothing.
    """
    place = cache(os.path.realpath)
    files: dict[tuple[str, str], Path] = {}
    passed: dict[tuple[str, str], PassedOver] = {}
    others: dict[tuple[str, str], Path] = {}

    def key(path: Path) -> tuple[str, str]:
        """Return where a file really lies; a link to a file stays one of its own."""
        folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the file, too
        return str(place(folder)), name

    for inside in map(_expanded, paths):
        for path in inside.files:
            files.setdefault(key(path), path)
        for row in inside.rest.passed:
            passed.setdefault(key(row.path), row)
        for path in inside.rest.others:
            others.setdefault(key(path), path)
    return Search(tuple(files.values()), Rest(tuple(passed.values()), tuple(others.values())))


def _expanded(text: str) -> Search:
    if not text:  # an unset variable of the shell, which Path takes for the folder one is in
        raise DataError("PATH", "it is empty", "Name a sound file or a folder")
    path = Path(text)
    matched = [path]
    if glob.has_magic(text) and not os.path.lexists(path):
        matched = [Path(name) for name in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 - also absolute ones
        if not matched and set(text) & {"*", "?"}:
            raise DataError(text, "no file fits", "Correct the pattern")
    files: list[Path] = []
    rest = Rest()
    for name in matched or [path]:
        inside = _in_folder(name) if name.is_dir() else Search((name,), Rest())
        files += inside.files
        rest += inside.rest
    return Search(tuple(files), rest)


def _in_folder(folder: Path) -> Search:
    inside = search(folder)
    if not inside.rest.failures():  # these are answers, too
        check_holds_sound(folder, inside)
    return inside


def scan(
    files: Sequence[Path], keys: Sequence[Key], run: Run, log: Log, jobs: int | None, cluster: str = ""
) -> Generator[tuple[Path, dict[str, Any]], None, None]:
    """Yield every file with its answer, in order; those that the log holds are not asked again.

    Parameters
    ----------
    cluster : address of the Ray cluster that answers; empty: this machine does.
    """
    missing = [path for path, key in zip(files, keys, strict=True) if key not in log]
    with closing(_engine(missing, run, jobs, cluster)) as answers:
        for path, key in zip(files, keys, strict=True):
            if key not in log:
                log.add(key, next(answers))
            yield path, relabelled(log.read(key), path)


def _engine(missing: Sequence[Path], run: Run, jobs: int | None, cluster: str) -> Generator[dict[str, Any], None, None]:
    """Return what will answer the files."""
    if cluster and missing:
        from scripts.detect.cluster import in_cluster

        return in_cluster(missing, run, cluster, jobs)
    jobs = min(jobs or _processors(), len(missing) if jobs else len(missing) // WORTH_A_PROCESS)
    return in_processes(missing, run, jobs) if jobs > 1 else in_this_process(missing, run)


def _cluster(options: argparse.Namespace) -> str:
    """Return the address of the Ray cluster that was asked for, or nothing."""
    if options.engine != "ray":
        return ""
    if find_spec("ray") is None:
        raise ConfigError("--engine ray", "Ray is not installed", "Run `pip install -r requirements-ray.txt`")
    return options.address or "auto"


def relabelled(answer: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return an answer under the name by which the file was asked for this time."""
    return {**answer, "file": str(path)}


# What comes out


def _row_printer(wanted: bool) -> Callable[[Path, dict[str, Any]], None]:
    """Return what prints a line of the table, its headings before the first."""
    if not wanted:
        return lambda path, answer: None
    _print_line("verdict", "P(AI)", "human<", "AI≥", "seconds", "file")
    return lambda path, answer: _print_line(*row(path, answer))


def row(path: Path, answer: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    """Return a file's line of the table: verdict, probability of AI, its two limits, seconds, name or reason."""
    name = printable(str(path))
    if "error" in answer:
        return NOT_ANSWERED, "", "", "", "", f"{name}: {printable(answer['error']['problem'])}"
    probability = "" if answer["call"] == "out_of_scope" else f"{answer['probability']:.2f}"
    left_out = _left_out(len(answer["windows"]) - answer["counted"], len(answer["windows"]))
    said = "; ".join(filter(None, (answer["scope"]["reason"] or left_out, *answer["warnings"])))
    below, above = (f"{limit:.3g}" if limit is not None else "–" for limit in _limits(answer))
    line = f"{name}: {said}" if said else name
    return WORDS[answer["call"]], probability, below, above, f"{answer['seconds']:.1f}", line


def _limits(answer: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return below which probability a song is called human and from which on AI; a log from before has neither."""
    return answer.get("limit_human"), answer.get("limit_ai")


def _left_out(count: int, windows: int) -> str:
    return f"{count} of {windows} windows left out" if count else ""


def _print_line(verdict: str, probability: str, below: str, above: str, seconds: str, name: str) -> None:
    line = f"{verdict:<14}  {probability:>5}  {below:>6}  {above:>5}  {seconds:>7}  {name}"
    if sys.stderr.isatty():
        tqdm.write(line, file=sys.stdout)  # above the bar
    else:
        print(line)


def write(options: argparse.Namespace, answers: Callable[[], Iterator[dict[str, Any]]]) -> None:
    """Write the answers as JSON and as CSV, whichever was asked for, without holding them all in memory."""
    if options.json == "-":
        _write_json(sys.stdout, answers())
    elif options.json:
        storage.write_atomic(Path(options.json), lambda file: file.writelines(map(str.encode, _json(answers()))))
    rows = (csv_row(answer) for answer in answers())
    if options.csv == "-":
        _write_csv(sys.stdout, rows)
    elif options.csv:
        storage.write_csv(Path(options.csv), COLUMNS, rows)


def csv_row(answer: dict[str, Any]) -> list[object]:
    """Return a file's line of the CSV; no cell is one that a spreadsheet calculates."""
    file = storage.harmless(printable(answer["file"]))
    if error := answer.get("error"):
        reason = storage.harmless(printable(f"{error['code']}: {error['problem']}"))
        return [file, "not answered", *[""] * (len(COLUMNS) - 7), reason, *[""] * 4]
    return [
        file,
        answer["call"],
        f"{answer['probability']:.6f}",
        f"{answer['seconds']:.3f}",
        f"{answer['heard_seconds']:.3f}",
        len(answer["windows"]),
        answer["counted"],
        *(f"{answer['by_detector'][name]['probability']:.6f}" for name in DETECTORS),
        "; ".join(answer["warnings"]),
        answer["scope"]["reason"],
        f"{answer['run']['name']} {answer['run']['fingerprint']}",
        *("" if limit is None else f"{limit:.6f}" for limit in _limits(answer)),
        answer.get("scale", ""),
    ]


def _json(answers: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yield the text of a JSON list, one answer a line."""
    before = "[\n"
    for answer in answers:
        yield before + json.dumps(answer, allow_nan=False)
        before = ",\n"
    yield "\n]\n"


def _write_json(stream: TextIO, answers: Iterator[dict[str, Any]]) -> None:
    stream.writelines(_json(answers))


def _write_csv(stream: TextIO, rows: Iterable[Sequence[object]]) -> None:
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
