"""The Audio Spectrogram Transformer: transformers' own numbers, at any length, from any honest source."""

import json
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from logging import StreamHandler
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from core.config import TransformerConfig
from core.errors import ConfigError, WeightsError
from core.models.pretrained import load_backbone
from core.models.transformer import (
    DESCRIPTIONS,
    ASTTransformerEncoder,
    CNNEncoder,
    Encoder,
    build,
    load_pretrained,
    restore,
    small,
)

FRAMES = 498
CONFIG = TransformerConfig(small_hidden=32, small_layers=2, small_heads=2, hub_timeout=1.0)
TINY = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96}


def clips(count: int = 2, frames: int = FRAMES, seed: int = 0) -> torch.Tensor:
    return 0.5 * torch.randn(count, frames, 128, generator=torch.Generator().manual_seed(seed))


def local(folder: Path, **settings: Any) -> TransformerConfig:  # noqa: ANN401
    return TransformerConfig(weights=str(folder), **settings)


def save_ast(folder: Path, **sizes: Any) -> Path:  # noqa: ANN401
    """Write what the hub has: a classifier for AudioSet with its config, in transformers' own layout."""
    from transformers import ASTConfig, ASTForAudioClassification

    torch.manual_seed(0)
    model = ASTForAudioClassification(ASTConfig(num_labels=527, **sizes))
    embeddings = model.audio_spectrogram_transformer.embeddings
    with torch.no_grad():  # transformers starts these at zero, which would hide a wrong cut
        for weight in (embeddings.position_embeddings, embeddings.cls_token, embeddings.distillation_token):
            weight.normal_(std=0.2)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _one_quiet_thread() -> Iterator[None]:
    """These models are too small for two threads to help, and two wait for each other on a busy machine."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_ast(tmp_path_factory.mktemp("ast"), **TINY)


@pytest.fixture
def damaged(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "damaged"))


def reference(folder: Path, **settings: Any) -> Any:  # noqa: ANN401
    from transformers import ASTModel

    return ASTModel.from_pretrained(folder, **settings).eval()


# --- the same numbers as transformers' own model ---------------------------------------------------------------------


def test_cls_equals_transformers_own_model(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), CONFIG)
    x = clips(frames=1024)
    with torch.no_grad():
        expected = reference(tiny)(x).last_hidden_state[:, 0]
        torch.testing.assert_close(encoder.cls(x), expected, atol=1e-5, rtol=1e-5)


def test_native_length_keeps_each_patch_at_its_trained_position(tiny: Path) -> None:
    """A model of 498 frames whose table holds, row by row, the first 49 of the 101 columns gives the same [CLS]."""
    from transformers import ASTConfig, ASTModel

    trained = reference(tiny)
    shorter = ASTModel(ASTConfig(max_length=FRAMES, **TINY)).eval()
    weights = trained.state_dict()
    positions = weights["embeddings.position_embeddings"][0]
    rows = [positions[2 + 101 * row : 2 + 101 * row + 49] for row in range(12)]
    weights["embeddings.position_embeddings"] = torch.cat([positions[:2], *rows])[None]
    shorter.load_state_dict(weights)
    with torch.no_grad():
        expected = shorter(clips()).last_hidden_state[:, 0]
        torch.testing.assert_close(load_pretrained(str(tiny), CONFIG).cls(clips()), expected, atol=1e-5, rtol=1e-5)


def test_interpolated_length_stretches_the_clip_and_pads_nothing(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), TransformerConfig(frames="interpolated"))
    constant = torch.full((1, FRAMES, 128), -1.28)
    with torch.no_grad():
        expected = reference(tiny)(torch.full((1, 1024, 128), -1.28)).last_hidden_state[:, 0]
        torch.testing.assert_close(encoder.cls(constant), expected, atol=1e-5, rtol=1e-5)
        assert encoder.grid(FRAMES).columns == 101


@pytest.mark.parametrize("frames", [5, 16, 100, 498, 1024, 1500])
def test_any_number_of_frames_goes_in(tiny: Path, frames: int) -> None:
    for mode in ("native", "interpolated"):
        encoder = load_pretrained(str(tiny), TransformerConfig(frames=mode))  # type: ignore[arg-type]
        with torch.no_grad():
            assert encoder(clips(1, frames)).embedding.shape == (1, 512)


def test_attention_equals_that_of_the_eager_model(tiny: Path) -> None:
    """The fast attention returns no weights, so the encoder computes them; they must be the model's own."""
    x = clips(1, frames=1024)
    with torch.no_grad():
        assert reference(tiny)(x, output_attentions=True).attentions in (None, (None,) * 3, ())
        expected = reference(tiny, attn_implementation="eager")(x, output_attentions=True).attentions
        ours = load_pretrained(str(tiny), CONFIG).attention(x)
    assert len(ours) == len(expected) == 3
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_a_clip_is_summed_up_alike_alone_and_in_a_batch(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), CONFIG).eval()
    with torch.no_grad():
        torch.testing.assert_close(encoder.cls(clips(3))[1:2], encoder.cls(clips(3)[1:2]), atol=1e-5, rtol=1e-4)


