"""The two bootstrap commands: they install once, wait for one another, mend what is broken and fail in one sentence."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from scripts import demo, environment, test

needs_flock = pytest.mark.skipif(os.name == "nt", reason="Windows has no flock")


class Machine:
    """Stands in for the commands that are run: venv makes a Python, pip installs, and each can be made to fail."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.fails = ""  # the word of a command that ends with an error
        self.killed = ""  # the word of a command during which the process dies
        self.version = "3.12.1"

    def run(self, command: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
        line = " ".join(command[1:])
        if "import pip" in line:
            return self._version(command[0])
        self.commands.append(line)
        if self.killed and self.killed in line:
            raise KeyboardInterrupt
        if self.fails and self.fails in line:
            raise subprocess.CalledProcessError(1, list(command))
        if "venv" in line:
            environment.python().parent.mkdir(parents=True, exist_ok=True)
            environment.python().write_text("python")
        return subprocess.CompletedProcess(command, 0)

    def _version(self, python: str) -> subprocess.CompletedProcess[str]:
        if not Path(python).exists():
            raise FileNotFoundError(python)
        return subprocess.CompletedProcess([python], 0, stdout=f"{self.version}\n")

    @property
    def installed(self) -> list[str]:
        return [line.partition("check ")[2] for line in self.commands if "pip install" in line]

    @property
    def built(self) -> int:
        return sum("-m venv" in line for line in self.commands)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A project with two requirement files and nothing installed."""
    machine = Machine()
    (tmp_path / "tests").mkdir()
    (tmp_path / environment.RUNTIME).write_text("numpy==2.4.6\n")
    (tmp_path / environment.TESTS).write_text("pytest==9.2.0\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(subprocess, "run", machine.run)
    return machine


def test_the_first_call_makes_the_environment_and_installs(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME)
    assert machine.built == 1
    assert machine.installed == ["-r requirements.txt"]


def test_the_second_call_installs_nothing(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME)
    machine.commands.clear()
    environment.prepare(environment.RUNTIME)
    assert machine.commands == []


def test_the_tests_requirements_come_on_top_and_stay(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME)
    environment.prepare(environment.RUNTIME, environment.TESTS)
    environment.prepare(environment.RUNTIME)
    assert machine.installed == ["-r requirements.txt", "-r requirements.txt -r tests/requirements.txt"]
    assert machine.built == 1


def test_a_changed_requirement_is_installed_into_the_same_environment(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME)
    (environment.ROOT / environment.RUNTIME).write_text("numpy==2.4.7\n")
    environment.prepare(environment.RUNTIME)
    assert len(machine.installed) == 2
    assert machine.built == 1


def test_what_was_not_asked_for_this_time_is_not_forgotten(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME, environment.TESTS)
    (environment.ROOT / environment.RUNTIME).write_text("numpy==2.4.7\n")
    environment.prepare(environment.RUNTIME)
    environment.prepare(environment.RUNTIME, environment.TESTS)
    assert len(machine.installed) == 2


def test_an_interrupted_installation_is_done_again(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME)
    machine.killed = "pip install"
    with pytest.raises(KeyboardInterrupt):
        environment.prepare(environment.RUNTIME, environment.TESTS)
    machine.killed = ""
    environment.prepare(environment.RUNTIME)
    assert machine.installed[-1] == "-r requirements.txt"
    assert len(machine.installed) == 3


def test_an_environment_whose_python_is_gone_is_rebuilt(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME)
    environment.python().unlink()
    environment.prepare(environment.RUNTIME)
    assert machine.built == 2
    assert len(machine.installed) == 2


def test_an_environment_whose_python_was_upgraded_is_installed_again(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME)
    machine.version = "3.13.0"
    environment.prepare(environment.RUNTIME)
    assert len(machine.installed) == 2


@pytest.mark.parametrize("stamp", ["", "[]", "{}", '{"python": "3.12.1", "requirements": 3}', "\x00"])
def test_a_damaged_stamp_counts_as_not_installed(machine: Machine, stamp: str) -> None:
    environment.prepare(environment.RUNTIME)
    (environment.ENVIRONMENT / environment.STAMP).write_text(stamp)
    environment.prepare(environment.RUNTIME)
    assert len(machine.installed) == 2


@pytest.mark.parametrize(("step", "words"), [("venv", "python3-venv"), ("pip install", "network connection")])
def test_a_failed_step_is_one_sentence_and_leaves_no_stamp(machine: Machine, step: str, words: str) -> None:
    machine.fails = step
    with pytest.raises(environment.SetupError, match=words):
        environment.prepare(environment.RUNTIME)
    machine.fails = ""
    environment.prepare(environment.RUNTIME)
    assert machine.installed[-1] == "-r requirements.txt"


@pytest.mark.parametrize("command", [demo.main, test.main])
def test_a_command_whose_installation_fails_ends_without_a_traceback(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, command: object
) -> None:
    machine.fails = "pip install"
    monkeypatch.setattr(sys, "argv", ["command"])
    assert callable(command)
    with pytest.raises(SystemExit, match="pip could not install requirements.txt"):
        command()


def test_an_old_python_is_refused_by_name(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(environment.SetupError, match="Python 3.11 or later"):
        environment.prepare(environment.RUNTIME)
    assert machine.commands == []


def hold(path: Path, held: Event, release: Event) -> None:
    with environment.locked(path):
        held.set()
        release.wait(20)


@needs_flock
def test_two_at_once_take_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "lock", held, release))
    other.start()
    assert held.wait(20)
    threading.Timer(0.5, release.set).start()
    start = time.monotonic()
    with environment.locked(tmp_path / "lock"):
        waited = time.monotonic() - start
    other.join(20)
    assert waited >= 0.4
    assert "Waiting" in capsys.readouterr().out


@needs_flock
def test_a_dead_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "lock", held, release))
    other.start()
    assert held.wait(20)
    other.kill()
    other.join(20)
    with environment.locked(tmp_path / "lock"):
        pass


def test_large_arrays_get_an_allocator_of_their_own_on_glibc_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    for library, expected in {("glibc", "2.36"): True, ("glibc", "2.31"): False, ("", ""): False}.items():
        monkeypatch.setattr(environment.platform, "libc_ver", lambda library=library: library)
        assert ("GLIBC_TUNABLES" in environment.child_environment()) == expected


def test_the_users_own_allocator_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    assert environment.child_environment()["GLIBC_TUNABLES"] == "glibc.malloc.check=1"


def test_a_command_runs_in_the_project_and_its_status_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "python", lambda: Path(sys.executable))
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    assert environment.run("-c", "import pathlib, sys; pathlib.Path('here').touch(); sys.exit(7)") == 7
    assert (tmp_path / "here").exists()


@needs_flock
def test_ctrl_c_ends_the_child_too(tmp_path: Path) -> None:
    child = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    program = (
        "import sys, pathlib, signal; from scripts import environment; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a test run in the background ignores Ctrl-C
        "environment.python = lambda: pathlib.Path(sys.executable); "
        f"sys.exit(environment.run('-c', {child!r}, {str(tmp_path / 'started')!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == environment.INTERRUPTED


@pytest.mark.parametrize("name", ["environment.py", "demo.py", "test.py"])
def test_the_bootstrap_starts_with_nothing_installed(name: str) -> None:
    path = environment.ROOT / "scripts" / name
    program = f"import runpy; runpy.run_path({str(path)!r}, run_name='bootstrap')"
    bare = [sys.executable, "-I", "-S", "-W", "error", "-c", program]
    assert subprocess.run(bare, capture_output=True, text=True, check=False).stderr == ""


def test_every_check_runs_even_when_one_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def run(*arguments: str) -> int:
        ran.append(arguments[1])
        return int(arguments[1] == "mypy")

    monkeypatch.setattr(environment, "prepare", lambda *_: None)
    monkeypatch.setattr(environment, "run", run)
    monkeypatch.setattr(sys, "argv", ["test.py", "-k", "tone"])
    assert test.main() == 1
    assert ran == ["ruff", "ruff", "mypy", "pytest"]
    assert "types failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"), [([], ["scripts.demo", "streamlit"]), (["--no-dashboard"], ["scripts.demo"])]
)
def test_the_demo_opens_the_dashboard_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str]
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(environment, "prepare", lambda *_: None)
    monkeypatch.setattr(environment, "run", lambda *arguments: ran.append(arguments[1]) or 0)
    monkeypatch.setattr(sys, "argv", ["demo.py", *arguments])
    assert demo.main() == 0
    assert ran == expected


def test_the_demo_stops_where_a_step_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(environment, "prepare", lambda *_: None)
    monkeypatch.setattr(environment, "run", lambda *arguments: ran.append(arguments[1]) or 3)
    monkeypatch.setattr(sys, "argv", ["demo.py"])
    assert demo.main() == 3
    assert ran == ["scripts.demo"]


def test_every_requirement_is_pinned() -> None:
    for name in (environment.RUNTIME, environment.TESTS):
        lines = (environment.ROOT / name).read_text(encoding="utf-8").splitlines()
        packages = [line.split("#")[0].strip() for line in lines if line and not line.startswith("#")]
        assert packages
        assert all(package.count("==") == 1 for package in packages)


def test_the_stamp_names_what_was_installed(machine: Machine) -> None:
    environment.prepare(environment.RUNTIME)
    stamp = json.loads((environment.ENVIRONMENT / environment.STAMP).read_text())
    assert stamp["python"] == machine.version
    assert set(stamp["requirements"]) == {environment.RUNTIME}


def test_asking_the_check_for_help_checks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["scripts/test.py", "--help"])
    monkeypatch.setattr(environment, "prepare", lambda *files: pytest.fail("made an environment"))
    with pytest.raises(SystemExit) as left:
        test.main()
    assert left.value.code == 0
    assert "pytest arguments" in capsys.readouterr().out
