"""The models: the specification's sizes, ranges that fit their targets, statistics from the training split alone."""

from pathlib import Path

import pytest
import torch
from torch import nn

from core.config import Config, with_settings
from core.device import Device
from core.errors import ArtifactError
from core.features.fine_axes import SIZE
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.build import MODELS, build
from core.models.cnn import CNN, conv_block
from core.models.hybrid import AttentionFusion, HybridClassifier
from core.models.normalise import Normalise
from core.models.transformer import small
from core.phases.autoencoder import objective
from core.training import checkpoints
from core.training.batches import logits_of

CONFIG = with_settings(
    Config(), ["transformer.small_hidden=32", "transformer.small_heads=2", "transformer.small_layers=1"]
)


def spectrograms(clips: int = 4, seed: int = 0) -> torch.Tensor:
    """Return log-mels as librosa gives them: dB below the clip's maximum, from -80 to 0."""
    return -80 * torch.rand(clips, 1, 128, 157, generator=torch.Generator().manual_seed(seed))


def inputs_of(kind: str, clips: int) -> list[torch.Tensor]:
    latent, embedding = torch.randn(clips, 256), torch.randn(clips, 512)
    shapes = {"ae_classifier": [latent], "transformer_classifier": [embedding]}
    if kind in ("hybrid", "concatenation"):
        return [latent, embedding]
    fine = torch.randn(clips, SIZE)
    shapes |= {"fine_spectrum": [fine], "three_way": [latent, embedding, fine]}
    return shapes.get(kind, [spectrograms(clips)])


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_gives_two_finite_logits_a_clip(kind: str) -> None:
    logits = logits_of(build(kind, Config()).eval()(*inputs_of(kind, 3)))
    assert logits.shape == (3, 2)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_can_learn_sixteen_clips_by_heart(kind: str) -> None:
    torch.manual_seed(0)
    model, inputs, labels = build(kind, Config()), inputs_of(kind, 16), torch.arange(16) % 2
    if kind in ("cnn", "autoencoder"):
        inputs = [spectrograms(16) + labels[:, None, None, None] * torch.linspace(-3, 3, 128)[:, None]]
        model.normalise.fit(inputs[0].squeeze(1).numpy())  # type: ignore[union-attr,operator]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(1 + 40):
        logits = logits_of(model(*inputs))
        if (logits.argmax(dim=1) == labels).all():
            return
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
    pytest.fail("after forty steps some of sixteen training clips are still wrong")


@pytest.mark.parametrize("kind", [*MODELS, "transformer"])
def test_a_checkpoint_rebuilds_the_same_model_from_its_file_alone(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = small(CONFIG.transformer, 498) if kind == "transformer" else build(kind, CONFIG)
    path = tmp_path / "model.pth"
    checkpoints.save(path, kind, model, CONFIG)
    loaded, config = checkpoints.load(path, "Make it again")
    inputs = [torch.randn(2, 498, 128)] if kind == "transformer" else inputs_of(kind, 2)
    with torch.inference_mode():
        assert torch.equal(logits_of(model.eval()(*inputs)), logits_of(loaded(*inputs)))
    assert config == CONFIG


def test_the_same_weights_give_the_same_checkpoint_bytes(tmp_path: Path) -> None:
    model = build("cnn", Config())
    for name in ("a.pth", "other name.pth"):
        checkpoints.save(tmp_path / name, "cnn", model, Config())
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "other name.pth").read_bytes()