def test_bfloat16_weights_leave_the_direction_of_cls(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), CONFIG).eval()
    with torch.no_grad():
        exact = encoder.cls(clips())
        encoder.backbone.bfloat16()
        rough = encoder(clips()).cls
    assert rough.dtype == torch.float32
    assert functional.cosine_similarity(exact, rough).min() > 0.999


# --- what learns -----------------------------------------------------------------------------------------------------


def learning(encoder: Encoder, count: int = 2) -> set[str]:
    """Take one training step's gradients and name the parts that got one."""
    encoder.train()
    encoder.zero_grad()
    functional.cross_entropy(encoder(clips(count)).logits, torch.arange(count)).backward()
    named = [name for name, weight in encoder.named_parameters() if weight.grad is not None and weight.grad.any()]
    return {".".join(name.split(".")[:3]) if "layers" in name else name.split(".")[0] for name in named} | {
        "embeddings" for name in named if name.startswith("backbone.embeddings")
    }


def test_a_frozen_backbone_gets_no_gradient(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), CONFIG)
    encoder.trainable(0)
    assert learning(encoder) == {"projection", "head"}


def test_only_the_last_blocks_learn_when_so_asked(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), CONFIG)
    encoder.trainable(2)
    assert learning(encoder) == {"projection", "head", "backbone", "backbone.layers.1", "backbone.layers.2"}
    assert encoder.backbone.layernorm.weight.grad is not None


def test_everything_learns_when_so_asked(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), CONFIG)
    encoder.trainable(0)
    encoder.trainable(-1)
    blocks = {f"backbone.layers.{number}" for number in range(3)}
    assert learning(encoder) == {"projection", "head", "backbone", "embeddings"} | blocks


def test_what_is_frozen_has_no_dropout_in_training() -> None:
    encoder = small(CONFIG, FRAMES)
    encoder.train()
    assert not torch.equal(encoder.cls(clips()), encoder.cls(clips()))
    encoder.trainable(0)
    encoder.train()
    assert torch.equal(encoder.cls(clips()), encoder.cls(clips()))


def test_a_pretrained_backbone_learns_more_slowly_than_the_new_layers(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), CONFIG)
    fresh, backbone = encoder.parameter_groups(1e-3, 0.1)
    assert (fresh["lr"], backbone["lr"]) == (1e-3, pytest.approx(1e-4))
    assert len(fresh["params"]) + len(backbone["params"]) == len(list(encoder.parameters()))
    encoder.trainable(0)
    assert len(encoder.parameter_groups(1e-3, 0.1)) == 1
    assert small(CONFIG, FRAMES).parameter_groups(1e-3, 0.1)[1]["lr"] == 1e-3


def test_cached_cls_vectors_give_the_same_embedding(tiny: Path) -> None:
    encoder = load_pretrained(str(tiny), CONFIG).eval()
    with torch.no_grad():
        output = encoder(clips())
        again = encoder.project(output.cls)
    assert torch.equal(output.embedding, again.embedding)
    assert torch.equal(output.logits, again.logits)


@pytest.mark.parametrize(("kind", "steps"), [("ast-small-scratch", 60), ("cnn-fallback", 20)])
def test_every_encoder_can_overfit_sixteen_clips(kind: str, steps: int) -> None:
    torch.manual_seed(0)
    encoder = small(CONFIG, 36) if kind == "ast-small-scratch" else CNNEncoder(CONFIG)
    x, labels = clips(16, frames=36), torch.arange(16) % 2
    x[labels == 1, :, 40:48] += 0.5  # a faint line in eight mel bands
    optimizer = torch.optim.AdamW(encoder.parameter_groups(1e-3, 1.0))
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(encoder(x).logits, labels).backward()
        optimizer.step()
    encoder.eval()
    with torch.no_grad():
        assert (encoder(x).logits.argmax(dim=1) == labels).all()


# --- the small one and the stand-in ----------------------------------------------------------------------------------


def test_the_small_transformer_has_the_same_architecture() -> None:
    encoder = small(CONFIG, FRAMES)
    output = encoder(clips())
    assert type(encoder.backbone).__name__ == "ASTModel"
    assert (output.embedding.shape, output.logits.shape, output.cls.shape) == ((2, 512), (2, 2), (2, 32))
    assert encoder.grid(FRAMES)[:2] == (8, 31)


