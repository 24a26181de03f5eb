"""Files of a run are whole or not there, and a damaged one is named."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core import storage
from core.artifacts import Run, open_run
from core.config import Config
from core.errors import ArtifactError, ConfigError, ResourceError


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    storage.write_json(path, {"old": 1})

    def half_a_file(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        storage.write_atomic(path, half_a_file)
    assert storage.read_json(path, "") == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_one_sentence_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    storage.write_npz(path, {"x": np.arange(3)})
    code = (
        "import resource, signal, sys, pathlib, numpy as np\n"
        "from core import storage\n"
        "from core.errors import ResourceError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: storage.write_npz(pathlib.Path(sys.argv[1]), {'x': np.random.default_rng(0).random(100_000)})\n"
        "except ResourceError as error: print(error)\n"
    )
    out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout
    assert "the disk is full" in out
    assert storage.read_npz(path, ["x"], "")["x"].tolist() == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 1


def test_too_little_free_space_is_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="MB are needed"):
        storage.check_free_space(tmp_path, 10**18)


def test_the_same_arrays_give_the_same_bytes_and_come_back(tmp_path: Path) -> None:
    arrays = {"x": np.arange(12.0).reshape(3, 4), "names": np.array(["a", "ü"])}
    for name in ("a.npz", "b.npz"):
        storage.write_npz(tmp_path / name, arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = storage.read_npz(tmp_path / "a.npz", ["x", "names"], "")
    assert np.array_equal(back["x"], arrays["x"])
    assert back["names"].tolist() == ["a", "ü"]


def test_a_stream_of_blocks_is_the_same_file_as_the_whole_array(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((10, 3), dtype=np.float32)
    blocks = storage.Stream((10, 3), np.float32, iter([array[:4], array[4:]]))
    storage.write_npz(tmp_path / "a.npz", {"x": array})
    storage.write_npz(tmp_path / "b.npz", {"x": blocks})
    assert np.array_equal(storage.read_npz(tmp_path / "b.npz", ["x"], "")["x"], array)
    storage.write_npy(tmp_path / "c.npy", storage.Stream((10, 3), np.float32, iter([array])))
    assert np.array_equal(storage.read_npy(tmp_path / "c.npy", ""), array)


def test_damaged_hostile_and_incomplete_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    storage.write_npz(path, {"x": np.random.default_rng(0).random(5000)})
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    np.savez(tmp_path / "pickle.npz", x=np.array([{"a": 1}], dtype=object))
    pickled = (tmp_path / "pickle.npz").read_bytes()
    for content in (b"", whole[:-100], bytes(flipped), pickled, b"text"):
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match="damaged.*Make it again"):
            storage.read_npz(path, ["x"], "Make it again")
    path.write_bytes(whole)
    with pytest.raises(ArtifactError, match="lacks the array y"):
        storage.read_npz(path, ["y"], "Make it again")


def test_an_archive_that_claims_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_npz(tmp_path / "bomb.npz", {"x": np.zeros(10**6)})
    monkeypatch.setattr(storage, "MAX_ARRAY_BYTES", 10**6)
    with pytest.raises(ArtifactError, match="claims more data"):
        storage.read_npz(tmp_path / "bomb.npz", ["x"], "")


HOLD = (
    "import sys, time, pathlib\n"
    "from core import storage\n"
    "with storage.lock(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


def test_a_second_run_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "run" / "phases" / "cnn.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(ResourceError, match=f"process {holder.pid}.*cnn phase"), storage.lock(path):
        pass
    with pytest.raises(ResourceError, match="at work"), storage.lock(path, shared=True):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with storage.lock(path):
        pass


def test_readers_share_a_lock_and_keep_writers_out(tmp_path: Path) -> None:
    path = tmp_path / "phases" / "prepare.lock"
    reading = storage.lock(path, shared=True), storage.lock(path, shared=True)
    with reading[0], reading[1], pytest.raises(ResourceError), storage.lock(path):
        pass


def test_a_killed_writer_never_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    storage.write_json(path, {"n": 0})
    code = (
        "import sys, pathlib\nfrom core import storage\n"
        "for n in range(10**6): storage.write_json(pathlib.Path(sys.argv[1]), {'n': n, 'pad': 'x' * 10**6})\n"
    )
    for trial in range(4):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
        time.sleep(0.5 + 0.06 * trial)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        storage.read_json(path, "")
    storage.sweep(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", ".hidden", "x" * 80, "a\nb", "-x"])
def test_a_runs_name_must_be_a_plain_folder_name(name: str) -> None:
    with pytest.raises(ConfigError, match="not a run's name"):
        open_run(name)


def test_a_run_remembers_its_data_and_settings(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    run.write_description({"root": "/x", "human": "h", "ai": "a", "manifest": ""}, Config(), demo=True)
    assert run.read_description() == ({"root": "/x", "human": "h", "ai": "a", "manifest": ""}, Config(), True)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1, "data": {}, "demo": false}'])
def test_a_damaged_description_is_named(tmp_path: Path, text: str) -> None:
    run = Run(tmp_path / "r")
    run.folder.mkdir()
    run.description.write_text(text)
    with pytest.raises(ArtifactError, match=r"run\.json"):
        run.read_description()
