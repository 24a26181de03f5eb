"""Audio Spectrogram Transformer (AST): a clip's filterbank in, an embedding of 512 numbers and two logits out.

    filterbank (frames, 128)
      mel ▲ ┌──┬──┬──┬──┐    every patch of 16 × 16 becomes one vector, a token; neighbours overlap by 6
      128 │ │p1│p2│p3│  │
          │ ├──┼──┼──┼──┤    [CLS] [DST] p1  p2  p3 ...    + a learned position for each place in the grid
          │ │  │  │  │  │      │     │   │   │   │
            └──┴──┴──┴──┘    ┌─▼─────▼───▼───▼───▼──────────────────────────────────────────────────┐
              time ▶         │ block: self-attention, then the same two layers on every token alone │  × 12
                             └─┬────────────────────────────────────────────────────────────────────┘
                               ▼
                             [CLS] (768) ── linear ── embedding (512) ── linear ── logits: human, AI

How self-attention works on patches. Each token asks a question (query), has a label (key) and a content (value). The
products of its query with all keys, through a softmax, are its weights over all patches, and it takes up the contents
in that proportion; several heads do so side by side. [CLS] is a token without a patch of its own: what it has gathered
after the last block stands for the clip. (The second extra token comes from AST's training by distillation.)

How this differs from a CNN. A convolution sees a few neighbouring bins and needs many layers before two distant places
meet, but knows from the start that near is related and that a pattern means the same wherever it stands. Attention
relates a drum at second 0 to a hiss at second 4 in its first block, and nothing to it is near until it has learned
positions: more can be learned, and more examples are needed to learn it.

Why AudioSet helps. Those examples are two million labelled clips: what an onset, a voice or a cymbal looks like is
learned there, so that a few thousand clips of ours need only teach which of these betray a decoder. Trained from
scratch on our clips alone, the same architecture must be small, and is usually behind the CNN.

Gong, Chung and Glass, "AST: Audio Spectrogram Transformer", Interspeech 2021.
"""

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from core.config import TransformerConfig
from core.errors import ConfigError, WeightsError
from core.models.cnn import CHANNELS, conv_blocks
from core.models.pretrained import ast_classes, is_local, load_backbone

if TYPE_CHECKING:
    from transformers import ASTModel

Tensor = torch.Tensor
Kind = Literal["ast-pretrained", "ast-small-scratch", "cnn-fallback"]

DESCRIPTIONS: dict[Kind, str] = {
    "ast-pretrained": "Audio Spectrogram Transformer with pretrained weights",
    "ast-small-scratch": "Small Audio Spectrogram Transformer, trained from scratch on this run's training clips",
    "cnn-fallback": "CNN encoder, because transformers could not be imported: not a transformer",
}
SCRATCH = "scratch"  # the value of `TransformerConfig.weights` that asks for the small AST
BANDS = 128
SPECIAL = 2  # [CLS] and the distillation token, before the patches


class EncoderOutput(NamedTuple):
    """What an encoder returns."""

    embedding: Tensor  # (B, 512)
    logits: Tensor  # (B, 2): human, AI
    cls: Tensor  # (B, hidden): what the embedding is a projection of


class PatchGrid(NamedTuple):
    """Where the patches of one clip lie, in bins and frames of the filterbank."""

    rows: int  # along the mel axis; token number = SPECIAL + row * columns + column
    columns: int  # along time
    patch: int  # edge of a patch, in bins and in frames of the model's input
    row_stride: int  # bins
    column_stride: int  # frames of the model's input
    stretch: float  # frames of the clip per frame of the model's input; 1 at native length