def test_the_small_transformer_tells_places_apart_before_training() -> None:
    positions = small(CONFIG, FRAMES).backbone.embeddings.position_embeddings[0, 2:].detach()
    similarity = functional.normalize(positions, dim=1) @ functional.normalize(positions, dim=1).T
    assert similarity.fill_diagonal_(0).max() < 0.9999
    assert similarity[0, 1] > similarity[0, 40]  # a neighbour in time is nearer than a place 4 seconds away


def test_a_size_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"small_hidden.*50 cannot be divided by 4 and among 3 heads.*multiple of 12"):
        small(TransformerConfig(small_hidden=50, small_heads=3), FRAMES)


@pytest.mark.parametrize("weights", ["scratch", "tiny"])
def test_an_encoder_is_restored_from_its_architecture(weights: str, tiny: Path) -> None:
    settings = (
        local(tiny) if weights == "tiny" else TransformerConfig(weights="scratch", small_hidden=32, small_heads=2)
    )
    encoder = build(settings, FRAMES)[0].eval()
    again = restore(encoder.kind, json.loads(json.dumps(encoder.architecture)), settings)
    again.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(clips()).logits, encoder(clips()).logits)


def test_without_transformers_a_cnn_stands_in_and_is_not_called_ast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    encoder, note = build(TransformerConfig(weights="scratch"), FRAMES)
    assert encoder.kind == "cnn-fallback"
    assert "not a transformer" in DESCRIPTIONS[encoder.kind]
    assert "transformers cannot be imported" in note
    assert "pip install transformers" in note
    assert encoder(clips()).embedding.shape == (2, 512)
    assert len(encoder.blocks()) == 4
    assert restore(encoder.kind, encoder.architecture, CONFIG).load_state_dict(encoder.state_dict())


def test_a_broken_transformers_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __getattr__(self, name: str) -> None:
            raise RuntimeError("Failed to import transformers.models.x because of Could not load libtorchaudio")

    monkeypatch.setitem(sys.modules, "transformers", Broken())
    encoder, note = build(TransformerConfig(weights="scratch"), FRAMES)
    assert encoder.kind == "cnn-fallback"
    assert "libtorchaudio" in note


# --- where weights come from -----------------------------------------------------------------------------------------


def test_both_layouts_of_the_hub_give_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    reference(tiny).save_pretrained(tmp_path)  # the bare model, without the classifier's prefix
    bare, classifier = (load_backbone(str(folder), 1.0).state_dict() for folder in (tmp_path, tiny))
    assert bare.keys() == classifier.keys()
    assert all(torch.equal(bare[name], classifier[name]) for name in bare)


def test_loading_reports_nothing_on_the_terminal(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The classifier that is left out is no news, and transformers' settings are as before afterwards."""
    from transformers.utils import logging

    logging.enable_progress_bar()
    logging.add_handler(handler := StreamHandler(sys.stderr))
    load_backbone(str(tiny), 1.0)
    logging.remove_handler(handler)
    assert capsys.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()
    logging.disable_progress_bar()


def refused(weights: Path | str) -> str:
    with pytest.raises(WeightsError) as caught:
        load_backbone(str(weights), 1.0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "there is no such folder" in refused(tmp_path / "nothing")
    assert "nothing/here: there is no such folder" in refused("./nothing/here")


def test_a_missing_config_is_named(damaged: Path) -> None:
    (damaged / "config.json").unlink()
    assert "config.json: there is no such file" in refused(damaged)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_damaged_config_is_named(damaged: Path, text: str) -> None:
    (damaged / "config.json").write_text(text)
    assert "config.json: " in refused(damaged)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=10, **sizes)).save_pretrained(tmp_path)
    assert "holds a model of type 'bert', not 'audio-spectrogram-transformer'" in refused(tmp_path)


def test_a_lying_config_is_refused(damaged: Path) -> None:
    sizes = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(sizes | {"num_hidden_layers": 4}))
    assert "16 weights are missing" in refused(damaged)
    (damaged / "config.json").write_text(json.dumps(sizes | {"num_hidden_layers": 2}))
    assert "16 unknown" in refused(damaged)
    (damaged / "config.json").write_text(json.dumps(sizes | {"hidden_size": 96}))
    assert "cannot be read" in refused(damaged)
    (damaged / "config.json").write_text(json.dumps(sizes | {"num_mel_bins": 64}))
    assert "reads 64 mel bands" in refused(damaged)


@pytest.mark.parametrize("kept", [0, 4, 1000, -1])
def test_truncated_weights_are_refused(damaged: Path, kept: int) -> None:
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    assert "model.safetensors: cannot be read" in refused(damaged)


