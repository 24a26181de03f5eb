"""A run's trained models as one thing that answers: from waveforms to every detector's probability of AI."""

from collections.abc import Sequence

import numpy as np
import torch

from core.artifacts import CHECKPOINTS, DETECTORS, Run
from core.device import choose_device
from core.features.front_end import Pictures, as_prepared
from core.storage import Array
from core.training import checkpoints
from core.training.batches import predict

BATCH = 32  # clips at a time through the models


class Detector:
    """All detectors of a run, loaded once.

    Raises
    ------
    ArtifactError : a checkpoint is missing or damaged.
    """

    def __init__(self, run: Run) -> None:
        self.device = choose_device()
        self.models = {}
        for name, phase in CHECKPOINTS.items():
            model, config = checkpoints.load(run.checkpoint(f"{name}_best"), run.remedy(phase))
            self.models[name] = self.device.place_model(model)
        self.config = as_prepared(run, config)

    def read(self, seen: Sequence[Pictures], label: str = "detectors") -> dict[str, Array]:
        """Return each detector's probability of AI, (n,) float32, from what the models read of n clips.

        `label` names the progress bar; an empty one shows none.
        """
        log_mels, filterbanks, fine = (torch.from_numpy(np.stack(part)) for part in zip(*seen, strict=True))
        inputs = [log_mels.unsqueeze(1), filterbanks.float(), fine]
        probabilities = predict(self._forward, inputs, self.device, BATCH, label)
        return {name: values.numpy() for name, values in zip(DETECTORS, probabilities, strict=True)}

    def _forward(self, log_mel: torch.Tensor, filterbank: torch.Tensor, fine: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the probabilities (B,) in the order of DETECTORS."""
        models = self.models
        latent = models["ae_multitask"].encode(log_mel).float()  # type: ignore[operator]  # (B, 256)
        embedding = models["transformer"](filterbank).embedding.float()  # (B, 512)
        logits = {
            "cnn": models["cnn"](log_mel),
            "ae_classifier": models["ae_classifier"](latent),
            "transformer_classifier": models["transformer_classifier"](embedding),
            "hybrid": models["hybrid"](latent, embedding).logits,
            "fine_spectrum": models["fine_spectrum"](fine),
            "three_way": models["three_way"](latent, embedding, fine).logits,
        }
        return tuple(logits[name].float().softmax(dim=1)[:, 1] for name in DETECTORS)
