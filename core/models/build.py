"""The models by kind, as checkpoints name them."""

from collections.abc import Callable

from torch import nn

from core.config import Config
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.classifiers import ae_classifier, transformer_classifier
from core.models.cnn import CNN
from core.models.fine_spectrum import FineSpectrumClassifier
from core.models.hybrid import HybridClassifier, ThreeWayClassifier


def _autoencoder(config: Config) -> nn.Module:
    return MultiTaskAutoencoder(config.spectrogram.n_mels, frames(config), config.autoencoder.latent)


def _hybrid(config: Config, *, attention: bool) -> nn.Module:
    return HybridClassifier(config.autoencoder.latent, config.transformer.embedding, attention=attention)


MODELS: dict[str, Callable[[Config], nn.Module]] = {
    "autoencoder": _autoencoder,
    "cnn": lambda config: CNN(),
    "ae_classifier": lambda config: ae_classifier(config.autoencoder.latent),
    "transformer_classifier": lambda config: transformer_classifier(config.transformer.embedding),
    "hybrid": lambda config: _hybrid(config, attention=True),
    "concatenation": lambda config: _hybrid(config, attention=False),
    "fine_spectrum": lambda config: FineSpectrumClassifier(),
    "three_way": lambda config: ThreeWayClassifier(config.autoencoder.latent, config.transformer.embedding),
}


def build(kind: str, config: Config) -> nn.Module:
    """Return an untrained model of a kind, in the sizes the config gives.

    Raises
    ------
    KeyError : there is no such kind.
    """
    return MODELS[kind](config)


def frames(config: Config) -> int:
    """Frames of a clip's log-mel: 157 at the defaults."""
    return 1 + config.audio.samples // config.spectrogram.hop_length
