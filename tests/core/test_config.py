"""Settings: one default each, and nothing unknown, mistyped or out of range gets through."""

import json

import pytest

from core.config import Config, Recipe, from_dict, to_dict, with_settings
from core.errors import ConfigError


def prescribed(learning_rate: float, batch_size: int, epochs: int, patience: int) -> Recipe:
    """Return a plain schedule: a constant rate, and patience from the first epoch."""
    return Recipe(
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        patience=patience,
        min_steps=0,
        cosine=False,
        recalibrate=False,
    )


def test_a_config_survives_being_written_as_json() -> None:
    config = with_settings(Config(), ["baselines.cnn.learning_rate=0.002", "train.seed=7", "autoencoder.variants=true"])
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_a_setting_changes_one_field_and_no_other() -> None:
    changed = to_dict(with_settings(Config(), ["hybrid.recipe.patience=9"]))
    changed["hybrid"]["recipe"]["patience"] = Config().hybrid.recipe.patience
    assert changed == to_dict(Config())


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("baselines.cnn.leraning_rate=1", "Did you mean learning_rate"),
        ("trian.seed=1", "Did you mean train"),
        ("baselines.cnn.batch_size=0", "out of range"),
        ("baselines.cnn.batch_size=-1", "out of range"),
        ("baselines.cnn.batch_size=thirty-two", "takes int"),
        ("baselines.cnn.batch_size=1000000000", "out of range"),
        ("baselines.cnn.learning_rate=nan", "out of range"),
        ("baselines.cnn.learning_rate=inf", "out of range"),
        ("baselines.cnn.epochs=3.5", "takes int"),
        ("autoencoder.variants=perhaps", "takes bool"),
        ("train.recipe=prescibed", "adapted, prescribed"),
        ("split.train=0.9", "do not add up to 1"),
        ("transformer.small_heads=5", "do not divide"),
        ("audio.seconds", "has no '='"),
        ("spectrogram.hop_length=8192", "fewer than 16 frames"),
        ("train=3", "is a section"),
        ("train.seed.more=3", "takes int"),
    ],
)
def test_a_wrong_setting_is_refused_with_one_sentence(setting: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_settings(Config(), [setting])
    assert says in str(caught.value)


def test_fractions_that_only_together_add_up_to_one_are_accepted() -> None:
    split = with_settings(Config(), ["split.train=0.6", "split.val=0.2", "split.test=0.2"]).split
    assert (split.train, split.val, split.test) == (0.6, 0.2, 0.2)


def test_the_prescribed_recipe_is_the_specifications_to_the_letter() -> None:
    config = with_settings(Config(), ["train.recipe=prescribed"])
    assert config.baselines.cnn == prescribed(1e-4, 32, 50, 5)
    assert config.baselines.ae_classifier == prescribed(1e-3, 64, 30, 5)
    assert config.baselines.transformer_classifier == prescribed(1e-3, 64, 30, 5)
    assert config.hybrid.recipe == prescribed(5e-4, 64, 30, 7)
    assert config.autoencoder.recipe == prescribed(1e-4, 32, 50, 5)
    assert not config.train.augment
    assert with_settings(config, ["train.recipe=adapted"]) == Config()


def test_a_setting_refines_the_prescribed_recipe() -> None:
    config = with_settings(Config(), ["baselines.cnn.epochs=3", "train.recipe=prescribed"])
    assert config.baselines.cnn == prescribed(1e-4, 32, 3, 5)


def test_a_stored_config_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such setting"):
        from_dict({"audio": {"sample_rat": 16_000}})


@pytest.mark.parametrize(
    "settings",
    [
        ["audio.sample_rate=8000", "audio.seconds=1", "audio.min_seconds=0.5", "spectrogram.hop_length=128"],
        ["audit.robustness_clips=1"],
    ],
)
def test_settings_that_nothing_could_be_computed_with_are_refused(settings: list[str]) -> None:
    with pytest.raises(ConfigError):
        with_settings(Config(), settings)
