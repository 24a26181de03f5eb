"""Where tensors live and in which precision, chosen by a look at the machine, without a flag."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from core.errors import ConfigError

Tensor = torch.Tensor


@dataclass(frozen=True)
class Device:
    """A device and how to use it. `autocast` None means float32 throughout."""

    kind: str  # "cpu", "cuda" or "mps"
    autocast: torch.dtype | None
    description: str

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """Run a block in the device's precision: matrix products in bfloat16 where it is fast, sums in float32."""
        with torch.autocast(self.kind, self.autocast or torch.bfloat16, enabled=self.autocast is not None):
            yield

    def place(self, tensor: Tensor) -> Tensor:
        """Move a batch here; images go channels-last, which the convolutions of a CPU and of tensor cores prefer."""
        return tensor.to(self.kind, memory_format=torch.channels_last if tensor.ndim == 4 else torch.preserve_format)

    def place_model(self, model: nn.Module) -> nn.Module:
        """Move a model here, its convolutions channels-last."""
        return model.to(self.kind, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def peak_gpu_mb(self) -> float:
        """Return the most GPU memory used so far, in MB; 0 without a GPU that counts it."""
        return torch.cuda.max_memory_allocated() / 1e6 if self.kind == "cuda" else 0.0


def choose_device() -> Device:
    """Return CUDA, Apple MPS or the CPU, whichever is there first, with the precision it is good at.

    The choice looks only at what the hardware can do, not at a timing, so that a resumed run always makes the same one.
    `SMD_DEVICE=cpu` keeps a run off the GPU.
    """
    wanted = os.environ.get("SMD_DEVICE", "")
    if wanted not in ("", "cpu", "cuda", "mps"):
        raise ConfigError("SMD_DEVICE", f"{wanted!r} is no device", "Set it to cpu, cuda or mps, or leave it unset")
    _be_deterministic()
    if wanted in ("", "cuda") and torch.cuda.is_available():
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else None
        return Device("cuda", half, f"CUDA ({torch.cuda.get_device_name()}, {'bfloat16' if half else 'float32'})")
    if wanted in ("", "mps") and torch.backends.mps.is_available():
        return Device("mps", None, "Apple MPS (float32)")
    half = torch.bfloat16 if _cpu_has_bfloat16() else None
    threads = torch.get_num_threads()
    return Device("cpu", half, f"CPU ({threads} threads, {'bfloat16' if half else 'float32'})")


def _cpu_has_bfloat16() -> bool:
    """Whether matrix products in bfloat16 are native here (AVX-512 BF16 or AMX) and not emulated."""
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16") or abilities.get("bf16"))


def _be_deterministic() -> None:
    """Ask for algorithms that give the same bits twice; CUDA's matrix library reads its setting at first use."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads any


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a tensor did not fit, on any device."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))
    )


def free_memory(device: Device) -> None:
    """Give cached blocks back after an out-of-memory error."""
    if device.kind == "cuda":
        torch.cuda.empty_cache()