def test_a_damaged_foreign_or_hostile_checkpoint_is_refused_and_runs_no_code(tmp_path: Path) -> None:
    path, sentinel = tmp_path / "m.pth", tmp_path / "sentinel"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return sentinel.touch, ()

    checkpoints.save(path, "cnn", build("cnn", Config()), Config())
    whole = path.read_bytes()
    hostile, foreign = tmp_path / "hostile.pth", tmp_path / "foreign.pth"
    torch.save({"format": 1, "weights": Hostile()}, hostile)
    torch.save(build("cnn", Config()).state_dict(), foreign)
    contents = [b"", whole[:1000], whole[: len(whole) // 2], b"PK\x03\x04" + bytes(500), b"not a checkpoint"]
    for content in [*contents, hostile.read_bytes(), foreign.read_bytes()]:
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match="Make it again"):
            checkpoints.load(path, "Make it again")
    assert not sentinel.exists()


def test_weights_that_do_not_fit_their_config_are_refused(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "m.pth", "ae_classifier", build("cnn", Config()), Config())
    with pytest.raises(ArtifactError, match="do not fit"):
        checkpoints.load(tmp_path / "m.pth", "Make it again")


# Normalisation


def test_normalisation_gives_the_training_split_mean_zero_and_deviation_one() -> None:
    layer, training = Normalise(), spectrograms(300).squeeze(1).numpy()
    layer.fit(training)
    out = layer(torch.from_numpy(training))
    assert out.mean().item() == pytest.approx(0, abs=1e-4)
    assert out.std().item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(layer.undo(out), torch.from_numpy(training))


def test_the_statistics_travel_with_the_checkpoint(tmp_path: Path) -> None:
    model = CNN()
    model.normalise.fit(spectrograms(8).squeeze(1).numpy())
    checkpoints.save(tmp_path / "m.pth", "cnn", model, Config())
    loaded, _ = checkpoints.load(tmp_path / "m.pth", "")
    assert isinstance(loaded, CNN)
    assert torch.equal(loaded.normalise.mean, model.normalise.mean)
    assert float(loaded.normalise.mean.abs().sum()) > 0


# Architectures


def test_pooling_before_the_rectifier_changes_nothing() -> None:
    torch.manual_seed(0)
    block = conv_block(1, 8, 0.25).eval()
    convolution, norm, pool, rectifier, _ = block
    x = spectrograms(2)
    torch.testing.assert_close(block(x), pool(rectifier(norm(convolution(x)))))


def test_the_autoencoder_has_the_prescribed_shapes_for_even_and_odd_sizes() -> None:
    model = MultiTaskAutoencoder().eval()
    output = model(spectrograms(2))
    assert output.reconstruction.shape == (2, 1, 128, 157)
    assert (output.logits.shape, output.latent.shape) == ((2, 2), (2, 256))
    for bands, frames in ((64, 63), (80, 94), (128, 32), (96, 125)):
        other = MultiTaskAutoencoder(bands, frames, 16).eval()
        assert other(torch.randn(2, 1, bands, frames)).reconstruction.shape == (2, 1, bands, frames)


def test_the_decoder_reaches_the_whole_range_of_its_target() -> None:
    """An output layer such as tanh could not: peers' autoencoders never rebuilt a decibel."""
    torch.manual_seed(0)
    model = MultiTaskAutoencoder(32, 32, 32)
    targets = torch.where(torch.arange(32)[:, None] < 16, -75.0, -2.0).expand(8, 1, 32, 32).clone()
    targets += torch.randn(8, 1, 32, 32)
    model.normalise.fit(targets.squeeze(1).numpy())
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        (model(targets).reconstruction - targets).square().mean().backward()
        optimizer.step()
    rebuilt = model(targets).reconstruction.detach()
    assert rebuilt[:, :, :16].mean().item() == pytest.approx(-75.0, abs=6)
    assert rebuilt[:, :, 16:].mean().item() == pytest.approx(-2.0, abs=6)


def test_the_autoencoders_loss_is_in_deviations_plus_half_the_cross_entropy() -> None:
    torch.manual_seed(0)
    model, x = MultiTaskAutoencoder().eval(), spectrograms(4)
    model.normalise.fit(x.squeeze(1).numpy())
    labels = torch.tensor([0, 1, 0, 1])
    output = model(x)
    losses = objective(model, Config().autoencoder)(output, [x, labels])
    squared = (model.normalise(output.reconstruction) - model.normalise(x)).square().mean()
    expected = squared + 0.5 * nn.functional.cross_entropy(output.logits, labels)
    torch.testing.assert_close(losses.total, expected)


def test_fusion_weights_add_up_to_one_and_multiply_the_original_vectors() -> None:
    torch.manual_seed(0)
    fusion = AttentionFusion()
    ae, trans = torch.randn(5, 256), torch.randn(5, 512)
    fused, weights = fusion(ae, trans)
    assert (fused.shape, weights.shape) == ((5, 768), (5, 2))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(5))
    torch.testing.assert_close(fused[:, :256], ae * weights[:, :1])
    torch.testing.assert_close(fused[:, 256:], trans * weights[:, 1:])


def test_one_scorer_serves_both_branches_and_the_softmax_is_over_them() -> None:
    fusion = AttentionFusion()
    ae, trans = torch.randn(3, 256), torch.randn(3, 512)
    scores = [fusion.scorer(fusion.ae_proj(ae)), fusion.scorer(fusion.trans_proj(trans))]
    torch.testing.assert_close(fusion(ae, trans)[1], torch.cat(scores, dim=1).softmax(dim=1))
    assert [module.out_features for module in fusion.scorer if isinstance(module, nn.Linear)] == [128, 1]


def test_the_hybrids_weights_differ_from_clip_to_clip() -> None:
    torch.manual_seed(0)
    hybrid = HybridClassifier().eval()
    weights = hybrid(torch.randn(6, 256), torch.randn(6, 512)).weights
    assert weights[:, 0].std() > 1e-3


def layer_sizes(model: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]


def test_the_classifiers_have_the_prescribed_layers() -> None:
    assert layer_sizes(build("ae_classifier", Config())) == [(256, 128), (128, 64), (64, 2)]
    assert layer_sizes(build("transformer_classifier", Config())) == [(512, 256), (256, 128), (128, 2)]
    assert layer_sizes(build("cnn", Config())) == [(256, 128), (128, 2)]
    hybrid = build("hybrid", Config())
    assert isinstance(hybrid, HybridClassifier)
    assert layer_sizes(hybrid.layers) == [(768, 512), (512, 256), (256, 128), (128, 2)]
    dropouts = [module.p for module in hybrid.layers if isinstance(module, nn.Dropout)]
    assert dropouts == [0.5, 0.4, 0.3]


def test_bfloat16_gives_nearly_the_logits_of_float32() -> None:
    torch.manual_seed(0)
    model, x = build("cnn", Config()).eval(), spectrograms(8)
    with torch.inference_mode(), Device("cpu", torch.bfloat16, "").precision():
        half = model(x)
    with torch.inference_mode():
        torch.testing.assert_close(half.float(), model(x), atol=0.02, rtol=0.02)
