"""Attention fusion of the autoencoder's latent and the transformer's embedding (SPEC H1).

ae (256) ──┬── ae_proj ── 256 ──┐
           │                    ├─ shared scorer 256→128→1 ─ softmax over the two ─ weights (w_ae, w_trans)
trans (512)┼── trans_proj ─ 256 ┘                                   │
           └── ae · w_ae  ‖  trans · w_trans ── concatenation 768 ◀─┘ ── 768→512→256→128→2
"""

from typing import NamedTuple

import torch
from torch import nn

from core.models.autoencoder import MultiTaskAutoencoder
from core.models.classifiers import Standardise, layers
from core.models.transformer import Encoder

DROPOUTS = (0.5, 0.4, 0.3)
BRANCHES = ("autoencoder", "transformer")


class HybridOutput(NamedTuple):
    """What the hybrid returns."""

    logits: torch.Tensor  # (B, 2): human, AI
    weights: torch.Tensor  # (B, 2): of the autoencoder and the transformer; they add up to 1
    fused: torch.Tensor  # (B, 768)


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
    """Both encoders and the fusion as one model, to be fine-tuned together (SPEC H4)."""

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
