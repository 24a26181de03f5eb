"""A scan on a Ray cluster of two machines, one of which is lost half way; both are processes on this one."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
from ray.cluster_utils import Cluster  # noqa: E402

from core.artifacts import Run  # noqa: E402
from core.errors import ConfigError  # noqa: E402
from core.verdict.judge import Judge, answer  # noqa: E402
from core.verdict.run import run_facts  # noqa: E402
from scripts.detect import command as detect  # noqa: E402
from scripts.detect.cluster import in_cluster  # noqa: E402
from scripts.detect.log import Log, key_of  # noqa: E402

FILES, LOST_AFTER = 30, 6
MEMORY = 80 * 2**20  # bytes of each node's object store, the least there is


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return thirty short sounds; one is no sound at all."""
    folder, rng = tmp_path_factory.mktemp("songs"), np.random.default_rng(0)
    seconds = np.arange(2 * 16000) / 16000
    paths = [folder / f"song_{number:02d}.wav" for number in range(FILES)]
    for number, path in enumerate(paths):
        tone = 0.3 * np.sin(2 * np.pi * (220 + 20 * number) * seconds) + 0.01 * rng.standard_normal(len(seconds))
        sf.write(path, tone, 16000)
    paths[4].write_bytes(b"no sound")
    return paths


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a cluster of two machines with room for one worker each; the second is `second`."""
    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": MEMORY}
    )
    made.second = made.add_node(num_cpus=1, object_store_memory=MEMORY)
    yield made
    ray.shutdown()
    made.shutdown()


def test_every_file_is_answered_exactly_once_although_a_machine_is_lost(
    cluster: Cluster, files: list[Path], finished: Run, tmp_path: Path
) -> None:
    log = Log(tmp_path / "scan.jsonl", run_facts(finished).fingerprint)
    keys, answered = [key_of(path) for path in files], []
    for path, said in detect.scan(files, keys, finished, log, 2, cluster.address):
        answered.append((path, said))
        if len(answered) == LOST_AFTER:
            assert len([node for node in ray.nodes() if node["Alive"]]) == 2
            cluster.remove_node(cluster.second, allow_graceful=False)
    log.close()
    assert [path for path, _ in answered] == files
    lines = [json.loads(line) for line in (tmp_path / "scan.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(line["path"] for line in lines) == sorted(map(str, files))
    assert [path.name for path, said in answered if "error" in said] == ["song_04.wav"]
    judge = Judge(finished, threads=1)
    for place in (0, LOST_AFTER + 2, FILES - 1):
        here = json.loads(json.dumps(answer(files[place], judge)))
        assert answered[place][1] == here, "a cluster answers otherwise than this machine"


def test_where_no_cluster_is_the_command_says_so(files: list[Path], finished: Run) -> None:
    with pytest.raises(ConfigError, match="no Ray cluster answers"):
        list(in_cluster(files[:1], finished, "127.0.0.1:1", 1))