class Encoder(nn.Module):
    """What the transformer and its replacement share: a backbone, a projection to the embedding, a linear head."""

    def __init__(self, backbone: nn.Module, hidden: int, config: TransformerConfig, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.backbone = backbone
        self.projection = nn.Linear(hidden, config.embedding)
        self.head = nn.Linear(config.embedding, 2)

    def cls(self, x: Tensor) -> Tensor:
        """Sum up clips, (B, frames, 128) → (B, hidden)."""
        raise NotImplementedError

    def blocks(self) -> list[nn.Module]:
        """Return the backbone's parts that can be trained one by one, the last one nearest to the output."""
        raise NotImplementedError

    @property
    def architecture(self) -> dict[str, Any]:
        """The sizes `restore` needs, as plain values."""
        return {}

    def forward(self, x: Tensor) -> EncoderOutput:
        """Return embedding, logits and [CLS] for filterbanks (B, frames, 128)."""
        return self.project(self.cls(x))

    def project(self, cls: Tensor) -> EncoderOutput:
        """Return the same from [CLS] vectors (B, hidden) that were computed before."""
        embedding = self.projection(cls)
        return EncoderOutput(embedding, self.head(embedding), cls)

    def trainable(self, blocks: int) -> None:
        """Choose what of the backbone learns: 0 nothing (frozen), N its last N blocks, -1 all. New layers always do."""
        self.backbone.requires_grad_(blocks < 0)
        for block in self.blocks()[-blocks:] if blocks > 0 else []:
            block.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Encoder":
        """Switch dropout and batch statistics on, except in what is frozen: that gives the same vectors every time."""
        super().train(mode)
        for module in self.backbone.modules():
            weights = list(module.parameters())
            if weights and not any(weight.requires_grad for weight in weights):
                module.eval()
        return self

    def parameter_groups(self, rate: float, backbone_rate: float) -> list[dict[str, Any]]:
        """Return what learns, for an optimiser: the new layers at `rate`, a pretrained backbone at a fraction of it."""
        fresh = [*self.projection.parameters(), *self.head.parameters()]
        learning = [weight for weight in self.backbone.parameters() if weight.requires_grad]
        fraction = backbone_rate if self.kind == "ast-pretrained" else 1.0
        backbone = [{"params": learning, "lr": rate * fraction}] if learning else []
        return [{"params": fresh, "lr": rate}, *backbone]


class ASTTransformerEncoder(Encoder):
    """AST at any length: its position table cut to the clip, or the clip stretched to the table (`config.frames`)."""

    backbone: Any  # an ASTModel, whose parts are not typed

    def __init__(self, backbone: "ASTModel", config: TransformerConfig, kind: Kind) -> None:
        super().__init__(backbone, backbone.config.hidden_size, config, kind)
        self.native = config.frames == "native"

    @property
    def architecture(self) -> dict[str, Any]:
        """The configuration of the wrapped ASTModel."""
        return dict(self.backbone.config.to_dict())

    def blocks(self) -> list[nn.Module]:
        """Return the transformer blocks; the last one with the layer norm after it, which has no block of its own."""
        *blocks, last = self.backbone.layers
        return [*blocks, nn.ModuleList([last, self.backbone.layernorm])]

    def cls(self, x: Tensor) -> Tensor:
        """Return [CLS] of the last layer, (B, frames, 128) → (B, hidden), in float32."""
        tokens = self._tokens(x)  # (B, N, hidden)
        *blocks, last = self.backbone.layers
        for block in blocks:
            tokens = block(tokens)  # (B, N, hidden)
        return self.backbone.layernorm(_first_token(last, tokens)).squeeze(1).float()  # type: ignore[no-any-return]

    def attention(self, x: Tensor) -> list[Tensor]:
        """Return each block's attention weights, (B, heads, N, N); row = who asks, column = who is asked.

        The fast attention in `cls` never forms these weights, so they are computed here from each block's queries and
        keys, which leaves the shared model as it is. For 12 × 768 they take 209 MB per clip of 5 seconds.
        """
        tokens = self._tokens(x)
        weights = []
        for block in self.backbone.layers:
            query, key, _ = _heads(block, block.layernorm_before(tokens))
            weights.append((query @ key.transpose(2, 3) * block.attention.scaling).softmax(dim=-1))
            tokens = block(tokens)
        return weights

    def grid(self, frames: int) -> PatchGrid:
        """Return where the patches of a clip of so many frames lie."""
        sizes, length = self.backbone.config, self._length(frames)
        rows = (BANDS - sizes.patch_size) // sizes.frequency_stride + 1
        columns = (length - sizes.patch_size) // sizes.time_stride + 1
        return PatchGrid(
            rows, columns, sizes.patch_size, sizes.frequency_stride, sizes.time_stride, stretch=frames / length
        )

    def _length(self, frames: int) -> int:
        """Return the frames the model reads for a clip of so many: its own where the position table reaches."""
        sizes = self.backbone.config
        return frames if self.native and sizes.patch_size <= frames <= sizes.max_length else int(sizes.max_length)

    def _tokens(self, x: Tensor) -> Tensor:
        """Cut a batch into patches, add the special tokens and the positions, (B, frames, 128) → (B, N, hidden)."""
        grid = self.grid(x.shape[1])
        if (length := self._length(x.shape[1])) != x.shape[1]:
            x = functional.interpolate(x.transpose(1, 2), size=length, mode="linear").transpose(1, 2)  # (B, 1024, 128)
        embeddings = self.backbone.embeddings
        patches = embeddings.patch_embeddings(x.to(self.backbone.dtype))  # (B, rows * columns, hidden)
        special = torch.cat([embeddings.cls_token, embeddings.distillation_token], dim=1)  # (1, 2, hidden)
        tokens = torch.cat([special.expand(len(x), -1, -1), patches], dim=1)  # (B, N, hidden)
        return embeddings.dropout(tokens + self._positions(grid))  # type: ignore[no-any-return]

    def _positions(self, grid: PatchGrid) -> Tensor:
        """Cut the position table to the clip's columns: patch (row, column) keeps the position it was trained with."""
        table: Tensor = self.backbone.embeddings.position_embeddings  # (1, 2 + rows * all columns, hidden)
        patches = table[:, SPECIAL:].reshape(1, grid.rows, -1, table.shape[2])[:, :, : grid.columns].flatten(1, 2)
        return torch.cat([table[:, :SPECIAL], patches], dim=1)  # (1, N, hidden)


def _heads(block: Any, x: Tensor, first: int | None = None) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
    """Return queries (of the first tokens only, if so asked), keys and values, each (B, heads, N, hidden / heads)."""
    attention = block.attention
    split = (attention.q_proj(x[:, :first]), attention.k_proj(x), attention.v_proj(x))
    query, key, value = (part.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2) for part in split)
    return query, key, value


