"""Attention fusion of the autoencoder's latent and the transformer's embedding.

ae (256) ──┬── ae_proj ── 256 ──┐
           │                    ├─ shared scorer 256→128→1 ─ softmax over the two ─ weights (w_ae, w_trans)
trans (512)┼── trans_proj ─ 256 ┘                                   │
           └── ae · w_ae  ‖  trans · w_trans ── concatenation 768 ◀─┘ ── 768→512→256→128→2

The three-way fusion adds the fine spectrum, reduced to 256, as a third branch of the same kind.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from core.features.fine_axes import SIZE
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.classifiers import Standardise, layers
from core.models.fine_spectrum import Bend
from core.models.transformer import Encoder

DROPOUTS = (0.5, 0.4, 0.3)


class HybridOutput(NamedTuple):
    """What a fusion returns."""

    logits: torch.Tensor  # (B, 2): human, AI
    weights: torch.Tensor  # (B, branches); they add up to 1
    fused: torch.Tensor  # (B, 768), or (B, 1024) of three


class AttentionFusion(nn.Module):
    """Weigh two embeddings of one clip against each other."""

    def __init__(self, ae: int = 256, trans: int = 512, common: int = 256) -> None:
        super().__init__()
        self.ae_proj = nn.Linear(ae, common)
        self.trans_proj = nn.Linear(trans, common)
        self.scorer = nn.Sequential(nn.Linear(common, 128), nn.Tanh(), nn.Linear(128, 1))

    def forward(self, ae: torch.Tensor, trans: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the fused vector (B, ae + trans) and the weights (B, 2), which multiply the *original* vectors."""
        scores = torch.cat([self.scorer(self.ae_proj(ae)), self.scorer(self.trans_proj(trans))], dim=1)  # (B, 2)
        weights = scores.float().softmax(dim=1)  # (B, 2)
        fused = torch.cat([ae * weights[:, :1], trans * weights[:, 1:]], dim=1)  # (B, 768)
        return fused, weights


class Concatenation(nn.Module):
    """The plain alternative that attention fusion is compared with: both vectors with equal weights."""

    def forward(self, ae: torch.Tensor, trans: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `AttentionFusion` returns, with both weights one half."""
        return torch.cat([ae, trans], dim=1), ae.new_full((len(ae), 2), 0.5)


class EndToEndHybrid(nn.Module):
    """Both encoders and the fusion as one model, to be fine-tuned together."""

    def __init__(self, autoencoder: MultiTaskAutoencoder, transformer: Encoder, hybrid: "HybridClassifier") -> None:
        super().__init__()
        self.autoencoder, self.transformer, self.hybrid = autoencoder, transformer, hybrid

    def forward(self, log_mel: torch.Tensor, filterbank: torch.Tensor) -> HybridOutput:
        """Return what the hybrid returns, for log-mels (B, 1, n_mels, frames) and filterbanks (B, frames, 128)."""
        latent, embedding = self.autoencoder.encode(log_mel), self.transformer(filterbank).embedding
        return self.hybrid(latent, embedding)  # type: ignore[no-any-return]


class HybridClassifier(nn.Module):
    """Fuse the two embeddings and classify the result."""

    def __init__(self, ae: int = 256, trans: int = 512, *, attention: bool = True) -> None:
        super().__init__()
        self.standardise_ae = Standardise(ae)
        self.standardise_trans = Standardise(trans)
        self.fusion = AttentionFusion(ae, trans) if attention else Concatenation()
        self.layers = layers([ae + trans, 512, 256, 128, 2], DROPOUTS)

    def fit_statistics(self, ae: torch.Tensor, trans: torch.Tensor) -> None:
        """Take both embeddings' scale from the training split, (n, 256) and (n, 512)."""
        self.standardise_ae.fit(ae)
        self.standardise_trans.fit(trans)

    def forward(self, ae: torch.Tensor, trans: torch.Tensor) -> HybridOutput:
        """Return logits, fusion weights and fused vector for latents (B, 256) and embeddings (B, 512)."""
        fused, weights = self.fusion(self.standardise_ae(ae), self.standardise_trans(trans))
        return HybridOutput(self.layers(fused), weights, fused)


class ThreeWayFusion(nn.Module):
    """`AttentionFusion` with a third branch."""

    def __init__(self, sizes: Sequence[int], common: int = 256) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(size, common) for size in sizes)
        self.scorer = nn.Sequential(nn.Linear(common, 128), nn.Tanh(), nn.Linear(128, 1))

    def forward(self, *branches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the fused vector (B, sum of sizes) and the weights (B, 3)."""
        projected = zip(self.projections, branches, strict=True)
        scores = torch.cat([self.scorer(project(branch)) for project, branch in projected], dim=1)  # (B, 3)
        weights = scores.float().softmax(dim=1)  # (B, 3)
        weighed = [branch * weights[:, place : place + 1] for place, branch in enumerate(branches)]
        return torch.cat(weighed, dim=1), weights


class ThreeWayClassifier(nn.Module):
    """Fuse autoencoder, transformer and fine spectrum, and classify the result.

    In training, each embedding is now and then missing. Both come from encoders that have learned the training clips
    by heart, and a fusion that may always lean on them learns little from the fine spectrum: validation AUC over two
    seeds .945 and .940 without this, .956 and .954 with it at the same rate.
    """

    REDUCED = 256
    MISSING = 0.5  # how often, each on its own

    def __init__(self, ae: int = 256, trans: int = 512) -> None:
        super().__init__()
        self.standardise_ae = Standardise(ae)
        self.standardise_trans = Standardise(trans)
        self.bend = Bend()
        self.reduce = nn.Linear(SIZE, self.REDUCED)
        self.fusion = ThreeWayFusion([ae, trans, self.REDUCED])
        self.layers = layers([ae + trans + self.REDUCED, 512, 256, 128, 2], DROPOUTS)

    def fit_statistics(self, ae: torch.Tensor, trans: torch.Tensor, fine: torch.Tensor) -> None:
        """Take the scales from the training split: (n, 256), (n, 512) and (n, SIZE)."""
        self.standardise_ae.fit(ae)
        self.standardise_trans.fit(trans)
        self.bend.fit(fine)

    def forward(self, ae: torch.Tensor, trans: torch.Tensor, fine: torch.Tensor) -> HybridOutput:
        """Return logits, fusion weights and fused vector for one vector of each branch."""
        reduced = self.reduce(self.bend(fine.float()))  # (B, 256)
        ae, trans = self._some_missing(self.standardise_ae(ae)), self._some_missing(self.standardise_trans(trans))
        fused, weights = self.fusion(ae, trans, reduced)
        return HybridOutput(self.layers(fused), weights, fused)

    def _some_missing(self, embedding: torch.Tensor) -> torch.Tensor:
        """Put the training split's mean, which is 0 here, in the place of some clips' embedding (B, D) in training."""
        if not self.training:
            return embedding
        return embedding * (torch.rand(len(embedding), 1, device=embedding.device) >= self.MISSING)