def test_missing_weights_are_named(damaged: Path) -> None:
    (damaged / "model.safetensors").unlink()
    assert "model.safetensors: there is no such file" in refused(damaged)


def test_a_pickle_is_refused_without_being_opened(damaged: Path) -> None:
    (damaged / "model.safetensors").unlink()
    (damaged / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 3'\ntR.")
    assert "pickle, which can run code and is never opened" in refused(damaged)


def test_weights_that_are_not_numbers_are_refused(damaged: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(damaged / "model.safetensors")
    weights["audio_spectrogram_transformer.embeddings.cls_token"][0, 0, 0] = float("nan")
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    assert "not finite numbers" in refused(damaged)


def test_a_named_folder_is_never_replaced_silently(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such folder"):
        build(local(tmp_path / "nothing"), FRAMES)


# --- the hub ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Point the hub's client to another server and to an empty cache."""
    from huggingface_hub import constants

    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def at(server: str) -> Path:
        monkeypatch.setattr(constants, "ENDPOINT", server)
        template = server + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        return tmp_path / "cache"

    return at


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def out_of_reach(server: str, hub: Any) -> tuple[Encoder, str]:  # noqa: ANN401
    hub(server)
    start = time.monotonic()
    encoder, note = build(CONFIG, FRAMES)
    assert time.monotonic() - start < 10
    return encoder, note


@pytest.mark.parametrize("server", ["http://127.0.0.1:9", "http://10.255.255.1", "http://no-such-host.invalid"])
def test_an_unreachable_hub_leads_to_the_small_transformer_within_seconds(server: str, hub: Any) -> None:  # noqa: ANN401
    encoder, note = out_of_reach(server, hub)
    assert encoder.kind == "ast-small-scratch"
    assert "the hub cannot give it" in note
    assert "--set transformer.weights=FOLDER" in note


def test_a_silent_hub_leads_to_the_small_transformer_within_seconds(silent_server: str, hub: Any) -> None:  # noqa: ANN401
    encoder, note = out_of_reach(silent_server, hub)
    assert encoder.kind == "ast-small-scratch"
    assert "no answer within 1 seconds" in note or "timed out" in note


def test_a_name_look_up_that_hangs_is_not_waited_for(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    hub("http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda url, timeout: time.sleep(8))
    start = time.monotonic()
    assert "no answer within 1 seconds" in build(CONFIG, FRAMES)[1]
    assert time.monotonic() - start < 5


def test_the_hubs_cache_serves_without_a_network(tiny: Path, hub: Any) -> None:  # noqa: ANN401
    model = hub("http://127.0.0.1:9") / f"models--{CONFIG.weights.replace('/', '--')}"
    shutil.copytree(tiny, model / "snapshots" / "0123abc")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0123abc")
    encoder, note = build(CONFIG, FRAMES)
    assert (encoder.kind, note) == ("ast-pretrained", "")


def test_half_a_model_in_the_cache_is_not_taken_for_one(tiny: Path, hub: Any) -> None:  # noqa: ANN401
    model = hub("http://127.0.0.1:9") / f"models--{CONFIG.weights.replace('/', '--')}"
    shutil.copytree(tiny, model / "snapshots" / "0123abc", ignore=shutil.ignore_patterns("*.safetensors"))
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0123abc")
    encoder, note = build(CONFIG, FRAMES)
    assert encoder.kind == "ast-small-scratch"
    assert "the hub cannot give it" in note


# --- full size: 12 blocks of 768 -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> ASTTransformerEncoder:
    folder = save_ast(tmp_path_factory.mktemp("full"))
    encoder = load_pretrained(str(folder), TransformerConfig())
    shutil.rmtree(folder)
    return encoder


def test_full_size_shapes_and_attention(full: ASTTransformerEncoder) -> None:
    with torch.no_grad():
        output = full.eval()(clips(1))
        weights = full.attention(clips(1))
    assert (output.embedding.shape, output.logits.shape, output.cls.shape) == ((1, 512), (1, 2), (1, 768))
    assert sum(weight.numel() for weight in full.backbone.parameters()) == 86_187_264
    assert len(weights) == 12
    assert weights[0].shape == (1, 12, 590, 590)  # 2 + 12 * 49 tokens
    torch.testing.assert_close(weights[-1].sum(dim=-1), torch.ones(1, 12, 590))


def test_full_size_steps(full: ASTTransformerEncoder) -> None:
    full.trainable(0)
    assert learning(full, 1) == {"projection", "head"}
    full.trainable(1)
    assert learning(full, 1) == {"projection", "head", "backbone", "backbone.layers.11"}