def _first_token(block: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - transformers' ASTLayer
    """Run a block for [CLS] alone, (B, N, hidden) → (B, 1, hidden): of the last block nothing else is ever read."""
    query, key, value = _heads(block, block.layernorm_before(x), first=1)
    gathered = functional.scaled_dot_product_attention(query, key, value, scale=block.attention.scaling)
    x = x[:, :1] + block.dropout(block.attention.o_proj(gathered.transpose(1, 2).flatten(2)))
    return x + block.dropout(block.mlp(block.layernorm_after(x)))  # type: ignore[no-any-return]


class CNNEncoder(Encoder):
    """Stand-in with the same interface where transformers cannot be imported; never called AST anywhere."""

    backbone: nn.Sequential

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(conv_blocks(), CHANNELS[-1], config, "cnn-fallback")

    def cls(self, x: Tensor) -> Tensor:
        """Sum up clips, (B, frames, 128) → (B, 256)."""
        x = x.transpose(1, 2).unsqueeze(1)  # (B, 1, 128, frames)
        return self.backbone(x).mean(dim=(2, 3)).float()  # type: ignore[no-any-return]  # (B, 256)

    def blocks(self) -> list[nn.Module]:
        """Return the convolution blocks."""
        return list(self.backbone)


def build(config: TransformerConfig, frames: int) -> tuple[Encoder, str]:
    """Return the best encoder that can be had here, and in one sentence why it is not the one asked for ("" if it is).

    Parameters
    ----------
    frames : of the clips' filterbanks; a small AST is made for exactly this length.

    Raises
    ------
    WeightsError : a local folder was named and cannot be used: replacing it silently would not be what was asked.
    """
    try:
        return _build_transformer(config, frames)
    except ImportError as error:
        return CNNEncoder(config), f"transformers cannot be imported ({error}); install it: pip install transformers."


def _build_transformer(config: TransformerConfig, frames: int) -> tuple[Encoder, str]:
    if config.weights == SCRATCH:
        return small(config, frames), ""
    try:
        return load_pretrained(config.weights, config), ""
    except WeightsError as error:
        if is_local(config.weights):
            raise
        return small(config, frames), str(error)


def load_pretrained(weights: str, config: TransformerConfig) -> ASTTransformerEncoder:
    """Return AST with the weights of a hub model or a local folder; the projection and the head are new.

    Raises
    ------
    WeightsError, ImportError : see `load_backbone`.
    """
    return ASTTransformerEncoder(load_backbone(weights, config.hub_timeout), config, "ast-pretrained")


def small(config: TransformerConfig, frames: int) -> ASTTransformerEncoder:
    """Return an untrained AST in a small size, with what helps a transformer that sees only hundreds of clips.

    Positions start as sines and cosines over both axes instead of zeros, so that near and far are known from the first
    step, and the patch projection starts at the scale of those positions; both go on learning.
    """
    hidden, heads = config.small_hidden, config.small_heads
    if hidden % heads or hidden % 4:
        problem = f"{hidden} cannot be divided by 4 and among {heads} heads"
        raise ConfigError("transformer.small_hidden", problem, f"Take a multiple of {math.lcm(4, heads)}")
    sizes = {
        "hidden_size": hidden,
        "num_hidden_layers": config.small_layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "hidden_dropout_prob": config.small_dropout,
        "patch_size": config.small_patch,
        "frequency_stride": config.small_stride,
        "time_stride": config.small_stride,
        "max_length": frames,
        "num_mel_bins": BANDS,
    }
    encoder = _blank(sizes, config, "ast-small-scratch")
    grid, embeddings = encoder.grid(frames), encoder.backbone.embeddings
    with torch.no_grad():
        embeddings.position_embeddings[:, SPECIAL:] = _sine_positions(grid.rows, grid.columns, hidden)
        nn.init.normal_(embeddings.cls_token, std=0.02)
        nn.init.normal_(embeddings.distillation_token, std=0.02)
        nn.init.xavier_uniform_(embeddings.patch_embeddings.projection.weight.flatten(1))
    return encoder


def restore(kind: Kind, architecture: dict[str, Any], config: TransformerConfig) -> Encoder:
    """Return an untrained encoder of a kind and an `Encoder.architecture`, into which a checkpoint's weights fit."""
    return CNNEncoder(config) if kind == "cnn-fallback" else _blank(architecture, config, kind)


def _blank(sizes: dict[str, Any], config: TransformerConfig, kind: Kind) -> ASTTransformerEncoder:
    ast_config, ast_model = ast_classes()
    return ASTTransformerEncoder(ast_model(ast_config.from_dict(sizes)), config, kind)


def _sine_positions(rows: int, columns: int, hidden: int) -> Tensor:
    """Describe every place of a grid by sines and cosines of its row and column, (rows * columns, hidden)."""
    frequencies = 1e4 ** (-torch.arange(hidden // 4) / (hidden // 4))  # (hidden / 4,) radians per step
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = torch.stack([row.flatten(), column.flatten()], dim=1).unsqueeze(2) * frequencies  # (places, 2, hidden / 4)
    return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1)  # (places, hidden)
