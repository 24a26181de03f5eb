"""A checkpoint: a model's kind, its whole configuration and its weights, in one file that is read without pickle.

The normalisation statistics are buffers of the model and therefore part of the weights. A `*_last.pth` also carries the
state of its training, from which an interrupted run goes on; a `*_best.pth` does not. In a run that ships, weights are
rounded (`save_rounded`); a model is rebuilt from them in float32 as from any other.
"""

import io
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.config import Config, from_dict, to_dict
from core.errors import ArtifactError, ConfigError
from core.models.build import build
from core.models.transformer import Encoder, restore
from core.storage import write_atomic

FORMAT = 1
LARGE = 1_000_000  # weights: matrices of more are rounded to 8 bits a row, others to float16

Weights = dict[str, Any]  # by name: a tensor, or {"int8", "scale"} of a matrix rounded row by row


def save(path: Path, kind: str, model: nn.Module, config: Config, training: dict[str, Any] | None = None) -> None:
    """Write a checkpoint atomically; the same weights give the same bytes."""
    # An encoder's sizes come with its weights, not from the settings: pretrained ones bring their own.
    sizes = {"encoder": model.kind, "architecture": model.architecture} if isinstance(model, Encoder) else {}
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    content = {
        "format": FORMAT,
        "kind": kind,
        "config": to_dict(config),
        "sizes": sizes,
        "weights": weights,
        "training": training,
    }
    _write(path, content)


def save_rounded(path: Path, content: dict[str, Any]) -> None:
    """Write what `read` returned with its weights rounded, in about half to a quarter of the space.

    Matrices and kernels become float16; matrices of more than LARGE weights become int8 with a scale per row. Vectors
    (biases, statistics) stay: they take no space, and a small deviation must not become zero.
    """
    weights = {name: _rounded(tensor) for name, tensor in content["weights"].items()}
    _write(path, content | {"weights": weights, "training": None})


def _rounded(weight: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
    if weight.ndim < 2 or not weight.is_floating_point():
        return weight
    if weight.ndim == 2 and weight.numel() > LARGE:
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / 127
        return {"int8": (weight / scale).round().to(torch.int8), "scale": scale}
    half = weight.half()
    return half if bool(half.isfinite().all()) else weight


def _restored(weights: Weights) -> dict[str, torch.Tensor]:
    """Return rounded weights as float32, others as they are."""
    return {
        name: weight["int8"].float() * weight["scale"]
        if isinstance(weight, dict)
        else weight.float()
        if weight.dtype == torch.float16
        else weight
        for name, weight in weights.items()
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    buffer = io.BytesIO()  # written in memory first: torch names the archive's folder after the file it writes to
    torch.save(_interned(content), buffer)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def _interned(value: Any) -> Any:  # noqa: ANN401 - nested plain values and tensors
    """Return the value with one object per text: the format refers back to texts by identity.

    Without this, a resumed training, whose texts come partly from a file, would write other bytes for equal content.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_interned(key): _interned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_interned(item) for item in value)
    return value


def read(path: Path, remedy: str) -> dict[str, Any]:
    """Return a checkpoint's content; whatever is not one of ours is refused, and no code in it runs."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ArtifactError(path, "not made yet", remedy) from None
    except Exception as error:  # torch raises half a dozen kinds for a damaged or hostile file
        raise ArtifactError(path, "damaged, or not a checkpoint of this program", remedy) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ArtifactError(path, "made by another version or another program", remedy)
    return content


def load(path: Path, remedy: str) -> tuple[nn.Module, Config]:
    """Rebuild a trained model in evaluation mode from its file alone, with the config it was trained with."""
    content = read(path, remedy)
    try:
        config = from_dict(content["config"])
        model = _build(content, config)
        model.load_state_dict(_restored(content["weights"]))
    except ConfigError as error:
        raise ArtifactError(path, f"made by another version ({error})", remedy) from error
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(path, f"its weights do not fit its model ({reason})", remedy) from error
    return model.eval(), config


def _build(content: dict[str, Any], config: Config) -> nn.Module:
    """Return the untrained model that a checkpoint's weights fit."""
    sizes = content["sizes"]
    if sizes:
        return restore(sizes["encoder"], sizes["architecture"], config.transformer)
    return build(content["kind"], config)
