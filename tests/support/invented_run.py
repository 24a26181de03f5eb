"""A run whose phases are skipped and whose evaluation is the real one: what the dashboard's tests look at.

The pipeline runs as always, records included; all the others write invented arrays instead of learning.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from core import pipeline, storage
from core.artifacts import CLIP_COLUMNS, DETECTORS, FUSIONS, SKIPPED_COLUMNS, SPLITS, Run, open_run
from core.config import Config, with_settings
from core.data.places import Listing, folders
from core.features.filterbanks import ast_band_centres
from core.features.fine_axes import SIZE
from core.phases import audit, autoencoder, baselines, explain, hybrid, prepare, transformer
from core.phases.phase import Made
from tests.support.sharing import made_once

SETTINGS = ("evaluation.bootstraps=200", "evaluation.tsne_perplexity=5")
SOURCES = {0: ("fma", "gtzan"), 1: ("musicgen", "stable-audio", "suno")}
TEMPLATE = "made-once-for-all-tests"  # the name of a run before it is copied
SONGS = {0: 40, 1: 40}  # per source, by label, one clip each
PICTURE = (128, 157)  # mel bands and frames of a log-mel
FACTS = ("bandwidth", "rms", "peak")  # without music
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "![](http://evil.example/pixel.png)",
    ":material/home: :red[red] $x^2$ **bold** `code` [link](http://evil.example)",
    "<b>bold</b><script>alert(1)</script> a->b -- c :smile: http://evil.example",
)


def splits_of(songs: int) -> list[str]:
    """Return the split of each song of a source: three fifths train, and each split has one at least."""
    test, val = max(1, songs // 4), max(1, songs * 3 // 20)
    return [SPLITS[0]] * (songs - test - val) + [SPLITS[1]] * val + [SPLITS[2]] * test


class Invention:
    """Stands in for every phase but the evaluation; the same seed makes the same files."""

    def __init__(
        self, sources: dict[int, tuple[str, ...]], songs: dict[int, int], skipped: int, encoder: dict[str, object]
    ) -> None:
        self.sources, self.skipped, self.encoder = sources, skipped, encoder
        of_source = [(label, source, songs[label]) for label, names in sources.items() for source in names]
        every = [(split, (label, source)) for label, source, n in of_source for split in splits_of(n)]
        self.rng = np.random.default_rng(0)
        rows = sorted(((*row, n) for n, row in enumerate(every)), key=lambda row: SPLITS.index(row[0]))
        self.splits = np.array([split for split, _, _ in rows])
        self.labels = np.array([song[0] for _, song, _ in rows])
        self.clips = [
            [row, f"{source}_{number}.wav", label, f"{source}_{number}", source, split,
             32000 if label else 44100, 5.0, "WAV", "", f"{number:064d}"]
            for row, (split, (label, source), number) in enumerate(rows)
        ]  # fmt: skip

    def by_split(self, values: np.ndarray, prefix: str = "") -> dict[str, np.ndarray]:
        return {f"{prefix}{split}": values[self.splits == split] for split in SPLITS}

    def probability(self, skill: float) -> np.ndarray:
        score = skill * (2 * self.labels - 1) + self.rng.normal(size=len(self.labels))
        return 1 / (1 + np.exp(-score))

    def vectors(self, width: int) -> np.ndarray:
        return self.rng.normal(size=(len(self.labels), width)).astype(np.float32)

    def prepare(self, run: Run, config: Config, fingerprint: str, listing: Listing) -> Made:
        refused = [(f"broken_{n}.wav", "undecodable", "not audio") for n in range(self.skipped)]
        storage.write_csv(run.clips_table, CLIP_COLUMNS, self.clips)
        storage.write_csv(run.skipped_table, SKIPPED_COLUMNS, refused)
        storage.write_npz(run.dataset, self.by_split(self.vectors(1)))
        storage.write_npy(run.filterbank, self.vectors(1))
        fine = np.random.default_rng(1).normal(size=(len(self.labels), SIZE)).astype(np.float32)
        storage.write_npy(run.fine_spectrum, fine)
        return Made([run.clips_table, run.skipped_table, run.dataset, run.filterbank, run.fine_spectrum])

    def autoencoder(self, run: Run, config: Config, fingerprint: str) -> Made:
        storage.write_npz(run.ae_latents, self.by_split(self.vectors(8)))
        errors = self.by_split(self.rng.uniform(0.2, 0.4, len(self.labels)))
        storage.write_npz(run.ae_losses, errors | {"mean_test": errors["test"] + 0.5})
        run.checkpoint("ae_multitask_best").parent.mkdir(exist_ok=True)
        run.checkpoint("ae_multitask_best").write_bytes(b"weights")
        return Made([run.ae_latents, run.ae_losses, run.checkpoint("ae_multitask_best")])

    def transformer(self, run: Run, config: Config, fingerprint: str) -> Made:
        storage.write_npz(run.transformer_embeddings, self.by_split(self.vectors(8)))
        storage.write_json(run.transformer_note, self.encoder)
        run.checkpoint("transformer_best").write_bytes(b"weights")
        return Made([run.transformer_embeddings, run.transformer_note, run.checkpoint("transformer_best")])

    def baselines(self, run: Run, config: Config, fingerprint: str) -> Made:
        skills = {"cnn": 1.2, "ae_classifier": 0.4, "transformer_classifier": 0.8, "fine_spectrum": 1.5}
        arrays = [self.by_split(self.probability(skill), f"{name}_") for name, skill in skills.items()]
        storage.write_npz(run.baseline_probabilities, {name: a for part in arrays for name, a in part.items()})
        return Made([run.baseline_probabilities])

    def hybrid(self, run: Run, config: Config, fingerprint: str) -> Made:
        share = self.rng.uniform(0.3, 0.7, len(self.labels))
        arrays = {"hybrid_probability": self.probability(1.4), "hybrid_weights": np.stack([share, 1 - share], axis=1)}
        arrays |= {"concatenation_probability": self.probability(1.3), "hybrid_fused": self.vectors(8)}
        arrays |= {f"hybrid_without_{name}": self.probability(0.8) for name in FUSIONS["hybrid"]}
        shares = self.rng.dirichlet((2, 2, 2), len(self.labels))
        arrays |= {"three_way_probability": self.probability(1.6), "three_way_weights": shares}
        arrays |= {"three_way_fused": self.vectors(8)}
        arrays |= {f"three_way_without_{name}": self.probability(1.0) for name in FUSIONS["three_way"]}
        parts = [self.by_split(values, f"{name}_") for name, values in arrays.items()]
        storage.write_npz(run.fusion, {name: array for part in parts for name, array in part.items()})
        return Made([run.fusion])

    def audit(self, run: Run, config: Config, fingerprint: str) -> Made:
        facts = self.rng.normal(size=(len(self.labels), 3)) + np.outer(self.labels, (1.0, 0.0, 0.0))
        named = {"features": facts, "heard": facts[:, 1:], "names": np.array(FACTS), "heard_names": np.array(FACTS[1:])}
        storage.write_npz(run.shortcuts, named)
        storage.write_npz(run.robustness, self.degraded())
        if min(map(len, self.sources.values())) > 1:  # or a class would be missing where its only source is held out
            storage.write_npz(run.leave_out, self.held_out())
        again = {f"probability_{name}": np.stack([self.probability(1.2) for _ in range(3)]) for name in DETECTORS}
        storage.write_npz(run.seeds, {"seeds": np.arange(3), **again})
        made = (run.shortcuts, run.robustness, run.leave_out, run.seeds)
        return Made([path for path in made if path.exists()])

    def explain(self, run: Run, config: Config, fingerprint: str) -> Made:
        n, rng = len(self.labels), self.rng
        log_mel = rng.uniform(-80, 0, PICTURE).astype(np.float16)
        pictures = np.stack([np.roll(log_mel, row, axis=1) for row in range(n)])
        storage.write_npy(run.log_mel, pictures)
        storage.write_npy(run.reconstructions, pictures / 2 - 20)
        storage.write_npy(run.artefact_reference, rng.normal(size=SIZE).astype(np.float32))
        storage.write_npy(run.artefact_contributions, (rng.normal(size=(n, SIZE)) / 50).astype(np.float16))
        rows = np.concatenate([np.flatnonzero(self.splits == split) for split in reversed(SPLITS)])[: n // 2]
        grids = {
            name: rng.dirichlet(np.ones(12 * 48), len(rows)).reshape(-1, 12, 48).astype(np.float32)
            for name in ("rollout", "last_layer")
        }
        places = {"patch_seconds": 0.0875 + 0.1 * np.arange(48), "patch_bins": 7.5 + 10.0 * np.arange(12)}
        places["patch_hertz"] = np.interp(places["patch_bins"], np.arange(128), ast_band_centres())
        storage.write_npz(run.attention_maps, {"rows": rows, **grids, **places})
        modes = [f"transformer_{mode}" for mode in self.encoder["modes"]]  # type: ignore[attr-defined]
        points = {name: self.vectors(2) for name in ("ae", *modes, "hybrid", "three_way")}
        storage.write_npz(run.map, {"rows": np.arange(n), "perplexity": np.array(5.0), **points})
        files = [run.log_mel, run.reconstructions, run.artefact_reference, run.artefact_contributions]
        return Made([*files, run.attention_maps, run.map])

    def degraded(self) -> dict[str, np.ndarray]:
        """Answers to half the test clips, clean and after two changes, the second of which leaves nothing to hear."""
        rows = np.flatnonzero(self.splits == "test")
        rows = rows[::2] if len(set(self.labels[rows[::2]].tolist())) == 2 else rows
        skills = (1.5, 1.0, 0.0)
        answers = {
            f"probability_{name}": np.stack([self.probability(skill)[rows] for skill in skills]) for name in DETECTORS
        }
        changes = {"transforms": np.array(["clean", "mp3 64 kbit/s", "noise 20 dB SNR"])}
        return {"rows": rows, **changes, "kinds": np.array(["clean", "mp3", "noise"]), **answers}

    def held_out(self) -> dict[str, np.ndarray]:
        """Answers of models that never heard a source, to its clips and to the others of validation and test."""
        sources = np.array([clip[4] for clip in self.clips])
        parts = []
        for label, name in sorted((label, name) for label, names in self.sources.items() for name in names):
            heard = sources == name
            for role, chosen in (
                ("held_out", heard),
                *((role, ~heard & (self.splits == role)) for role in ("val", "test")),
            ):
                parts += [(name, label, row, role) for row in np.flatnonzero(chosen)]
        columns = [np.array(column) for column in zip(*parts, strict=True)]
        fold = dict(zip(("source", "source_label", "row", "role"), columns, strict=True))
        return fold | {f"probability_{name}": self.probability(1.0)[fold["row"]] for name in DETECTORS}


ENCODER: dict[str, object] = {
    "kind": "ast-small-scratch",
    "name": "Small AST from scratch",
    "description": "the same architecture, 4 blocks, trained on this run's clips",
    "reason": "the hub is out of reach",
    "mode": "finetuned",
    "modes": ["finetuned"],
}


def invent(
    artifacts: Path,
    name: str,
    *,
    only: tuple[str, ...] = (),
    sources: dict[int, tuple[str, ...]] = SOURCES,
    songs: dict[int, int] = SONGS,
    skipped: int = 3,
    encoder: dict[str, object] = ENCODER,
    demo: bool = False,
) -> Run:
    """Return a run of invented phases; `only` leaves it half finished. Equal ones are made once and then copied."""
    kind = storage.fingerprint([only, [*sources.items()], [*songs.items()], skipped, encoder, demo])
    invention = Invention(sources, songs, skipped, encoder)
    made = made_once(f"invented {kind}", lambda new: _invent(new / "artifacts", only, invention, demo))
    return _copied(Run(made / "artifacts" / TEMPLATE), artifacts / name)


def _copied(made: Run, folder: Path) -> Run:
    """Return a copy of a run under another name, as if it had been made under it."""
    shutil.rmtree(folder, ignore_errors=True)  # a module's run, made before for the same module
    run = Run(shutil.copytree(made.folder, folder))
    for file in (run.description, run.results_file):
        if file.exists():
            file.write_text(file.read_text(encoding="utf-8").replace(TEMPLATE, run.name), encoding="utf-8")
    if run.results_file.exists():
        record = storage.read_json(run.record("evaluate"), "")
        record["outputs"][run.relative(run.results_file)] = storage.sha256(run.results_file)
        storage.write_json(run.record("evaluate"), record)
    return run


def _invent(artifacts: Path, only: tuple[str, ...], invention: Invention, demo: bool) -> Run:
    """Run the pipeline with invented phases."""
    data = artifacts.parent / "data"
    for folder in ("human", "ai"):
        (data / folder).mkdir(parents=True, exist_ok=True)
        for song in ("waltz", "polka", "tango"):  # as many as three splits need
            (data / folder / f"{song}.wav").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMD_ARTIFACTS", str(artifacts))
        for module in (prepare, autoencoder, transformer, baselines, hybrid, audit, explain):
            patch.setattr(module, "run", getattr(invention, module.__name__.rpartition(".")[2]))
        run = open_run(TEMPLATE)
        place = folders(data / "human", data / "ai")
        pipeline.execute(run, with_settings(Config(), SETTINGS), place, only=only, demo=demo)
    return run
